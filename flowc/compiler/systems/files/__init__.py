"""Folders of files: how streams write them."""
