-- Names of numbers and of other values, paged together.
SELECT
    key,
    max(is_number) AS has_numbers,
    groupUniqArrayArray(kinds) AS types,
    minIf(low, NOT is_number) AS min_step,
    maxIf(high, NOT is_number) AS max_step
FROM
(
    SELECT DISTINCT key, true AS is_number, emptyArrayString() AS kinds, toInt64(0) AS low, toInt64(0) AS high
    FROM series
    WHERE project_id IN {project_ids:Array(UInt64)}
        AND ({all_runs:Bool} OR run_id IN {run_ids:Array(UInt64)})
        AND ({contains:String} = '' OR positionCaseInsensitiveUTF8(key, {contains:String}) > 0)
        AND key > {after:String}
    UNION ALL
    SELECT key, false AS is_number, types AS kinds, min_step AS low, max_step AS high
    FROM history_keys
    WHERE project_id IN {project_ids:Array(UInt64)}
        AND ({all_runs:Bool} OR run_id IN {run_ids:Array(UInt64)})
        AND ({contains:String} = '' OR positionCaseInsensitiveUTF8(key, {contains:String}) > 0)
        AND key > {after:String}
)
GROUP BY key
ORDER BY key
LIMIT {limit:UInt32}
