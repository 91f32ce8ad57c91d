"""SQL as its author wrote it: templates, positions, parsing."""
