-- One row a (run, key, rank, attempt): what the latest value is, between which steps and values it moved.
--
-- Every state is idempotent and order-free, so a replayed batch changes nothing. Rows are computed in the
-- ingest process from the batch it inserts; a materialized view would halve the insert rate.
-- last orders by (step, ver): the highest step wins, then the last write at that step.
-- first_step orders by ver: the step of the writer's first row, where a resumed attempt cuts earlier ones.
-- min_value and max_value are over finite values only; non-finite ones keep their points.
CREATE TABLE series
(
    project_id UInt64,
    run_id     UInt64,
    key        String,
    rank       UInt32,
    attempt    UInt32,
    first_ts   SimpleAggregateFunction(min, DateTime64(3, 'UTC')),
    last_ts    SimpleAggregateFunction(max, DateTime64(3, 'UTC')),
    min_step   SimpleAggregateFunction(min, Int64),
    max_step   SimpleAggregateFunction(max, Int64),
    first      SimpleAggregateFunction(min, Tuple(ver UInt64, step Int64)),
    last       SimpleAggregateFunction(max, Tuple(step Int64, ver UInt64, value Float64)),
    min_value  SimpleAggregateFunction(min, Nullable(Float64)),
    max_value  SimpleAggregateFunction(max, Nullable(Float64))
)
ENGINE = {aggregating}
ORDER BY (project_id, run_id, key, rank, attempt)
SETTINGS {table_settings};
