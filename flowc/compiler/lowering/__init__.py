"""A checked spec to the Ir, with the columns and types of every query."""
