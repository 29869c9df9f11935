-- The first step of each attempt: per rank the step of the first row it wrote, the lowest of all ranks.
SELECT run_id, attempt, min(first_step) AS first_step
FROM
(
    SELECT run_id, attempt, rank, tupleElement(min(first), 'step') AS first_step
    FROM series
    WHERE project_id = {project_id:UInt64} AND run_id IN {run_ids:Array(UInt64)}
    GROUP BY run_id, attempt, rank
)
GROUP BY run_id, attempt
ORDER BY run_id, attempt
