"""A campaign against `flowc apply`: `python -m benchmarks.applies`."""
