-- The last lines of each rank. Which they are is found by key alone, so that a long log is not read for its end;
-- only a search must look at all texts.
SELECT attempt, rank, writer, line, us, is_stderr, text
FROM
(
    SELECT
        *,
        sum(length(text)) OVER (ORDER BY attempt DESC, writer DESC, line DESC, rank ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
            AS bytes_after
    FROM
    (
        SELECT attempt, rank, writer, line, toUnixTimestamp64Micro(ts) AS us, stream = 'stderr' AS is_stderr, text
        FROM console FINAL
        WHERE project_id = {project_id:UInt64} AND run_id = {run_id:UInt64}
            AND ({contains:String} = '' OR positionCaseInsensitiveUTF8(text, {contains:String}) > 0)
            AND (attempt, rank, writer, line) IN
            (
                SELECT DISTINCT attempt, rank, writer, line
                FROM {searched}
                WHERE project_id = {project_id:UInt64} AND run_id = {run_id:UInt64}
                    AND ({all_ranks:Bool} OR rank IN {ranks:Array(UInt32)})
                    AND ({all_attempts:Bool} OR attempt = {attempt:UInt32})
                    AND line >= {from_line:UInt64}
                    AND ({contains:String} = '' OR positionCaseInsensitiveUTF8(text, {contains:String}) > 0)
                ORDER BY rank, attempt DESC, writer DESC, line DESC
                LIMIT {tail:UInt32} BY rank
            )
    )
)
WHERE bytes_after < {max_bytes:UInt64}
ORDER BY attempt, rank, writer, line
