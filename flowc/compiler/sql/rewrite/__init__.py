"""Meaning of SQL across dialects: rewrites of a tree so that an engine computes what the author's dialect says."""
