"""Folders and files: listing, opening, locking, and what a file is by its bytes."""
