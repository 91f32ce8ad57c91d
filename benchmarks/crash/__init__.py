"""Crash campaigns: streams that are killed at every moment, and what their targets hold afterwards."""
