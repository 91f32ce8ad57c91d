"""Sample systems of streams: each is a schema, a module and a line of a registry, and nothing in `flowc/` knows it."""
