"""Runs of everything in a project."""
