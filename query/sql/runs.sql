SELECT
    run_id, run, entity, project,
    toUnixTimestamp64Milli(min(created_at)) AS created_ms,
    tupleElement(max(display_name), 'value') AS name,
    tupleElement(max(run_group), 'value') AS group_name,
    tupleElement(max(job_type), 'value') AS job,
    tupleElement(max(notes), 'value') AS note,
    tupleElement(max(tags), 'value') AS tag_list
FROM runs
WHERE project_id = {project_id:UInt64} AND ({run_id:UInt64} = 0 OR run_id = {run_id:UInt64})
GROUP BY run_id, run, entity, project
HAVING (created_ms, run_id) < ({before_ms:Int64}, {before_run:UInt64})
ORDER BY created_ms DESC, run_id DESC
LIMIT {limit:UInt32}
