-- The run's own document: of the newest attempt, of its lowest rank that wrote one.
SELECT run_id, kind, argMax(text, (attempt, -toInt64(rank), ver)) AS json
FROM run_documents FINAL
WHERE project_id = {project_id:UInt64} AND run_id IN {run_ids:Array(UInt64)}
GROUP BY run_id, kind
