"""Aggregates of groups: columns of numbers by slot, to which whole batches of rows are added at once."""
