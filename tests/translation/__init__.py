"""Queries of six dialects, translated to every engine that runs here, executed, and compared with what they mean."""
