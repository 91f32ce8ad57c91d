"""Messages that are one value of bytes or text."""
