-- Values of history rows that are no numbers: strings, lists, objects, media references. The row key is that of
-- points, so a replay replaces itself and a later row of the same step wins; ver is the writer's frame sequence.
CREATE TABLE history_values
(
    project_id UInt64 CODEC(ZSTD(1)),
    run_id     UInt64 CODEC(ZSTD(1)),
    key        LowCardinality(String) CODEC(ZSTD(1)),
    step       Int64 CODEC(DoubleDelta, ZSTD(1)),
    rank       UInt32 CODEC(ZSTD(1)),
    attempt    UInt32 CODEC(ZSTD(1)),
    ts         DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    type       LowCardinality(String) CODEC(ZSTD(1)),
    value      String CODEC(ZSTD(3)),
    ver        UInt64 CODEC(Delta, ZSTD(1))
)
ENGINE = {replacing}(ver)
ORDER BY (project_id, run_id, key, step, rank, attempt)
SETTINGS {table_settings};

-- What series is to points: one row a (run, key, rank, attempt), idempotent states only. first tells where a resumed
-- attempt cuts earlier ones, last what the summary shows: its value is empty when it is too long for that.
CREATE TABLE history_keys
(
    project_id UInt64,
    run_id     UInt64,
    key        String,
    rank       UInt32,
    attempt    UInt32,
    types      SimpleAggregateFunction(groupUniqArrayArray, Array(String)),
    min_step   SimpleAggregateFunction(min, Int64),
    max_step   SimpleAggregateFunction(max, Int64),
    first      SimpleAggregateFunction(min, Tuple(ver UInt64, step Int64)),
    last       SimpleAggregateFunction(max, Tuple(step Int64, ver UInt64, value String))
)
ENGINE = {aggregating}
ORDER BY (project_id, run_id, key, rank, attempt)
SETTINGS {table_settings};
