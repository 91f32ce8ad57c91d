"""The daemon: a supervisor, the processes of its workers, and what they tell of themselves."""
