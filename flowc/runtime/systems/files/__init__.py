"""Files in folders: source, target and sessions."""
