-- Lines of output. A line that is said again has the number it had and a higher ver, the writer's frame sequence:
-- a progress bar is one row in the end.
CREATE TABLE console
(
    project_id UInt64 CODEC(ZSTD(1)),
    run_id     UInt64 CODEC(ZSTD(1)),
    attempt    UInt32 CODEC(ZSTD(1)),
    rank       UInt32 CODEC(ZSTD(1)),
    writer     LowCardinality(String) CODEC(ZSTD(1)),
    line       UInt64 CODEC(DoubleDelta, ZSTD(1)),
    ts         DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1)),
    stream     LowCardinality(String) CODEC(ZSTD(1)),
    text       String CODEC(ZSTD(3)),
    ver        UInt64 CODEC(Delta, ZSTD(1))
)
ENGINE = {replacing}(ver)
ORDER BY (project_id, run_id, attempt, rank, writer, line)
SETTINGS {table_settings};
