"""What the runtime knows of a journal."""
