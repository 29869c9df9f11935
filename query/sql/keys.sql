SELECT DISTINCT key
FROM series
WHERE project_id IN {project_ids:Array(UInt64)}
    AND ({all_runs:Bool} OR run_id IN {run_ids:Array(UInt64)})
    AND ({contains:String} = '' OR positionCaseInsensitiveUTF8(key, {contains:String}) > 0)
    AND key > {after:String}
ORDER BY key
LIMIT {limit:UInt32}
