"""Runs a LoadPlan."""
