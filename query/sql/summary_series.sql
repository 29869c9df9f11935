-- Ranges and first steps of keys, for each attempt of the lowest rank that logged them.
SELECT run_id, key, rank, attempt, low, high, first_step, last_step
FROM
(
    SELECT
        run_id, key, rank, attempt,
        min(min_value) AS low,
        max(max_value) AS high,
        tupleElement(min(first), 'step') AS first_step,
        max(max_step) AS last_step,
        min(rank) OVER (PARTITION BY run_id, key) AS lowest
    FROM series
    WHERE project_id = {project_id:UInt64} AND run_id IN {run_ids:Array(UInt64)} AND key IN {keys:Array(String)}
    GROUP BY run_id, key, rank, attempt
)
WHERE rank = lowest
ORDER BY run_id, key, attempt
