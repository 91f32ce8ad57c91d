"""Where `flowc lint` says that a mistake is, in every format, behind whatever characters and line ends a file holds."""

from __future__ import annotations

import json
import re

import pytest
from rich.cells import cell_len

from tests.commands import Inside

BEFORE = (
    "a", "漢字", "😀", "👩\u200d👩\u200d👧", "🇩🇪", "❤\ufe0f", "e\u0301a\u0308", "a\tb", "\u1100\u1161", "กำ", "שלום",
    "\u00a0", "\u200b", "x" * 400, "漢" * 200,
)  # fmt: skip
START = """connections:
  db: { kind: sqlite, path: a.db }
tables:
  t: { connection: db, columns: { id: bigint, "é": text } }
pipelines:
  p:
    to: { connection: db, table: o }
"""
FORMS = {
    "quoted": "    sql: \"SELECT '@' || nope FROM t\"\n",
    "block": "    sql: |\n      SELECT\n        '@' || nope\n      FROM t\n",
    "folded": "    sql: >\n      SELECT\n      '@' || nope\n      FROM t\n",
    "lines": "    sql: SELECT 1,\n      '@' || nope\n      FROM t\n",
    "key": "    sql: SELECT 1 AS x\n    expect: [{ sql: \"x <> '@'\", nope: 1 }]\n",
    "value": "    sql: SELECT '@' AS x\n    expect: [{ name: \"@\", not_null: nope }]\n",
    "file": "    sql_file: q.sql\n",
}
QUERY = "SELECT id,\n\t'@' ||\tnope\nFROM t\n"


ENDS = [("\n", ""), ("\r\n", ""), ("\n", "\ufeff"), ("\r\n", "\ufeff")]


@pytest.mark.covering
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("end", "mark"), ENDS)
def test_places(project: Inside, form: str, end: str, mark: str) -> None:
    """A quarter of the characters each, so that all of them stand in every form, and behind every end and mark."""
    for before in BEFORE[(list(FORMS).index(form) + ENDS.index((end, mark))) % 4 :: 4]:
        texts = {
            "specs/a.yaml": (START + FORMS[form]).replace("@", before).replace("\n", end),
            "q.sql": QUERY.replace("@", before).replace("\n", end),
        }
        for name, text in texts.items():
            project.write(name, "")
            (project.path / name).write_bytes((mark + text).encode())
        name = "q.sql" if form == "file" else "specs/a.yaml"
        check(project, name, texts[name])


def check(project: Inside, name: str, text: str) -> None:
    """Whether every format marks the only `nope` of the text."""
    at = text.index("nope")
    line, column = text.count("\n", 0, at) + 1, at - text.rfind("\n", 0, at)
    shown = {form: project.flowc("lint", "specs", "--format", form).out for form in FORMATS}
    (found,) = json.loads(shown["json"])
    places = [found[key] for key in ("file", "line", "column", "end_line", "end_column")]
    assert places == [name, line, column, line, column + 4]
    assert shown["concise"].startswith(f"{name}:{line}:{column}: ")
    assert f"file={name},line={line},endLine={line},col={column},endColumn={column + 4}," in shown["github"]
    (result,) = json.loads(shown["sarif"])["runs"][0]["results"]
    region = result["locations"][0]["physicalLocation"]["region"]
    assert region == {"startLine": line, "startColumn": column, "endLine": line, "endColumn": column + 4}
    check_caret(shown["text"], f"--> {name}:{line}:{column}\n")


FORMATS = ("json", "concise", "github", "sarif", "text")


def check_caret(text: str, place: str) -> None:
    """Whether the marks stand under the word, in the cells of a terminal."""
    assert place in text
    source, under = next((a, b) for a, b in zip(text.splitlines(), text.splitlines()[1:], strict=False) if "^" in b)
    found = re.search(r"\bnope\b", source)
    assert found is not None
    assert (
        under
        == " " * (under.index("|")) + "|" + " " * (cell_len(source[: found.start()]) - under.index("|") - 1) + "^^^^"
    )


@pytest.mark.parametrize(
    ("text", "code", "at"),
    [
        ("vars: { a: '漢😀', b: [1, 2 }\n", "yaml-syntax", "}"),
        ("vars:\r\n  a: '😀'\r\n\tb: 1\r\n", "tab-indentation", "\t"),
        ("vars: { a: '漢😀e\u0301', a: 1 }\n", "duplicate-key", "a: 1"),
        ("vars: { a: '👩‍👩‍👧' }\r\npipeline: {}\r\n", "unknown-key", "pipeline"),
        ("vars: { a: '漢' }\nb: \x07\n", "control-character", "\x07"),
    ],
)
def test_places_of_faulty_yaml(project: Inside, text: str, code: str, at: str) -> None:
    for mark in ("", "\ufeff"):
        project.write("specs/a.yaml", "")
        (project.path / "specs/a.yaml").write_bytes((mark + text).encode())
        (found,) = json.loads(project.flowc("lint", "specs", "--format", "json").out)
        offset = text.index(at)
        assert found["code"] == code
        assert (found["line"], found["column"]) == (
            text.count("\n", 0, offset) + 1,
            offset - text.rfind("\n", 0, offset),
        )


def test_a_nul_in_a_name_has_a_place(project: Inside) -> None:
    files = "connections: { in: { kind: files, uri: . } }\npipelines:\n  p: { from: { connection: in, path: '*.csv' },"
    declared = (
        'connections: { db: { kind: sqlite, path: a.db } }\ntables:\n  t: { connection: db, columns: { "\\0": text } }'
    )
    for text in (
        f"{declared}\npipelines:\n  p: {{ from: {{ connection: db, table: t }}, columns: {{ a: b }}, to: t }}\n",
        f'{files} columns: {{ "\\0": a }}, to: {{ connection: in, path: out.csv }} }}\n',
    ):
        project.write("specs/a.yaml", text)
        done = project.flowc("lint", "specs", "--format", "json")
        assert "control-character" in [found["code"] for found in done.json]
        assert all(found["line"] for found in done.json)
