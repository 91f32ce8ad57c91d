"""The graph of a stream: its nodes as operators, built from the plan and driven epoch by epoch."""
