"""`flowc web`: what a project does, in a browser. Pages are made of what was compiled once and of what runs stored."""
