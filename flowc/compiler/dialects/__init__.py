"""One frozen record per SQL dialect."""
