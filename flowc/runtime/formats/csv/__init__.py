"""CSV: rows of files and messages."""
