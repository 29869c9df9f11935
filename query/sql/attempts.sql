-- The first step of each attempt: per rank the step of the first row it wrote, numbers or not, the lowest of all ranks.
-- System metrics say nothing about it: their steps are seconds.
SELECT run_id, attempt, min(first_step) AS first_step
FROM
(
    SELECT run_id, attempt, rank, tupleElement(min(first), 'step') AS first_step
    FROM
    (
        SELECT run_id, attempt, rank, first
        FROM series
        WHERE project_id = {project_id:UInt64} AND run_id IN {run_ids:Array(UInt64)} AND NOT startsWith(key, 'system/')
        UNION ALL
        SELECT run_id, attempt, rank, first
        FROM history_keys
        WHERE project_id = {project_id:UInt64} AND run_id IN {run_ids:Array(UInt64)}
    )
    GROUP BY run_id, attempt, rank
)
GROUP BY run_id, attempt
ORDER BY run_id, attempt
