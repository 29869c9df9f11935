-- Alerts, newest first, with the names of their runs.
SELECT run_id, entity, project, run, rank, attempt, writer, seq, us, level, title, text
FROM
(
    SELECT run_id, rank, attempt, writer, seq, toUnixTimestamp64Micro(ts) AS us, level, title, text
    FROM alerts FINAL
    WHERE project_id IN {project_ids:Array(UInt64)} AND ({all_runs:Bool} OR run_id IN {run_ids:Array(UInt64)})
        AND (us, run_id, rank, attempt, writer, seq)
            < ({before_us:Int64}, {before_run:UInt64}, {before_rank:UInt32}, {before_attempt:UInt32}, {before_writer:String}, {before_seq:UInt64})
    ORDER BY us DESC, run_id DESC, rank DESC, attempt DESC, writer DESC, seq DESC
    LIMIT {limit:UInt32}
) AS found
INNER JOIN
(
    SELECT run_id, any(runs.entity) AS entity, any(runs.project) AS project, any(runs.run) AS run
    FROM runs
    WHERE project_id IN {project_ids:Array(UInt64)} AND ({all_runs:Bool} OR run_id IN {run_ids:Array(UInt64)})
    GROUP BY run_id
) AS named USING (run_id)
ORDER BY us DESC, run_id DESC, rank DESC, attempt DESC, writer DESC, seq DESC
