"""DataFusion: its context, the functions of PostgreSQL in it, checked arithmetic, and the reading of files."""
