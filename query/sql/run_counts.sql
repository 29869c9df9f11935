SELECT
    (SELECT uniqExact(path) FROM run_files
        WHERE project_id = {project_id:UInt64} AND run_id = {run_id:UInt64}) AS files,
    (SELECT count() FROM alerts FINAL
        WHERE project_id = {project_id:UInt64} AND run_id = {run_id:UInt64}) AS alerts
