"""Values as text, and text as values: JSON, decimals, intervals, the forms of PostgreSQL."""
