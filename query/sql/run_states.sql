-- Of the newest attempt of each run: how many writers are in which state. A writer that says running but was
-- not heard of for the lapse has crashed without a word.
SELECT
    run_id, attempt,
    max(world_size) AS ranks,
    toUnixTimestamp64Milli(max(heartbeat_at)) AS heard_ms,
    countIf(state = 'running' AND heartbeat_at >= now64(3) - toIntervalMillisecond({lapse_ms:UInt32})) AS alive,
    countIf(state = 'crashed' OR (state = 'running' AND heartbeat_at < now64(3) - toIntervalMillisecond({lapse_ms:UInt32}))) AS crashed,
    countIf(state = 'failed') AS failed
FROM writers FINAL
WHERE project_id = {project_id:UInt64} AND run_id IN {run_ids:Array(UInt64)}
GROUP BY run_id, attempt
ORDER BY run_id, attempt DESC
LIMIT 1 BY run_id
