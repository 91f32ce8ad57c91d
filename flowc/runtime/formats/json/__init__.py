"""JSON: documents, lines and messages."""
