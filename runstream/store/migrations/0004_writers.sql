-- One row a process of an attempt: is it alive, how did it end, and its receipt. ver is the forwarder's
-- clock in microseconds.
CREATE TABLE writers
(
    project_id   UInt64,
    run_id       UInt64,
    rank         UInt32,
    attempt      UInt32,
    writer       String,
    world_size   UInt32,
    host         String,
    process_id   UInt32,
    state        LowCardinality(String),
    exit_code    Int32,
    started_at   DateTime64(3, 'UTC'),
    heartbeat_at DateTime64(3, 'UTC'),
    sent         UInt64,
    stored       UInt64,
    refused      UInt64,
    complete     Bool,
    ver          UInt64
)
ENGINE = {replacing}(ver)
ORDER BY (project_id, run_id, rank, attempt, writer)
SETTINGS {table_settings};

-- What was refused, by whom and why: shown on the run's page, never silent.
CREATE TABLE refusals
(
    project_id UInt64,
    run_id     UInt64,
    rank       UInt32,
    attempt    UInt32,
    writer     String,
    seq        UInt64,
    reason     LowCardinality(String),
    field      String,
    message    String,
    count      UInt64,
    ver        UInt64
)
ENGINE = {replacing}(ver)
ORDER BY (project_id, run_id, rank, attempt, writer, seq, reason, field)
SETTINGS {table_settings};
