"""Soaks: the daemon for a long time at a steady rate, with servers and workers that die on the way."""
