-- The run's own document of each kind: of the newest attempt, of its lowest rank that wrote one.
SELECT run_id, kind, argMax(text, (attempt, -toInt64(rank), ver)) AS json
FROM run_documents FINAL
WHERE project_id = {project_id:UInt64} AND run_id IN {run_ids:Array(UInt64)} AND kind IN {kinds:Array(String)}
GROUP BY run_id, kind
