SELECT entity, project, uniqExact(run_id) AS run_count, toUnixTimestamp64Milli(max(created_at)) AS newest_ms
FROM runs
WHERE ({any_entity:Bool} OR entity = {entity:String})
GROUP BY entity, project
HAVING (newest_ms, entity, project) < ({before_ms:Int64}, {before_entity:String}, {before_project:String})
ORDER BY newest_ms DESC, entity DESC, project DESC
LIMIT {limit:UInt32}
