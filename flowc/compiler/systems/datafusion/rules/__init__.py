"""SQL as DataFusion means it."""
