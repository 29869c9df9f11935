"""ClickHouse: the schema, its migrations, and the one client that all services use."""
