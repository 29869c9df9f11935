SELECT run_id, key, rank, max(last) AS last_row, toUnixTimestamp64Milli(max(last_ts)) AS last_ms
FROM series
WHERE project_id = {project_id:UInt64} AND run_id IN {run_ids:Array(UInt64)}
    AND ({all_keys:Bool} OR key IN {keys:Array(String)})
    AND ({all_ranks:Bool} OR rank IN {ranks:Array(UInt32)})
GROUP BY run_id, key, rank
ORDER BY run_id, key, rank
LIMIT 10000 BY run_id
