"""Targets of streams: each writes epochs, one after the other, and knows the last one that it holds."""
