"""YAML text to a project whose shape is right: trees with spans, JSON Schema, spec records."""
