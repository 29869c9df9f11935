SELECT DISTINCT rank
FROM console
WHERE project_id = {project_id:UInt64} AND run_id = {run_id:UInt64}
ORDER BY rank
LIMIT 4096
