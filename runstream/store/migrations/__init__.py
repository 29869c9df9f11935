"""The schema, as numbered SQL files; the only DDL of the project."""
