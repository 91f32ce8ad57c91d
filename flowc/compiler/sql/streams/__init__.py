"""Windows, joins and table functions of streams, read from their SQL."""
