"""What the compiler knows of a journal."""
