"""What columns of SQLite and MySQL hold beside their types, to every engine in every mode: the same value, or none."""

from __future__ import annotations

import json
import re
import sqlite3
from contextlib import closing
from decimal import Decimal, InvalidOperation

import numpy as np
import pytest

from tests.integration.loose_sources import CELLS, Cell
from tests.lakes import Lake
from tests.stores import Store, address

MODES = {"append": "append", "truncate": "truncate", "merge": "merge, keys: [i]", "scd2": "scd2, keys: [i]"}
TEXT = {
    "postgres": "CAST(k AS TEXT)",
    "mysql": "CASE WHEN k IS NULL THEN 'NULL' ELSE CONVERT(k USING utf8mb4) END",
}
NO_ROOM = {
    "delta": {"TIME(6)", "DECIMAL(65,30)"},
    "duckdb": {"DECIMAL(65,30)"},
}
"""Types with values that an engine has no type for."""


@pytest.mark.covering
@pytest.mark.turns("target", 2)
@pytest.mark.parametrize("source", CELLS)
@pytest.mark.parametrize("target", ["postgres", "mysql", "sqlite", "duckdb", "delta"])
@pytest.mark.parametrize("mode", MODES)
def test_a_value_arrives_or_is_refused(request, project, tmp_path, source, target, mode):
    cells = CELLS[source]
    filled = made(Store(source, tmp_path, address(request, source), "source"), cells)
    goal = Lake(tmp_path) if target == "delta" else Store(target, tmp_path, address(request, target), "target")
    to = "{ kind: delta, uri: ./lake }" if isinstance(goal, Lake) else goal.connection
    loads = [
        f"  p{n}: {{ from: a, sql: 'SELECT i, k FROM s{n}', to: {{ connection: w, table: t{n} }}, "
        f"mode: {MODES[mode]} }}"
        for n in range(len(cells))
    ]
    head = f"connections: {{ a: {filled.connection}, w: {to} }}\npipelines:\n"
    project.write("specs/p.yaml", head + "\n".join(loads) + "\n")
    done = project.flowc("run", "--once", "--json")
    assert done.out, done.err
    refused = {int(p["name"][1:]): p["targets"][0]["error"] for p in done.json["pipelines"]}
    wrong = []
    for n, (kind, value, text) in enumerate(cells):
        allowed = text is None or kind in NO_ROOM.get(target, ())
        if refused[n] is not None:
            wrong += [] if allowed and refused[n]["code"] != "query-refused" else [(kind, value, refused[n])]
        elif text is None or not same(text, found(goal, n)):
            wrong.append((kind, value, text, found(goal, n)))
    assert wrong == [], "\n".join(map(str, wrong))


def made(store: Store, cells: list[Cell]) -> Store:
    """The database with a table for each value, written by its own driver."""
    rows = [
        (f"CREATE TABLE s{n} (i INTEGER NOT NULL, k {kind})", f"INSERT INTO s{n} VALUES (1, {value})")
        for n, (kind, value, _) in enumerate(cells)
    ]
    if store.kind == "mysql":
        for create, insert in rows:
            store.run(create, f"SET STATEMENT sql_mode = '', time_zone = '+00:00' FOR {insert}")
        return store
    with closing(sqlite3.connect(store.folder / "source.sqlite")) as session:
        session.executescript(";".join(sql for row in rows for sql in row))
    return store


def found(goal: Store | Lake, n: int) -> str:
    """The one value of a table as its engine has it as a text."""
    if goal.kind == "sqlite":
        ((value,),) = goal.raw(f"SELECT k FROM t{n}")
    else:
        ((value,),) = goal.raw(f"SELECT {TEXT.get(goal.kind, 'k')} FROM t{n}")
    if isinstance(value, bytes):
        return value.hex()
    return json.dumps(value, default=str) if isinstance(value, list) else str(value)


def same(wanted: str, came: str) -> bool:
    return plain(wanted) == plain(came) or _same_number(wanted, came)


def plain(text: str) -> str:
    """A text of a value, of any engine, in one form."""
    text = {"true": "1", "false": "0", "True": "1", "False": "0"}.get(text, text.removeprefix("\\x"))
    text = re.sub(r"[][{}\"]|(?<=,) ", "", text) if text[:1] in ("[", "{") else text
    return re.sub(r"[ T]00:00:00(\.0+)?$|(\.0+)?\+00(:00)?$|(?<=:[0-9]{2})\.0+$", "", text)


def _same_number(wanted: str, came: str) -> bool:
    try:
        first, second = Decimal(wanted), Decimal(came)
    except InvalidOperation:
        return False
    if first == second or (wanted + came).isdigit():
        return first == second
    return len(first.as_tuple().digits) <= 9 and bool(np.float32(wanted) == np.float32(came))
