"""Executes plans. Never imports sqlglot, yaml or jsonschema: all SQL reaches it as finished text."""
