"""ORC: stripes of files."""
