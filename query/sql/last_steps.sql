SELECT run_id, max(max_step) AS last_step
FROM series
WHERE project_id = {project_id:UInt64} AND run_id IN {run_ids:Array(UInt64)}
GROUP BY run_id
