-- Files of a run by path; their bytes are blobs on S3. Any rank may say a path again: the newest wins, by the
-- writers' clocks in microseconds, the one order that they share.
CREATE TABLE run_files
(
    project_id UInt64,
    run_id     UInt64,
    path       String,
    size       UInt64,
    sha256     String,
    md5        String,
    media_type LowCardinality(String),
    rank       UInt32,
    attempt    UInt32,
    ver        UInt64
)
ENGINE = {replacing}(ver)
ORDER BY (project_id, run_id, path)
SETTINGS {table_settings};

-- Words to people, one row each; seq is the writer's frame sequence.
CREATE TABLE alerts
(
    project_id UInt64,
    run_id     UInt64,
    rank       UInt32,
    attempt    UInt32,
    writer     String,
    seq        UInt64,
    ts         DateTime64(6, 'UTC'),
    level      LowCardinality(String),
    title      String,
    text       String,
    ver        UInt64
)
ENGINE = {replacing}(ver)
ORDER BY (project_id, run_id, rank, attempt, writer, seq)
SETTINGS {table_settings};
