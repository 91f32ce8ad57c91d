"""Fields that are declared and that no JSON message has: a warning names them once."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.commands import Inside
from tests.streams.filefolder import put

PROJECT = """
connections:
  drop: {{ kind: files, uri: drop }}
  wh: {{ kind: sqlite, path: wh.db }}
streams:
  s:
    on_error: drop
    source: {{ connection: drop, path: "*.jsonl", format: jsonl, columns: {{ {columns} }} }}
    sql: SELECT id FROM source
    to: {{ connection: wh, table: t, mode: append }}
"""
COLUMNS = "id: bigint, name: text, tags: json, price: 'decimal(9,2)'"


def _warnings(log: pytest.LogCaptureFixture, folder: Path, messages: Iterable[object], *, number: int = 0) -> list[str]:
    made = Inside(folder)
    made.write("specs/s.yaml", PROJECT.format(columns=COLUMNS))
    put(folder / "drop", f"a{number}.jsonl", "".join(f"{json.dumps(each)}\n" for each in messages), number)
    log.clear()
    done = made.flowc("run", "s", "--once")
    assert done.code == 0, done.err
    return [record.getMessage() for record in log.records if "has had" in record.getMessage()]


@pytest.mark.parametrize(
    ("messages", "named"),
    [
        ([{"id": 1, "nam": "a", "tags": [], "price": 1}], "the field `name` yet"),
        ([{"id": 1, "user": {"name": "a", "price": 1}}], "the fields `name`, `price`, `tags` yet"),
        ([{"id": 1, "name": None, "tags": None, "price": None}], None),
        ([{"id": n} for n in range(1500)] + [{"id": 1, "name": "x"}], "`price`, `tags` yet"),
        ([{"id": "bad"}], None),
        ([{"id": "bad", "name": "a"}, {"id": 1, "price": 1, "tags": 1}], "the field `name` yet"),
        ([], None),
    ],
)
def test_fields_that_no_message_has_are_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, messages: list[object], named: str | None
) -> None:
    found = _warnings(caplog, tmp_path, messages)
    assert len(found) == (named is not None), found
    assert named is None or named in found[0]


def test_a_run_of_few_messages_warns_only_when_the_stream_begins(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert len(_warnings(caplog, tmp_path, [{"id": 1}])) == 1
    assert _warnings(caplog, tmp_path, [{"id": 2}], number=1) == []
    assert len(_warnings(caplog, tmp_path, [{"id": n} for n in range(1000)], number=2)) == 1
