SELECT run_id, min(min_step) AS low, max(max_step) AS high
FROM series
WHERE project_id = {project_id:UInt64} AND run_id IN {run_ids:Array(UInt64)} AND key IN {keys:Array(String)}
GROUP BY run_id
