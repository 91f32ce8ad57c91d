"""Runs streams: epochs that read, decode, compute, write and commit together with their positions."""
