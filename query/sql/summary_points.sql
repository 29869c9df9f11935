-- The same from the points that are valid now: where a resume cut some off, and for means, which no idempotent
-- state can hold.
SELECT
    run_id, key, rank,
    minOrNullIf(value, isFinite(value)) AS low,
    maxOrNullIf(value, isFinite(value)) AS high,
    avgOrNullIf(value, isFinite(value)) AS mean
FROM
(
    SELECT run_id, key, rank, step, argMax(value, attempt) AS value
    FROM points FINAL
    WHERE project_id = {project_id:UInt64} AND run_id IN {run_ids:Array(UInt64)} AND key IN {keys:Array(String)}
        AND rank IN {ranks:Array(UInt32)} AND {valid}
    GROUP BY run_id, key, rank, step
)
GROUP BY run_id, key, rank
ORDER BY run_id, key, rank
LIMIT 1 BY run_id, key
