"""flowc against the machine's limits, statements written by hand and a peer: one table of ratios."""
