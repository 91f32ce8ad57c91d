"""How flowc gets at systems: connections, secrets, sessions, locks, and whose a table is."""
