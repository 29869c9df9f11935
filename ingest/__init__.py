"""Takes what writers stream, commits it to ClickHouse, acknowledges it."""
