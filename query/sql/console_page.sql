-- Lines of output by attempt, rank, writer and number. A page ends before the line that begins past its bytes.
SELECT attempt, rank, writer, line, us, is_stderr, text
FROM
(
    SELECT
        *,
        sum(length(text)) OVER (ORDER BY attempt, rank, writer, line ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS bytes_before
    FROM
    (
        SELECT attempt, rank, writer, line, toUnixTimestamp64Micro(ts) AS us, stream = 'stderr' AS is_stderr, text
        FROM console FINAL
        WHERE project_id = {project_id:UInt64} AND run_id = {run_id:UInt64}
            AND ({all_ranks:Bool} OR rank IN {ranks:Array(UInt32)})
            AND ({all_attempts:Bool} OR attempt = {attempt:UInt32})
            AND line >= {from_line:UInt64}
            AND ({contains:String} = '' OR positionCaseInsensitiveUTF8(text, {contains:String}) > 0)
            AND ({is_first:Bool} OR (attempt, rank, writer, line)
                > ({after_attempt:UInt32}, {after_rank:UInt32}, {after_writer:String}, {after_line:UInt64}))
        ORDER BY attempt, rank, writer, line
        LIMIT {limit:UInt32}
    )
)
WHERE bytes_before < {max_bytes:UInt64}
ORDER BY attempt, rank, writer, line
