"""The systems: a folder each, with what the compiler knows of it."""
