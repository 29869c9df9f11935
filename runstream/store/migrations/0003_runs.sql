-- What a run is called and who it belongs to. Each attribute is a (ver, value) pair and the highest ver
-- wins, so writers may say only what they know: (0, '') leaves what is there. ver is the writer's clock in
-- microseconds, the one order that attempts on different hosts share.
CREATE TABLE runs
(
    project_id   UInt64,
    run_id       UInt64,
    entity       LowCardinality(String),
    project      LowCardinality(String),
    run          String,
    created_at   SimpleAggregateFunction(min, DateTime64(3, 'UTC')),
    display_name SimpleAggregateFunction(max, Tuple(ver UInt64, value String)),
    run_group    SimpleAggregateFunction(max, Tuple(ver UInt64, value String)),
    job_type     SimpleAggregateFunction(max, Tuple(ver UInt64, value String)),
    notes        SimpleAggregateFunction(max, Tuple(ver UInt64, value String)),
    tags         SimpleAggregateFunction(max, Tuple(ver UInt64, value Array(String)))
)
ENGINE = {aggregating}
ORDER BY (project_id, run_id, entity, project, run)
SETTINGS {table_settings};

-- Whole config and summary documents: the JSON column filters and sorts, the raw text is what is returned.
CREATE TABLE run_documents
(
    project_id UInt64,
    run_id     UInt64,
    kind       LowCardinality(String),
    rank       UInt32,
    attempt    UInt32,
    doc        JSON(max_dynamic_paths = 256),
    text       String CODEC(ZSTD(3)),
    ver        UInt64
)
ENGINE = {replacing}(ver)
ORDER BY (project_id, run_id, kind, rank, attempt)
SETTINGS {table_settings};
