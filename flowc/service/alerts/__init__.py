"""Alerts: what is to be told of runs, streams and tables (`told`), how old tables are, and who is told how."""
