"""Streams around their runs: put together, looked at, moved, and their dead letters."""
