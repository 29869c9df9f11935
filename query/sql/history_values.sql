-- Values that are no numbers, by run in the order asked for, key, step and rank; at equal ones the last attempt's. A
-- page ends before the value that begins past its bytes.
SELECT place, key, step, rank, attempt, ms, type, value
FROM
(
    SELECT
        *,
        sum(length(value)) OVER (ORDER BY place, key, step, rank ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS bytes_before
    FROM
    (
        SELECT
            indexOf({run_ids:Array(UInt64)}, run_id) AS place,
            key, step, rank, attempt, toUnixTimestamp64Milli(ts) AS ms, type, value
        FROM history_values FINAL
        WHERE project_id IN {project_ids:Array(UInt64)} AND run_id IN {run_ids:Array(UInt64)} AND key IN {keys:Array(String)}
            AND step >= {from_step:Int64} AND step <= {last_step:Int64}
            AND ({all_ranks:Bool} OR rank IN {ranks:Array(UInt32)})
            AND (place, key, step, rank) > ({after_place:UInt64}, {after_key:String}, {after_step:Int64}, {after_rank:Int64})
            AND {valid}
        ORDER BY place, key, step, rank, attempt DESC
        LIMIT 1 BY place, key, step, rank
        LIMIT {limit:UInt32}
    )
)
WHERE bytes_before < {max_bytes:UInt64}
ORDER BY place, key, step, rank
