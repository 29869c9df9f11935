-- API keys, by the SHA-256 of the whole key: 256 random bits need no salt or stretching, and a lookup by
-- hash compares nothing secret. Revoking writes a row with a higher ver. team and quota columns join later
-- by a migration of their own; entity and role already decide every right.
CREATE TABLE api_keys
(
    key_hash   FixedString(64),
    key_id     String,
    entity     String,
    name       String,
    role       LowCardinality(String),
    created_at DateTime64(3, 'UTC'),
    revoked    Bool,
    ver        UInt64
)
ENGINE = {replacing}(ver)
ORDER BY key_hash
SETTINGS {table_settings};
