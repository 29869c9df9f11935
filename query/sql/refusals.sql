SELECT reason, field, any(message) AS text, sum(count) AS points
FROM refusals FINAL
WHERE project_id = {project_id:UInt64} AND run_id = {run_id:UInt64}
GROUP BY reason, field
ORDER BY points DESC, reason, field
LIMIT 1000
