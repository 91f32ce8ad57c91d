"""A target of streams that nothing in `flowc/` knows: the files that an author of a connector writes.

- `journal.json` is the schema of its connections: `schemas/connectors/journal.json`.
- `compiler/target.py` plans it, before anything runs: `flowc/compiler/systems/journal/target.py`.
- `runtime/target.py` writes it: `flowc/runtime/systems/journal/target.py`.
- `registered.py` adds two lines: the schema's in `schemas/project.json`, and the journal's in `flowc.systems.SYSTEMS`.
"""
