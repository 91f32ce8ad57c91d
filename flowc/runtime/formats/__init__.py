"""The formats of files and messages, a folder each."""
