"""MySQL and MariaDB: source, target and sessions."""
