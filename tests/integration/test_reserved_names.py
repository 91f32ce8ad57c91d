"""Tables with the names of the temporary tables of loads: refused, for a load would take one for the other."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from flowc.compiler.loads.reserved import is_reserved
from tests.commands import Inside
from tests.stores import Store

_MADE = re.compile(r'CREATE TEMPORARY TABLE (?:\\?"(?:pg_temp|temp)\\?"\.)?[\\"`]*(flowc_\w+)')
GOLDEN = Path(__file__).parent.parent / "golden"

SPEC = """
connections:
  wh: {connection}
pipelines:
  copy:
    {query}
    to: {{ connection: wh, table: {target} }}
    mode: {mode}
    {more}
"""


def test_every_temporary_table_of_a_load_is_reserved():
    made = {name for file in GOLDEN.glob("sql_*.md") for name in _MADE.findall(file.read_text("utf-8"))}
    assert len(made) > 10
    assert [name for name in sorted(made) if not is_reserved(name)] == []


@pytest.mark.covering
@pytest.mark.parametrize(
    ("source", "target", "mode", "more"),
    [
        ("raw", "flowc_rows", "merge", "keys: [id]"),
        ("raw", "FLOWC_ROWS", "append", "incremental: { column: id }"),
        ("raw", "flowc_stage", "truncate", ""),
        ("flowc_rows", "seen", "merge", "keys: [id]"),
        ("flowc_stage", "seen", "scd2", "keys: [id]"),
    ],
)
def test_a_table_of_such_a_name_is_neither_loaded_nor_read(
    store: Store, tmp_path: Path, source: str, target: str, mode: str, more: str
):
    store.run(f"CREATE TABLE {source} (id BIGINT, name VARCHAR(9))", f"INSERT INTO {source} VALUES (1, 'a')")
    folder = Inside(tmp_path)
    whole = f"from: {{ connection: wh, table: {source} }}"
    query = f"from: wh\n    sql: SELECT id, name FROM {source}" if mode != "scd2" else whole
    spec = SPEC.format(connection=store.connection, query=query, target=target, mode=mode, more=more)
    folder.write("specs/s.yaml", spec)
    refused = folder.flowc("run", "--once")
    assert refused.code == 1
    assert "has the name of a table that loads create for themselves" in refused.out + refused.err
