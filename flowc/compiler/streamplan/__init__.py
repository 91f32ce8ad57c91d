"""The plans of streams: what epochs read, compute and write, as finished text."""
