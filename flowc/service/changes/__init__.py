"""Changes of databases: planned, applied, saved, compared, imported, and given to other projects."""
