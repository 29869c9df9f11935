-- The latest value of each key of the newest attempt that logged it, of the lowest rank that did. Without wanted
-- keys, all but system metrics.
SELECT
    run_id, key,
    tupleElement(argMax(last_row, (attempt, -toInt64(rank))), 'value') AS value,
    tupleElement(argMax(last_row, (attempt, -toInt64(rank))), 'step') AS step,
    tupleElement(argMax(last_row, (attempt, -toInt64(rank))), 'ver') AS ver,
    tupleElement(max((attempt, -toInt64(rank))), 1) AS newest,
    -tupleElement(max((attempt, -toInt64(rank))), 2) AS lowest
FROM
(
    SELECT run_id, key, attempt, rank, max(last) AS last_row
    FROM {last_rows}
    WHERE project_id = {project_id:UInt64} AND run_id IN {run_ids:Array(UInt64)}
        AND ({all_keys:Bool} AND NOT startsWith(key, 'system/') OR key IN {keys:Array(String)})
    GROUP BY run_id, key, attempt, rank
)
GROUP BY run_id, key
ORDER BY run_id, key
LIMIT {keys_limit:UInt32} BY run_id
