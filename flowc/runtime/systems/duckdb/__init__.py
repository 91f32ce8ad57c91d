"""DuckDB: source, target and sessions."""
