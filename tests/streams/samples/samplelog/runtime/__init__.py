"""What the runtime knows of it."""
