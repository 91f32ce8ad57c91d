"""A database that was there before flowc, and a project that imports it."""

from __future__ import annotations

import yaml

from tests.commands import Inside
from tests.existing.rich import MADE
from tests.stores import Store


def made(store: Store, text: str | None = None) -> Inside:
    """The database by its SQL, and a project of one connection `w` to it."""
    statements = (MADE[store.kind] if text is None else text).split(";\n")
    if store.kind in ("postgres", "duckdb"):
        store.run(";\n".join(statements))
    else:
        store.run(*(statement for statement in statements if statement.strip()))
    project = Inside(store.folder, {"STORE": store.dsn})
    where = "url: '${STORE}'" if store.dsn else f"path: {store.file}.{store.kind}"
    project.write("specs/project.yaml", f"connections:\n  w: {{ kind: {store.kind}, {where} }}\n")
    return project


def imported(store: Store, text: str | None = None) -> Inside:
    """The same, with all its tables imported into `specs/tables.yaml` and applied."""
    project = made(store, text)
    # A server has more databases than this one.
    asked = "SELECT table_name FROM information_schema.tables WHERE table_schema = database() AND table_type <> 'VIEW'"
    names = [str(row[0]) for row in store.rows(asked)] if store.kind == "mysql" else []
    assert project.flowc("import", "w", *names, "--out", "specs/tables.yaml").code == 0
    done = project.flowc("apply", "--yes")
    assert done.code == 0, done.err
    return project


def changed(project: Inside, table: str, column: str, entry: object) -> None:
    """Declares a column anew; None takes it out, with what names it."""
    file = project.path / "specs/tables.yaml"
    specs = yaml.safe_load(file.read_text("utf-8"))
    held = specs["tables"][table]
    if entry is None:
        del held["columns"][column]
        held["indexes"] = [index for index in held.get("indexes", []) if column not in index["columns"]]
    else:
        held["columns"][column] = entry
    file.write_text(yaml.safe_dump(specs, sort_keys=False), "utf-8")
