"""The steps of a plan that need no reading: statements, checks, counts, and rows that are at hand."""
