"""DuckDB: its record, its SQL, and how its tables are changed."""
