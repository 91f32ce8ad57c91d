"""What rows before a window hang on beside its SQL: functions of the project, their modules, and the SQL of lookups."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from flowc.compiler.lowering.functioncode import code_of
from tests.commands import Folder
from tests.streams.test_edited_intents import put, verdicts

SPEC = """
connections:
  drop: {{ kind: files, uri: in }}
  wh: {{ kind: sqlite, path: wh.db }}
functions:
  worth: {{ python: "{python}", args: [bigint], returns: bigint }}
streams:
  s:
    source:
      connection: drop
      path: "*.jsonl"
      columns: {{ id: text, x: bigint, at: timestamptz }}
      event_time: at
    {ttl}
    lookups: {{ names: {{ connection: wh, sql: "{lookup}" }} }}
    sql: {sql}
    to: {{ connection: wh, table: t, mode: merge, keys: [{keys}] }}
"""
PLAIN = "import pyarrow.compute as pc\n\ndef worth(x):\n    return pc.multiply(x, {})\n"
LOOKUP = "SELECT 'a' AS id, 1 AS w"
MADE = "WITH made AS (SELECT s.id, {} AS y FROM source s LEFT JOIN names n ON n.id = s.id) "
WINDOW = MADE + "SELECT window_end, sum(y) AS total FROM tumble(made, INTERVAL '5 minutes') GROUP BY window_end"
RUNNING = MADE + "SELECT id, sum(y) AS total FROM made GROUP BY id"


def project(
    folder: Path, sql: str, python: str = "own:worth", lookup: str = LOOKUP, made: str = "worth(s.x) * n.w"
) -> Folder:
    found = Folder(folder)
    keys, ttl = ("window_end", "") if "tumble" in sql else ("id", "group_ttl: never")
    found.write("specs/s.yaml", SPEC.format(sql=sql.format(made), python=python, lookup=lookup, keys=keys, ttl=ttl))
    return found


def ran(folder: Folder, *more: str) -> None:
    done = folder.flowc("run", "s", "--once", *more)
    assert done.code == 0, done.err


def begun(folder: Path, sql: str) -> Folder:
    made = project(folder, sql)
    made.write("own.py", PLAIN.format("helper.FACTOR").replace("import", "import helper\nimport", 1))
    made.write("helper.py", "FACTOR = 1\n")
    made.write("other.py", PLAIN.format(10))
    put(made, "1", ("a", 1, "00:01"))
    ran(made)
    return made


EDITS = {
    "another function": ("other:worth", LOOKUP, {}, "function `worth` changed"),
    "its code": ("own:worth", LOOKUP, {"own.py": PLAIN.format(10)}, "function `worth` changed"),
    "a module that it imports": ("own:worth", LOOKUP, {"helper.py": "FACTOR = 10\n"}, "function `worth` changed"),
    "the SQL of a lookup": ("own:worth", LOOKUP.replace("1 AS", "10 AS"), {}, "lookup `names` changed"),
}


@pytest.mark.parametrize("edit", EDITS)
def test_no_window_and_no_total_holds_values_of_both(tmp_path: Path, edit: str) -> None:
    python, lookup, files, words = EDITS[edit]
    for name, sql, decision in (("window", WINDOW, "replay"), ("running", RUNNING, "refuse")):
        folder = begun(tmp_path / name, sql)
        for file, text in files.items():
            folder.write(file, text)
        project(folder.path, sql, python, lookup)
        assert [told for _, told in verdicts(folder)] == [decision]
        put(folder, "2", ("a", 2, "00:02"))
        if decision == "refuse":
            refused = folder.flowc("run", "s", "--once")
            assert (refused.code, words in refused.err) == (1, True), refused.err
            continue
        ran(folder, "--drain")
        with sqlite3.connect(folder.path / "wh.db") as db:
            assert db.execute("SELECT total FROM t").fetchall() == [(30,)]


def test_comments_and_what_the_query_does_not_call_change_nothing(tmp_path: Path) -> None:
    folder = begun(tmp_path, RUNNING)
    text = (tmp_path / "own.py").read_text()
    folder.write("own.py", f"# A remark.\n{text.replace('def worth(x):', 'def worth(x):  # of x')}")
    folder.write("other.py", "")
    project(tmp_path, RUNNING)
    assert [told for _, told in verdicts(folder)] == ["keep"]


@pytest.mark.parametrize("odd", ["\x0c", "TEXT = 'a\u2028b'"])
def test_what_ends_no_line_hides_no_code_behind_a_comment(tmp_path: Path, odd: str) -> None:
    module, codes = tmp_path / "own.py", set[str]()
    for factor in range(2):
        module.write_text(f"{odd}\ndef worth(x):\n    return x * {factor}\n# A remark.\n", encoding="utf-8")
        codes.add(code_of(tmp_path, "own:worth"))
    assert len(codes) == 2


@pytest.mark.parametrize(
    "call", ["importlib.import_module('helper')", "__import__('helper')", "import_module('parts.helper')"]
)
def test_a_module_that_is_imported_by_its_name_is_part_of_the_code(tmp_path: Path, call: str) -> None:
    codes = set[str]()
    (tmp_path / "parts").mkdir()
    (tmp_path / "own.py").write_text(f"def worth(x):\n    return {call}.FACTOR * x\n")
    for factor in range(2):
        for folder in (tmp_path, tmp_path / "parts"):
            (folder / "helper.py").write_text(f"FACTOR = {factor}\n")
        codes.add(code_of(tmp_path, "own:worth"))
    assert len(codes) == 2


@pytest.mark.parametrize("name", ["'/etc/hosts'", "'..helper'", "'a\\0b'", "7", "x", ""])
def test_what_names_no_module_is_none(tmp_path: Path, name: str) -> None:
    (tmp_path / "own.py").write_text(f"def worth(x):\n    return importlib.import_module({name})\n")
    assert code_of(tmp_path, "own:worth")
