SELECT path, size, sha256, md5, media_type, rank, attempt, ver
FROM run_files FINAL
WHERE project_id = {project_id:UInt64} AND run_id = {run_id:UInt64}
    AND startsWith(path, {prefix:String}) AND path > {after:String}
ORDER BY path
LIMIT {limit:UInt32}
