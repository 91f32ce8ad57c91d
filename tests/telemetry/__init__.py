"""What is told of work: metrics and traces, to real receivers."""
