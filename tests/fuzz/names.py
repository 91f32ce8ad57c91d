"""Names that nobody would give: too long, with characters that act, in quotes, words of SQL, parts of paths."""

# ruff: noqa: E501 -- a table of cases reads best with one case in a line

from __future__ import annotations

import json

from tests.fuzz.mutant import Chance, Mutant, spec

NAMES = (
    "", " ", "a b", " a", "a ", ".", "..", "../a", "/", "a/b", "a\\b", "a.b", "a.b.c", '"', "'", "`", '"a.b"', "a\"b", "a'b", "a`b", "a]b",
    "a;b", "--", "/*", "*/", "$", "$1", "?", "%", "%s", "%(a)s", ":a", "{a}", "{{ a }}", "${A}", "#", "@", "~", "*", "-", "-a", "--help", "\\",
    "\n", "a\nb", "a\tb", "\r", "\x00", "a\x00b", "\x1b[31m", "\x7f", "\x9b31m", "\x85", "\u2028", "\u202e", "\u2066a", "\u200b", "\ufeff", "\u00a0",
    "\ud800", "a\udfff", "é", "e\u0301", "ß", "İ", "\u017f", "\U0001f600", "\U0001f468\u200d\U0001f469", "名", "א", "Ⅷ", "ﬁ", "\ufffd", "\uffff", "\U0010ffff",
    "a" * 63, "a" * 64, "a" * 255, "a" * 256, "a" * 4096, "é" * 32, "é" * 128, "\U0001f600" * 64, "select", "SELECT", "order", "table", "null", "true",
    "source", "target", "rowid", "_rowid_", "oid", "ctid", "tableoid", "xmin", "main", "temp", "public", "information_schema", "sqlite_master", "sqlite_a",
    "pg_catalog", "flowc_history", "_flowc", "flowc_a", "valid_from", "is_current", "excluded", "new", "old", "1", "1a", "0x1", "1e5", "a-b", "A", "user",
    "current_date", "current_user", "count", "id", "name", "ID", "__class__", "__proto__", "CON", "nul.txt", "a:b", "C:\\a", "\\\\a\\b", "~/a", "~",
)  # fmt: skip

_PLACES = {
    "pipeline": "P", "table": "T", "column": "C", "schema": "S", "connection": "D", "alias": "A", "index": "I", "physical": "N",
    "check": "E", "var": "V", "file": "F", "test": "X", "environment": "M", "stream": "R", "database": "B",
}  # fmt: skip


def mutant(chance: Chance) -> Mutant:
    """One or two odd names, each wherever the project names that thing."""
    said = dict(_PLACES)
    for place in chance.sample(sorted(said), chance.choice([1, 1, 1, 2, 4])):
        said[place] = chance.choice(NAMES)
    return spec(json.dumps(_project(said, chance)), plan=True)


def _project(said: dict[str, str], chance: Chance) -> dict[str, object]:
    kind = chance.choice(["duckdb", "sqlite"])
    column, alias = (quoted(said["column"], chance), quoted(said["alias"], chance))
    sql = f"SELECT id, {column} AS {alias} FROM {quoted(said['physical'], chance)}"
    table = {
        "connection": said["connection"],
        "name": said["physical"],
        "columns": {"id": "bigint primary key", said["column"]: "text"},
    }
    table["indexes"] = [{"name": said["index"], "columns": [said["column"]]}] if chance.random() < 0.3 else []
    if chance.random() < 0.2 and kind == "duckdb":
        table["schema"] = said["schema"]
    pipeline = {
        "from": said["connection"], "sql": sql, "to": {"connection": said["connection"], "table": said["file"] or "out"},
        "mode": chance.choice(["append", "merge", "truncate", "scd2"]), "keys": ["id"],
        "expect": [{"name": said["check"], "sql": "id > 0"}, {"not_null": [said["alias"]]}],
    }  # fmt: skip
    return {
        "vars": {said["var"]: 1},
        "connections": {said["connection"]: {"kind": kind, "path": f"{said['database']}.db"}},
        "tables": {said["table"]: table},
        "pipelines": {said["pipeline"]: pipeline},
        "tests": {said["test"]: {"pipeline": said["pipeline"], "given": {said["table"]: [{"id": 1}]}, "expect": []}},
        "environments": {said["environment"]: {"vars": {said["var"]: 2}}},
    }


def quoted(name: str, chance: Chance) -> str:
    """As SQL names it, now and then wrongly."""
    return chance.choice(['"' + name.replace('"', '""') + '"'] * 6 + [name, f'"{name}"', f"`{name}`", f"[{name}]"])
