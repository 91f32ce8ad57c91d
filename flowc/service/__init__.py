"""What runs around pipelines: running loads, comparing with live systems."""
