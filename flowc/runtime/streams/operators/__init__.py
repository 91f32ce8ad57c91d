"""Operators: what changes rows and remembers something of them."""
