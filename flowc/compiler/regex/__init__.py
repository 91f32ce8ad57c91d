"""Regular expressions that mean the same on every engine."""
