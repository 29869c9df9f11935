SELECT
    writer, attempt, rank, host, process_id, exit_code, sent, stored, refused, complete,
    toUnixTimestamp64Milli(started_at) AS started_ms,
    toUnixTimestamp64Milli(heartbeat_at) AS heard_ms,
    if(state = 'running' AND heartbeat_at < now64(3) - toIntervalMillisecond({lapse_ms:UInt32}), 'crashed', state) AS state_now
FROM writers FINAL
WHERE project_id = {project_id:UInt64} AND run_id = {run_id:UInt64}
ORDER BY attempt DESC, rank, started_ms DESC
LIMIT 5000
