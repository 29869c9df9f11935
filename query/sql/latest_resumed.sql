SELECT
    run_id, key, rank,
    max(step) AS last_step,
    argMax(value, step) AS last_value,
    toUnixTimestamp64Milli(argMax(ts, step)) AS last_ms
FROM {source}
WHERE ({all_ranks:Bool} OR rank IN {ranks:Array(UInt32)})
GROUP BY run_id, key, rank
ORDER BY run_id, key, rank
LIMIT 10000 BY run_id
