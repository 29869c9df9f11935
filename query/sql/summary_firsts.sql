-- Points by their whole row key.
SELECT run_id, key, value
FROM points FINAL
WHERE project_id = {project_id:UInt64} AND run_id IN {run_ids:Array(UInt64)} AND key IN {keys:Array(String)}
    AND (run_id, key, step, rank, attempt) IN
    (
        SELECT tupleElement(place, 1), tupleElement(place, 2), tupleElement(place, 3), tupleElement(place, 4), tupleElement(place, 5)
        FROM
        (
            SELECT arrayJoin(arrayZip(
                {run_ids:Array(UInt64)}, {keys:Array(String)}, {steps:Array(Int64)}, {ranks:Array(UInt32)}, {attempts:Array(UInt32)}
            )) AS place
        )
    )
