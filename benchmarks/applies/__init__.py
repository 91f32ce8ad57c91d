"""The crash campaign of `apply`: random edits of random tables in use, killed at any statement and applied again."""
