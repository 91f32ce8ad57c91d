"""The command line: the only package that prints, reads the environment and exits."""

COMPLETING = "_FLOWC_COMPLETE"
"""The variable by which a shell asks what could stand next."""
