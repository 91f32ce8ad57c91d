"""SQL inside specs: templates, positions, names, types, and what a query means on another engine."""
