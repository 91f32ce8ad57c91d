"""Delta Lake: source, target and sessions."""
