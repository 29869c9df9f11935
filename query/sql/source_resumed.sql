-- What is valid now of a run with several attempts: an attempt's points from the first step of a later one on
-- are hidden, for all ranks at once; at equal (key, rank, step) the last attempt wins.
-- No resume hides system metrics: their steps are seconds since the run began, which go on.
(
    SELECT project_id, run_id, key, step, rank, argMax(ts, attempt) AS ts, argMax(value, attempt) AS value
    FROM points FINAL
    WHERE project_id = {project_id:UInt64} AND run_id IN {run_ids:Array(UInt64)} AND key IN {keys:Array(String)}
        AND (attempt = {newest:UInt32} OR startsWith(key, 'system/') OR step < transform(attempt, {attempts:Array(UInt32)}, {cuts:Array(Int64)}, toInt64(0)))
    GROUP BY project_id, run_id, key, step, rank
)
