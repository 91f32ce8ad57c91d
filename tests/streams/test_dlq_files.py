"""`flowc dlq` of streams of files, without a server: lines that were too long are read again where they stand."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from flowc.runtime.systems import open_database
from tests.commands import Folder, Inside
from tests.streams.filefolder import put

pytestmark = pytest.mark.usefixtures("kept_files")

PROJECT = """
connections:
  drop: {{ kind: files, uri: drop }}
  wh: {{ kind: {kind}, path: wh.db }}
streams:
  clean:
    source: {{ connection: drop, path: "*", format: {form}, columns: {{ id: bigint, name: text }}{read} }}
    sql: SELECT id, length(name) AS size, _topic AS file FROM source
    to: {{ connection: wh, table: clean, {to} }}
    on_error: dlq
{more}
"""
LONG = 3000
LINES = {
    "csv": f"id,name\n1,a\n2,{'x' * LONG}\n3,c\n4,{'y' * 9 * LONG}\n5,e\n6,{'z' * LONG}\n",
    "jsonl": "\n".join(
        f'{{"id": {n}, "name": "{"x" * size}"}}'
        for n, size in ((1, 1), (2, LONG), (3, 1), (4, 9 * LONG), (5, 1), (6, LONG))
    ),
}
LINES["json"] = "[" + LINES["jsonl"].replace("\n", ",\n") + "]"


def project(
    folder: Path, form: str, most: str, more: str = "", kind: str = "sqlite", to: str = "mode: append"
) -> Folder:
    made = Inside(folder)
    read = f", read: {{ max_line: {most} }}"
    made.write("specs/s.yaml", PROJECT.format(form=form, read=read, more=more, kind=kind, to=to))
    return made


def rows(folder: Path, kind: str = "sqlite") -> list[tuple[int, int]]:
    database = open_database(kind, {"path": str(folder / "wh.db")})
    try:
        return [
            (row["id"], row["size"]) for row in database.query("SELECT id, size FROM clean ORDER BY id").to_pylist()
        ]
    finally:
        database.close()


def letters(made: Folder) -> list[tuple[str, str, int]]:
    found = made.flowc("dlq", "show", "clean", "--json").json
    return [(letter["code"], letter["error"], letter["attempt"]) for letter in found]


@pytest.mark.parametrize(("form", "end", "kind", "more"), [
    ("csv", "csv", "sqlite", ""), ("csv", "csv.gz", "duckdb", ""),
    ("jsonl", "jsonl", "sqlite", ""), ("json", "json", "sqlite", ""),
    ("jsonl", "jsonl", "sqlite", "    dedupe: { keys: [id], within: 1d }"),
])  # fmt: skip
def test_a_line_that_was_too_long_is_read_again(tmp_path: Path, form: str, end: str, kind: str, more: str) -> None:
    put(tmp_path / "drop", f"a.{end}", LINES[form])
    to = "mode: merge, keys: [id]" if more else "mode: append"
    made = project(tmp_path, form, "1KiB", more, kind, to)
    assert made.flowc("run", "clean", "--once").code == 0
    assert [each for each, _ in rows(tmp_path, kind)] == [1, 3, 5]
    first = letters(made)
    assert len(first) == 3
    assert {code for code, _, _ in first} == {"unreadable-file"}

    done = made.flowc("dlq", "replay", "clean")
    assert (done.code, "3 failed again" in done.out) == (1, True), done.out
    assert letters(made) == [(code, why, 2) for code, why, _ in first]

    made = project(tmp_path, form, "8KiB", more, kind, to)
    done = made.flowc("dlq", "replay", "clean", "--json", "--code", "unreadable-file")
    assert (done.json["replayed"], done.json["rows"], done.json["failed"]) == (2, 2, 1), done.out + done.err
    assert rows(tmp_path, kind) == [(1, 1), (2, LONG), (3, 1), (5, 1), (6, LONG)]
    ((code, why, attempt),) = letters(made)
    assert (code, attempt) == ("unreadable-file", 3)
    assert "and `max_line` is 8KiB" in why
    assert why.replace("8KiB", "1KiB") in [before for _, before, _ in first]


@pytest.mark.parametrize(
    ("then", "words"),
    [
        ("changed", "it was changed after the stream had begun to read it"),
        ("gone", "is gone, and not all of it was read"),
        ("other", "within another row now"),
    ],
)
def test_a_line_that_cannot_be_read_again_says_so(tmp_path: Path, then: str, words: str) -> None:
    text = f'id,name\n1,"a\n2,{"x" * LONG}\n3,c"\n'
    path = put(tmp_path / "drop", "a.csv", text if then == "other" else LINES["csv"])
    assert project(tmp_path, "csv", "1KiB").flowc("run", "clean", "--once").code == 0
    if then == "gone":
        path.unlink()
    elif then == "changed":
        os.utime(path, (5, 5))
    made = project(tmp_path, "csv", "8KiB")
    assert made.flowc("dlq", "replay", "clean").code == 1
    told = [why for code, why, _ in letters(made) if code == "unreadable-file"]
    assert told, letters(made)
    for why in told:
        assert "cannot be read again: it had " in why
        assert words in why
    assert "of `a.csv` cannot" in told[0]


@pytest.mark.covering
@pytest.mark.parametrize("kind", ["sqlite", "duckdb"])
@pytest.mark.parametrize("declared", [False, True])
def test_letters_are_looked_at_where_the_spec_does_not_fit_the_table(tmp_path: Path, kind: str, declared: bool) -> None:
    put(tmp_path / "drop", "a.csv", "id,name\n1,a\nx,b\n")
    made = project(tmp_path, "csv", "1KiB", kind=kind)
    assert made.flowc("run", "clean", "--once").code == 0
    path = tmp_path / "specs/s.yaml"
    if declared:
        more = "tables: { clean: { connection: wh, columns: { id: bigint, size: text, file: text } } }\n"
        path.write_text(path.read_text().replace("length(name) AS", "name AS") + more)
    else:
        path.write_text(path.read_text().replace("id: bigint", "id: text"))
    code = "table-differs" if declared else "type-mismatch"
    done = made.flowc("dlq", "list", "--json")
    assert (done.code, [each["letters"] for each in done.json]) == (0, [1]), done.err
    assert len(letters(made)) == 1
    done = made.flowc("status", "--json")
    assert (done.code, done.json[0]["dead_letters"], done.json[0]["epoch"]) == (1, 1, 1), done.out
    assert done.json[0]["error"]["code"] == code
    done = made.flowc("dlq", "replay", "clean")
    assert (done.code, f"error[{code}]" in done.err) == (2, True), done.err
    assert made.flowc("dlq", "purge", "clean", "--yes").out == "clean: 1 removed\n"
    assert letters(made) == []


def test_what_is_not_shown_and_codes_that_no_letter_has_are_told(tmp_path: Path) -> None:
    put(tmp_path / "drop", "a.csv", "id,name\n" + "x,b\n" * 33 + "1\n")
    made = project(tmp_path, "csv", "1KiB")
    assert made.flowc("run", "clean", "--once").code == 0
    done = made.flowc("dlq", "show", "clean")
    assert (done.out.count("attempt 1"), done.out.splitlines()[-1]) == (20, "… and 14 more (--limit)")
    done = made.flowc("dlq", "show", "clean", "--code", "value-does-not-fit", "--limit", "30")
    assert (done.out.splitlines()[-1], done.err) == ("… and 3 more (--limit)", "")
    for limit in ("34", "99"):
        assert "more (--limit)" not in made.flowc("dlq", "show", "clean", "--limit", limit).out
    absent = "no dead letter of `clean` has the code `foo`: their codes are `undecodable-message`, `value-does-not-fit`"
    for command in ("show", "replay", "purge"):
        done = made.flowc("dlq", command, "clean", "--code", "foo", *(["--yes"] if command == "purge" else []))
        assert (done.code, done.err) == (0, f"{absent}\n")
    done = made.flowc("dlq", "replay", "clean", "--json", "--code", "undecodable-message")
    assert (done.code, done.json["status"], done.json["failed"], done.json["error"]) == (1, "failed", 1, None)
    assert made.flowc("dlq", "purge", "clean", "--yes").code == 0
    assert made.flowc("dlq", "show", "clean", "--code", "foo").err.endswith("`foo`: there are none\n")


def test_what_is_read_again_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flowc.runtime.streams.letterbox.MAX_BYTES", 2 * LONG)
    lines = "".join(f"{n},{'x' * LONG}\n" for n in range(9))
    put(tmp_path / "drop", "a.csv.gz", "id,name\n" + lines)
    assert project(tmp_path, "csv", "1KiB").flowc("run", "clean", "--once").code == 0
    made = project(tmp_path, "csv", "8KiB")
    done = made.flowc("dlq", "replay", "clean", "--json")
    assert (done.json["replayed"], done.code) == (9, 0), done.out
    assert rows(tmp_path) == [(n, LONG) for n in range(9)]
