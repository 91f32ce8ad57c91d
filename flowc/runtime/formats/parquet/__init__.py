"""Parquet: row groups of files and messages."""
