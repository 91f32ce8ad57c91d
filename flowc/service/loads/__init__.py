"""Loads of pipelines around their runs: planned, run, previewed, compared, and where they go on."""
