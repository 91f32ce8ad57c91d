"""Executes plans. Never imports sqlglot, yaml or jsonschema_rs: all SQL reaches it as finished text."""
