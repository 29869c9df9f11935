-- The last step that was logged; those of system metrics are seconds.
SELECT run_id, max(step) AS last_step
FROM
(
    SELECT run_id, max_step AS step
    FROM series
    WHERE project_id = {project_id:UInt64} AND run_id IN {run_ids:Array(UInt64)} AND NOT startsWith(key, 'system/')
    UNION ALL
    SELECT run_id, max_step AS step
    FROM history_keys
    WHERE project_id = {project_id:UInt64} AND run_id IN {run_ids:Array(UInt64)}
)
GROUP BY run_id
