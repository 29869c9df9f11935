-- One row a point; the row key makes a replay replace itself.
--
-- Key order: runs are read whole, so project and run lead; step stands before rank because one step of
-- 1,024 ranks is then 12 times cheaper to read and a single rank's chart hardly dearer; attempt is in the
-- key so that an earlier attempt stays readable after a resume.
-- ver is the writer's frame sequence, a property of the point, never the time of arrival: whichever
-- replica a replay comes through, the same point has the same ver.
CREATE TABLE points
(
    project_id UInt64 CODEC(ZSTD(1)),
    run_id     UInt64 CODEC(ZSTD(1)),
    key        LowCardinality(String) CODEC(ZSTD(1)),
    step       Int64 CODEC(DoubleDelta, ZSTD(1)),
    rank       UInt32 CODEC(ZSTD(1)),
    attempt    UInt32 CODEC(ZSTD(1)),
    ts         DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    value      Float64 CODEC(Gorilla, ZSTD(1)),
    ver        UInt64 CODEC(Delta, ZSTD(1))
)
ENGINE = {replacing}(ver)
ORDER BY (project_id, run_id, key, step, rank, attempt)
SETTINGS {table_settings};
