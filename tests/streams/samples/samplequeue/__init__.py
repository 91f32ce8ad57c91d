"""A sample system that streams read."""
