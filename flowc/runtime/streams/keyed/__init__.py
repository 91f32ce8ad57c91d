"""Keyed state: what operators remember by key, and how it is kept."""
