-- One row a point; the row key makes a replay replace itself.
--
-- Key order: runs are read whole, so project and run lead; step stands before rank because one step of
-- 1,024 ranks is then 12 times cheaper to read and a single rank's chart hardly dearer; attempt is in the
-- key so that an earlier attempt stays readable after a resume.
-- ver is the writer's frame sequence, a property of the point, never the time of arrival: whichever
-- replica a replay comes through, the same point has the same ver.
-- Codecs, in bytes a point of the real curves of benchmarks.storage: value 3.2 (ZSTD alone 3.5, FPC 3.5, without
-- Gorilla's own ZSTD 3.5); ver 0.02 (Delta 0.3): a frame's number mostly grows by one. ts 0.3 (in blocks of 64 kB 0.9):
-- the keys of a row share its time, so a block that spans several keys holds the same jitter several times.
CREATE TABLE points
(
    project_id UInt64 CODEC(ZSTD(1)),
    run_id     UInt64 CODEC(ZSTD(1)),
    key        LowCardinality(String) CODEC(ZSTD(1)),
    step       Int64 CODEC(DoubleDelta, ZSTD(1)),
    rank       UInt32 CODEC(ZSTD(1)),
    attempt    UInt32 CODEC(ZSTD(1)),
    ts         DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)) SETTINGS (min_compress_block_size = 262144),
    value      Float64 CODEC(Gorilla, ZSTD(1)),
    ver        UInt64 CODEC(DoubleDelta, ZSTD(1))
)
ENGINE = {replacing}(ver)
ORDER BY (project_id, run_id, key, step, rank, attempt)
SETTINGS {table_settings};
