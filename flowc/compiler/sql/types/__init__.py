"""Scopes, names and types of SQL."""
