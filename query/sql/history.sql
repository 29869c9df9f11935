-- Buckets of 2^shift steps, aligned to zero, of runs with one attempt.
SELECT
    run_id, key, {rank_or_zero} AS curve_rank,
    bitShiftRight(step, {shift:UInt8}) AS bucket,
    min(step) AS first_step,
    toUnixTimestamp64Milli(max(ts)) AS last_ms,
    minOrNullIf(value, isFinite(value)) AS low,
    maxOrNullIf(value, isFinite(value)) AS high,
    avgOrNullIf(value, isFinite(value)) AS mean,
    argMin(value, step) AS first_value,
    argMax(value, step) AS last_value,
    count() AS points,
    countIf(NOT isFinite(value)) AS odd
FROM {source}
WHERE project_id = {project_id:UInt64} AND run_id IN {run_ids:Array(UInt64)} AND key IN {keys:Array(String)}
    AND step >= {from_step:Int64} AND step <= {last_step:Int64}
    AND ({all_ranks:Bool} OR rank IN {ranks:Array(UInt32)})
GROUP BY run_id, key, curve_rank, bucket
ORDER BY run_id, key, curve_rank, bucket
