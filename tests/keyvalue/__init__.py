"""A format that nothing in `flowc/` knows: lines of `key=value` pairs, with the modules that an author of one writes.

Its line in the table is in `registered.py`. With `read: { registry: CONNECTION }`, the decoder asks that connection for
the columns that the keys stand for.
"""
