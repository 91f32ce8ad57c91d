"""Plan and apply, on real databases."""
