"""flowc in Python: what commands do, without printing, exiting or handling signals. `flowc` itself exports it."""
