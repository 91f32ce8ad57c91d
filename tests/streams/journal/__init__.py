"""A target of streams that nothing in `flowc/` knows: the files that an author of a connector writes.

- `journal.json` is the schema of its connections: `schemas/connectors/journal.json`.
- `plan.py` plans it, before anything runs: `flowc/compiler/systems/journal/target.py`.
- `writer.py` writes it: `flowc/runtime/systems/journal/target.py`.
- `registered.py` does what two lines do: the schema's in `schemas/project.json`, and `ROOM` in `flowc.targets.TARGETS`.
"""
