"""The DDL of tables, and how a live table differs from its spec."""
