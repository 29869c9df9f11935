-- One attempt as it was.
(
    SELECT project_id, run_id, key, step, rank, ts, value
    FROM points FINAL
    WHERE project_id = {project_id:UInt64} AND run_id IN {run_ids:Array(UInt64)} AND key IN {keys:Array(String)}
        AND attempt = {newest:UInt32}
)
