"""Names and values are text, wherever they are shown: they act on no terminal, make no line, and leave no comment."""

from __future__ import annotations

import json
import os
import re
from contextlib import suppress
from pathlib import Path

import pytest

from tests import warmflowc
from tests.commands import Inside

EVIL = "\nFAKE\x1b[2J\x9b31m\x1b]0;t\x07\u202e\u2028\u2067\x85\rFAKE`|*</title><b>%::error::,\"']#--> */[red]:smile:[/]"
"""What ends a line, a colour, a title, a code span, a cell, a tag, an annotation, a label, a comment and markup."""
ACTING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
TEXTS = (
    ("lint",), ("lint", "--format", "concise"), ("lint", "--format", "github"), ("graph",), ("graph", "--columns"),
    ("graph", "--format", "mermaid"), ("graph", "--format", "mermaid", "--columns"), ("graph", "--format", "html"),
    ("graph", "--format", "html", "--columns"), ("plan",), ("plan", "--markdown"), ("connections", "list"),
    ("connections", "check"), ("doctor",), ("validate",), ("status",), ("secrets", "test"), ("apply", "--yes"),
    ("plan",), ("drift",), ("run", "--once"), ("status",), ("test",), ("plan", "--history"), ("dlq", "list"),
    ("lint", f"x{EVIL}"), ("run", "--once", f"x{EVIL}"), ("explain", f"x{EVIL}"), ("preview", f"p{EVIL}"),
    ("preview", f"s{EVIL}"), ("rewind", f"s{EVIL}", "--to", "earliest", "--yes"), ("run", "--http", f"x{EVIL}"),
    ("status", f"x{EVIL}"), ("lint", "--format", f"x{EVIL}"), ("dlq", "purge", "s", "--older-than", f"x{EVIL}"),
)  # fmt: skip
STATEMENTS = (("compile",), ("plan", "--sql"))
JSONS = (
    ("lint", "--format", "json"), ("lint", "--format", "sarif"), ("plan", "--json"), ("status", "--json"),
    ("connections", "list", "--json"), ("run", "--once", "--json"), ("test", "--json"),
    ("compile", "--to", "plan"), ("validate", "--json"),
)  # fmt: skip


def specs(evil: str, stored: str = "") -> str:
    """A project in which all that may be named is named so; `stored` is for tables and columns."""
    a, feed, p = f"a{evil}", f"feed{evil}", f"p{evil}"
    columns = {"id": "bigint primary key", f"c{stored}": "text"}
    source = {"connection": feed, "path": "*.jsonl", "columns": {"id": "bigint", f"c{stored}": "text"}}
    return json.dumps(
        {
            "project": "x",
            "connections": {
                a: {"kind": "sqlite", "path": "a.db", "description": evil},
                feed: {"kind": "files", "uri": "inbox", "format": "jsonl"},
                f"gone{evil}": {"kind": "postgres", "url": "postgres://u@127.0.0.1:9/d"},
            },
            "tables": {f"t{stored}": {"connection": a, "columns": columns, "description": evil}},
            "pipelines": {
                p: {
                    "description": evil, "from": source, "sql": "SELECT * FROM source",
                    "to": f"t{stored}", "mode": "merge", "keys": ["id"],
                    "expect": [{"name": f"e{evil}", "sql": "id < 0", "severity": "warn"}],
                },
                f"u{evil}": {"from": a, "sql": "SELECT 1 AS id", "to": {"connection": a, "table": f"w{stored}"}},
            },
            "streams": {
                f"s{evil}": {
                    "source": source, "sql": "SELECT * FROM source",
                    "to": {"connection": a, "table": f"v{stored}", "mode": "append"},
                }
            },
            "tests": {
                f"x{evil}": {
                    "pipeline": p, "given": {"source": [{"id": 1, f"c{stored}": evil}]},
                    "expect": [{"id": 2, f"c{stored}": evil}],
                }
            },
        }
    )  # fmt: skip


@pytest.fixture(params=["names", "names of tables too"])
def project(request: pytest.FixtureRequest, tmp_path: Path) -> Inside:
    folder = Inside(tmp_path)
    folder.write("specs/main.yaml", specs(EVIL, EVIL if request.param != "names" else ""))
    folder.write("inbox/a.jsonl", json.dumps({"id": 1, "c": EVIL, f"c{EVIL}": EVIL}) + "\n")
    return folder


def faults(text: str) -> list[str]:
    """The lines of a text that act, or that foreign text has made; those of what an engine says are indented."""
    text = re.sub("```sql.*?```", "", text, flags=re.DOTALL)  # there, quoted names may have lines
    lines = re.split("[\n\r\x85\u2028\u2029]", text)
    return [line for line in lines if ACTING.search(line) or re.match("(?:[-+|>*#]+ *)?FAKE", line)]


def test_texts_hold_no_line_and_nothing_that_acts(project: Inside) -> None:
    found = {}
    for command in TEXTS:
        done = project.flowc(*command)
        if wrong := faults(done.out + done.err):
            found[" ".join(command)] = wrong[:2]
    assert found == {}, "\n".join(f"{command[:60]!r}: {lines}" for command, lines in found.items())


def test_objects_are_json_and_hold_every_name_as_it_is(project: Inside) -> None:
    for command in JSONS:
        done = project.flowc(*command)
        shown = json.dumps(json.loads(done.out))
        assert "lint" in command or json.dumps(EVIL)[1:-1] in shown, command


@pytest.mark.parametrize("form", ["text", "concise", "github", "json", "sarif"])
def test_what_is_wrong_is_told_on_its_own_lines(tmp_path: Path, form: str) -> None:
    folder = Inside(tmp_path)
    pipelines = {f"p{EVIL}": {"from": f"c{EVIL}", "sql": f"SELECT '{EVIL}' FROM (", "to": f"t{EVIL}", f"k{EVIL}": 1}}
    folder.write(f"specs/x{EVIL.replace('/', '')}.yaml", json.dumps({"pipelines": pipelines, f"z{EVIL}": 1}))
    done = folder.flowc("lint", "--format", form)
    assert done.code == 1
    if form in ("json", "sarif"):
        assert json.dumps(EVIL)[1:-1] in json.dumps(json.loads(done.out))
    else:
        assert faults(done.out + done.err) == []
    if form == "github":
        assert all(re.match("::(?:error|warning) file=[^,]*,", line) for line in done.out.splitlines())


def test_statements_hold_names_in_comments_only(tmp_path: Path) -> None:
    folder = Inside(tmp_path)
    folder.write("specs/main.yaml", specs(EVIL))
    for command in STATEMENTS:
        done = folder.flowc(*command)
        assert done.code == 0, done.err
        outside = re.sub("'(?:[^']|'')*'", "''", done.out)
        assert faults(outside) == [], command


@pytest.mark.parametrize("columns", [20, 200])
def test_a_terminal_gets_no_data_that_acts_on_it(tmp_path: Path, columns: int) -> None:
    folder = Inside(tmp_path)
    folder.write("specs/main.yaml", specs(EVIL))
    folder.write("inbox/a.jsonl", json.dumps({"id": 1, "c": EVIL}) + "\n")
    for command in (("preview", f"p{EVIL}", "--json"), ("lint",), ("compile",), ("plan",), ("connections", "list")):
        shown = on_terminal(folder, *command, columns=columns)
        assert "[red]:smile:[/]" in re.sub(r"\s", "", shown) or command == ("lint",)
        assert "\x1b[1" in shown or command != ("plan",)  # its own colours stay
        assert ACTING.search(re.sub(rf"\x1b\[(?:0|1|2|1;3\d|3\d)m|\r\n|{LIVE}", "", shown)) is None, (command, shown)


def test_a_dumb_terminal_gets_what_a_file_gets(tmp_path: Path) -> None:
    folder = Inside(tmp_path)
    folder.write("specs/main.yaml", specs(EVIL))
    shown = on_terminal(folder, "connections", "list", columns=20, TERM="dumb")
    assert shown.replace("\r\n", "\n") == folder.flowc("connections", "list").out


@pytest.mark.parametrize("columns", [20, 60, 200])
def test_a_preview_on_a_terminal_folds_its_rows_and_masks_before(tmp_path: Path, columns: int, postgres: str) -> None:
    folder = Inside(tmp_path)
    target = {"connection": "wh", "table": "t_of_preview", "mode": "append"}
    folder.write(
        "specs/main.yaml",
        json.dumps(
            {
                "connections": {"wh": {"kind": "postgres", "url": "${WHERE}"}, "inbox": {"kind": "files", "uri": "."}},
                "pipelines": {"p": {"from": {"connection": "inbox", "path": "a.jsonl"}, "to": target}},
            }
        ),
    )
    folder.write("a.jsonl", json.dumps({"id": 1, "c": f"{'v' * 470} {postgres} 日本日本 {'w' * 90}"}) + "\n")
    shown = on_terminal(folder, "preview", "p", columns=columns, WHERE=postgres)
    assert "p → wh.t_of_preview" in re.sub(r"\s", " ", shown) or columns == 20
    assert f"{'v' * 470}***日本日本{'w' * 20}…(570characters)" in re.sub(r"\s", "", shown)
    assert "1 ok" in re.sub(r"\x1b\[\d+m", "", shown)


LIVE = r"\r?\x1b\[(?:2K|1A|\?25[lh])"
"""What keeps lines at the bottom up to date."""


def on_terminal(folder: Inside, *arguments: str, columns: int = 200, **variables: str) -> str:
    """What a command writes where a person looks."""
    held, end = os.openpty()
    environment = folder.environment() | {"TERM": "xterm", "COLUMNS": str(columns)} | variables
    with open(os.devnull) as nothing:
        done = warmflowc.begin(arguments, (nothing.fileno(), end, end), cwd=folder.path, env=environment)
    os.close(end)
    parts = []
    with suppress(OSError):  # a terminal ends so
        while part := os.read(held, 65536):
            parts.append(part)
    done.wait()
    os.close(held)
    return b"".join(parts).decode()
