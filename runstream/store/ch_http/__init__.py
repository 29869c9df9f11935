"""ClickHouse's HTTP interface on one chDB engine, for one machine.

chDB admits one process a directory; this lets several services, and any ClickHouse HTTP client, share one.
What it is not: a ClickHouse server. There are no users but one, no replication, no native protocol, no
external tables; it is as fast and as durable as chDB on this machine.
"""
