"""What is told of work to those who watch it: metrics and traces."""
