"""PostgreSQL: source, target and sessions."""
