"""The only place that knows how tables differ between one machine and a cluster.

Migrations name engines by role, such as ``{replacing}``; this fills the roles in. A replicated flavour for
clusters joins here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Mapping

# fsync: on a single node nothing else covers a power cut.
_SINGLE_NODE: Mapping[str, str] = {
    "replacing": "ReplacingMergeTree",
    "aggregating": "AggregatingMergeTree",
    "table_settings": "fsync_after_insert = 1, fsync_part_directory = 1",
}


def fill(ddl: str) -> str:
    """Returns DDL with its engine roles filled in."""
    for role, text in _SINGLE_NODE.items():
        ddl = ddl.replace("{" + role + "}", text)
    return ddl
