"""SQLite: source, target and sessions."""
