"""Tests of `flowc web`."""
