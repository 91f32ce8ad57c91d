"""Specs of 100 KB: much of one thing, which adds up where a limit counts each alone."""

# ruff: noqa: E501 -- a table of cases reads best with one case in a line

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

from sqlglot import exp

from tests.fuzz.mutant import Chance, Mutant, spec

SIZE = 100_000
HEAD = "connections: { db: { kind: duckdb, path: fuzz.duckdb } }\n"
TABLE = HEAD + "tables: { t: { connection: db, columns: { id: bigint, name: text } } }\n"


def many(part: str, *, size: int = SIZE) -> str:
    """As many copies as fit; `{i}` is the number of each."""
    count = size // (len(part) + 3)
    return "".join(part.replace("{i}", str(i)) for i in range(count))


def one(opening: str, middle: str, closing: str, *, size: int = SIZE) -> str:
    """One value that fills the file."""
    return opening + many(middle, size=size) + closing


def _pipelines(sql: str, more: str = "") -> Callable[[], str]:
    return lambda: (
        TABLE
        + "pipelines:\n"
        + many(f"  p{{i}}: {{ from: db, sql: {sql!r}, to: {{ connection: db, table: o{{i}} }}{more} }}\n")
    )


def _sql(head: str, part: str, tail: str = "") -> Callable[[], str]:
    return lambda: (
        TABLE
        + "pipelines:\n  p:\n    from: db\n    to: { connection: db, table: o }\n    sql: |\n"
        + _lines(one(head, part, tail))
    )


def _over_files(sql: str) -> str:
    """Pipelines of flowc's own engine."""
    columns = "{ id: bigint, v: double }"
    source = f"{{ t: {{ connection: f, path: '*.jsonl', columns: {columns} }} }}"
    return (
        HEAD.replace("{ db:", "{ f: { kind: files, uri: ., format: jsonl }, db:")
        + "pipelines:\n"
        + many(f"  p{{i}}: {{ from: {source}, sql: {sql!r}, to: {{ connection: db, table: o{{i}} }} }}\n")
    )


def _streamed(sql: str) -> Callable[[], str]:
    return lambda: (
        HEAD.replace("{ db:", "{ f: { kind: files, uri: ., format: jsonl }, db:")
        + 'streams:\n  s:\n    source: { connection: f, path: "*.jsonl", columns: { id: bigint } }\n'
        + "    to: { connection: db, table: o, mode: append }\n    sql: |\n"
        + _lines(sql)
    )


def _windows(count: int, sums: int) -> Callable[[], str]:
    """A stream of windows beside each other, each with as many aggregates."""
    values = [", ".join(f"sum(id + {window * sums + i}) AS a{i}" for i in range(sums)) for window in range(count)]
    call = "tumble(source, INTERVAL '1 minute')"
    ctes = [f"w{i} AS (SELECT window_end, {each} FROM {call} GROUP BY window_end)" for i, each in enumerate(values)]
    sql = f"WITH {', '.join(ctes)} {' UNION ALL '.join(f'SELECT a0 FROM w{i}' for i in range(count))}"
    return lambda: _streamed(sql)().replace(
        "columns: { id: bigint } }", "columns: { id: bigint, at: timestamptz }, event_time: at }"
    )


def _lines(text: str) -> str:
    return "".join(f"      {line}\n" for line in text.split("\n"))


def _aliases() -> str:
    levels = [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9) if i else 'x'}]" for i in range(9)]
    return "vars:\n" + "".join(f"  {level}\n" for level in levels) + many("  v{i}: *a3\n")


def _files(sql: str, pipelines: int, columns: Sequence[str]) -> Callable[[], str]:
    """Pipelines that read files with a query in the words of flowc's own engine."""
    source = f"{{ connection: drop, path: '*', columns: {{ {', '.join(f'{name}: text' for name in columns)} }} }}"
    head = "connections: { drop: { kind: files, uri: in, format: jsonl }, w: { kind: duckdb, path: w.duckdb } }\npipelines:\n"
    one = "  p{n}:\n    from: {source}\n    to: {{ connection: w, table: o{n} }}\n    sql: {sql}\n"
    return lambda: head + "".join(one.format(n=n, source=source, sql=json.dumps(sql)) for n in range(pipelines))


def _files(sql: str, pipelines: int, columns: Sequence[str]) -> Callable[[], str]:
    """Pipelines that read files with a query in the words of flowc's own engine."""
    source = f"{{ connection: drop, path: '*', columns: {{ {', '.join(f'{name}: text' for name in columns)} }} }}"
    head = "connections: { drop: { kind: files, uri: in, format: jsonl }, w: { kind: duckdb, path: w.duckdb } }\npipelines:\n"
    one = "  p{n}:\n    from: {source}\n    to: {{ connection: w, table: o{n} }}\n    mode: append\n    sql: {sql}\n"
    return lambda: head + "".join(one.format(n=n, source=source, sql=json.dumps(sql)) for n in range(pipelines))


SHAPES: dict[str, Callable[[], str]] = {
    "pipelines": _pipelines("SELECT id, name FROM t"),
    "tiny pipelines": _pipelines("SELECT 1 AS id"),
    "modes": _pipelines("SELECT id, name FROM t", ", mode: merge, keys: [id]"),
    "broken pipelines": _pipelines("SELECT nope FROM"),
    "pipelines to one": lambda: TABLE + "pipelines:\n" + many("  p{i}: { from: db, sql: SELECT id FROM t, to: t }\n"),
    "chain": lambda: TABLE + "pipelines:\n" + many("  p{i}: { sql: SELECT id FROM t, to: t, depends_on: [p{i}, p1] }\n"),
    "templates": _pipelines("SELECT {% for i in range(9) %}{{ i }} + {% endfor %} 1 AS id"),
    "heavy templates": _pipelines("SELECT {% for i in range(9000) %}{% endfor %} 1 AS id"),
    "joins": _pipelines("SELECT a.id FROM t a JOIN t b USING (id) JOIN t c USING (id) JOIN t d USING (id)"),
    "nested": _pipelines("SELECT " + "(" * 100 + "1" + ")" * 100 + " AS id"),
    "types": _pipelines("SELECT " + "date(" * 9 + "id" + ")" * 9 + " AS id FROM t"),
    "tables": lambda: HEAD + "tables:\n" + many("  t{i}: { connection: db, columns: { id: bigint } }\n"),
    "columns": lambda: HEAD + "tables: { t: { connection: db, columns: {\n" + many("  c{i}: bigint,\n") + "} } }\n",
    "bad columns": lambda: HEAD + "tables: { t: { connection: db, columns: {\n" + many("  c{i}: nope,\n") + "} } }\n",
    "indexes": lambda: HEAD + "tables: { t: { connection: db, columns: { id: bigint }, indexes: [\n" + many("  { columns: [id], name: i{i} },\n") + "] } }\n",
    "connections": lambda: "connections:\n" + many("  c{i}: { kind: duckdb, path: a{i}.db }\n"),
    "secrets": lambda: "connections:\n" + many("  c{i}: { kind: postgres, url: 'postgres://u:hunter2{i}@h/d' }\n"),
    "unknown keys": lambda: many("k{i}: 1\n"),
    "expectations": lambda: TABLE + "pipelines: { p: { from: db, sql: SELECT id FROM t, to: t, expect: [\n" + many("  { name: e{i}, sql: id > {i} },\n") + "] } }\n",
    "wrong expectations": lambda: TABLE + "pipelines: { p: { from: db, sql: SELECT id FROM t, to: t, expect: [" + many("{ z: 1 }, ") + "] } }\n",
    "wrong connections": lambda: "connections:\n" + many("  c{i}: { kind: sqlite, pth: a }\n"),
    "wrong aliases": lambda: "vars: { a: &a [" + many("1, ", size=5000) + "] }\npipelines:\n" + "".join(f"  p{i}: {{ to: *a }}\n" for i in range(90)),
    "normalisers": lambda: HEAD + "tables: { t: { connection: db, columns: { a: { type: text, normalize: [\n" + many("trim, lower, ") + "] } } } }\n",
    "patterns": lambda: HEAD + "tables: { t: { connection: db, columns: {\n" + many("  c{i}: { type: text, normalize: [{ regex_replace: { pattern: '(a|b)*c[a-z]+', replacement: x } }] },\n") + "} } }\n",
    "one pattern": lambda: HEAD + "tables: { t: { connection: db, columns: { c: { type: text, normalize: [{ regex_replace: { pattern: '" + many("(a|b)*") + "', replacement: x } }] } } } }\n",
    "tests": lambda: TABLE + "pipelines: { p: { from: db, sql: SELECT id FROM t, to: { connection: db, table: o } } }\ntests:\n" + many("  x{i}: { pipeline: p, given: { t: [{ id: 1 }] }, expect: [] }\n"),
    "given rows": lambda: TABLE + "pipelines: { p: { from: db, sql: SELECT id FROM t, to: { connection: db, table: o } } }\ntests: { x: { pipeline: p, expect: [], given: { t: [\n" + many("{ id: {i} },\n") + "] } } }\n",
    "environments": lambda: "environments:\n" + many("  e{i}: { vars: { a: {i} } }\n"),
    "aliases": _aliases,
    "merges": lambda: "vars:\n  a: &a { b: 1 }\n" + many("  v{i}: { <<: *a, c: 1 }\n"),
    "anchors": lambda: "vars:\n" + many("  v{i}: &a{i} 1\n"),
    "deep flow": lambda: "vars: { a: " + "[" * (SIZE // 2) + "]" * (SIZE // 2) + " }\n",
    "deep block": lambda: "vars:\n" + "".join("  " * i + f"a{i}:\n" for i in range(1, 300)),
    "long flow": lambda: "vars: { a: [" + many("1, ") + "] }\n",
    "one scalar": lambda: "vars: { a: '" + "x" * SIZE + "' }\n",
    "one line of text": lambda: HEAD + "project: " + "a" * SIZE + "\n",
    "near tables": lambda: HEAD + "tables:\n" + many("  t{i}: { connection: db, columns: { id: bigint } }\n", size=SIZE // 2) + "pipelines:\n" + many("  p{i}: { from: db, sql: SELECT id FROM tt{i}, to: tx{i} }\n", size=SIZE // 2),
    "near connections": lambda: "connections:\n" + many("  c{i}: { kind: duckdb, path: a }\n", size=SIZE // 2) + "tables:\n" + many("  t{i}: { connection: d{i}, columns: { id: bigint } }\n", size=SIZE // 2),
    "near columns": lambda: HEAD + "tables: { t: { connection: db, columns: {\n" + many("  c{i}: bigint,\n", size=SIZE // 2) + "} } }\npipelines: { p: { from: db, to: { connection: db, table: o }, sql: \"SELECT " + many("cx{i}, ", size=SIZE // 2) + " 1 AS z FROM t\" } }\n",
    "near pipelines": lambda: TABLE + "pipelines:\n" + many("  p{i}: { from: db, sql: SELECT id FROM t, to: t, depends_on: [q{i}, r{i}] }\n"),
    "near functions": _pipelines("SELECT lowre(uper(name)) AS n FROM t"),
    "near variables": lambda: TABLE + "vars: {\n" + many("  v{i}: 1,\n", size=SIZE // 2) + "}\npipelines:\n" + many("  p{i}: { from: db, sql: 'SELECT {{ var.w{i} }} AS id', to: t }\n", size=SIZE // 2),
    "one name": lambda: TABLE + "pipelines: { " + "a" * 1000 + ": { from: db, sql: SELECT 1 AS id, to: t } }\nx: " + "y" * SIZE + "\n",
    "duration": lambda: "streams: { s: { source: { connection: b, topic: t }, to: t, dedupe: { keys: [a], within: " + "1" * SIZE + "m } } }\n",
    "schedule": lambda: TABLE + "pipelines: { p: { from: db, sql: SELECT id FROM t, to: t, schedule: '" + many("0,") + " * * * *' } }\n",
    "type": lambda: HEAD + "tables: { t: { connection: db, columns: { a: '" + many("struct<a ") + "' } } }\n",
    "address": lambda: "connections: { c: { kind: postgres, url: 'postgres://" + many("a:b@") + "' } }\n",
    "address query": lambda: "connections: { c: { kind: postgres, url: 'postgres://h/d?" + many("a{i}=b&") + "' } }\n",
    "references": lambda: "connections: { c: { kind: postgres, url: '" + many("${A{i}}") + "' } }\n",
    "quotes": lambda: "vars: { a: " + "'" * SIZE + " }\n",
    "braces": lambda: "vars: { a: 1 }\n" + _sql("SELECT ", "{{ var.a }}, ", "1")(),
    "unknown braces": _sql("SELECT ", "{{ var.a }} "),
    "macros": _pipelines("{% macro m(c) %}{{ c }} AS x{{ c }}{% endmacro %}SELECT {% for i in range(99) %}{{ m(i) }}, {% endfor %} 1 AS id"),
    "loops": _pipelines("SELECT {% for i in range(140) %}1 AS x{{ i }}, {% endfor %} 1 AS id"),
    "subqueries": _files("SELECT {% for i in range(800) %}(SELECT max(a) FROM source s WHERE s.b = source.b) AS c{{ i }}, {% endfor %} b FROM source", 1, ["a", "b"]),
    "many joins": _files("SELECT s0.a FROM source s0 {% for i in range(1, 128) %}JOIN source s{{ i }} ON s{{ i }}.a = s0.a {% endfor %}", 60, ["a", "b"]),
    "wide levels": _files("WITH c0 AS (SELECT * FROM source) {% for i in range(1, 39) %}, c{{ i }} AS (SELECT * FROM c{{ i - 1 }} WHERE c1 <> '{{ i }}'){% endfor %} SELECT * FROM c38", 1, [f"c{i}" for i in range(6000)]),
    "narrow levels": _files("WITH c0 AS (SELECT * FROM source) {% for i in range(1, 35) %}, c{{ i }} AS (SELECT *, upper(a) AS x{{ i }} FROM c{{ i - 1 }}){% endfor %} SELECT * FROM c34", 160, ["a", "b"]),
    "many casts": _files("SELECT {% for i in range(3000) %}CAST(b AS DECIMAL(38, {{ i % 38 }})) AS c{{ i }}, {% endfor %} a FROM source", 1, ["a", "b"]),
    "terms": _sql("SELECT id ", "+ id\n", " AS id FROM t"),
    "selected": _sql("SELECT ", "id AS c{i},\n", " id FROM t"),
    "cases": _sql("SELECT CASE ", "WHEN id = {i} THEN {i}\n", " END AS id FROM t"),
    "listed": _sql("SELECT id FROM t WHERE id IN (", "{i},\n", "0)"),
    "unions": _sql("SELECT 1 AS id ", "UNION ALL SELECT {i}\n"),
    "ctes": _sql("WITH ", "c{i} AS (SELECT id FROM t),\n", " z AS (SELECT 1 AS id) SELECT id FROM z"),
    "chained ctes": lambda: TABLE + "pipelines:\n  p:\n    from: db\n    to: { connection: db, table: o }\n    sql: |\n" + _lines("WITH c0 AS (SELECT * FROM t)\n" + "".join(f", c{i} AS (SELECT * FROM c{i - 1})\n" for i in range(1, 1500)) + "SELECT * FROM c1499"),
    "doubling ctes": lambda: TABLE + "pipelines:\n  p:\n    from: db\n    to: { connection: db, table: o }\n    sql: |\n" + _lines("WITH c0 AS (SELECT * FROM t)\n" + "".join(f", c{i} AS (SELECT a.id FROM c{i - 1} a JOIN c{i - 1} b USING (id))\n" for i in range(1, 40)) + "SELECT * FROM c39"),
    "doubling unions": _streamed("WITH c0 AS (SELECT id FROM source)" + "".join(f", c{i} AS (SELECT id FROM c{i - 1} UNION ALL SELECT id FROM c{i - 1})" for i in range(1, 60)) + " SELECT id FROM c59"),
    "doubling joins": _streamed("WITH c0 AS (SELECT id FROM source)" + "".join(f", c{i} AS (SELECT a.id FROM c{i - 1} a JOIN c{i - 1} b ON a.id = b.id)" for i in range(1, 60)) + " SELECT id FROM c59"),
    "stars of stars": _streamed("WITH c0 AS (SELECT * FROM source)" + "".join(f", c{i} AS (SELECT *, * FROM c{i - 1})" for i in range(1, 30)) + " SELECT id FROM c29"),
    "stars of stars in a database": _pipelines("WITH c0 AS (SELECT * FROM t)" + "".join(f", c{i} AS (SELECT *, * FROM c{i - 1})" for i in range(1, 30)) + " SELECT id FROM c29"),
    "named windows": _streamed("SELECT id FROM source WINDOW w0 AS (ORDER BY id)" + "".join(f", w{i} AS (w{i - 1})" for i in range(1, 1000))),
    "unknown functions": _streamed("SELECT " + ", ".join(f"f{i}(id) AS c{i}" for i in range(5000)) + " FROM source"),
    "functions": _sql("SELECT ", "lower(", "name"),
    "hard calls": lambda: _over_files("SELECT round(round(round(v))) AS x FROM t"),
    "hard rows": lambda: _over_files("SELECT id" + " + id" * 498 + " AS x FROM t"),
    "hard levels": lambda: _over_files("SELECT " + "abs(" * 90 + "id" + ")" * 90 + " AS x FROM t"),
    "conditions": _sql("SELECT id FROM t WHERE ", "id = {i} OR\n", " id = 0"),
    "concatenated": _sql("SELECT name", " || 'a{i}'\n", " AS name FROM t"),
    "one string": lambda: TABLE + "pipelines:\n  p: { from: db, to: t, sql: \"SELECT '" + "a" * SIZE + "' AS name\" }\n",
    "comments": _sql("SELECT id FROM t ", "-- {i}\n"),
    "semicolons": _sql("SELECT id FROM t ", ";"),
    "streams": lambda: "connections: { b: { kind: kafka, bootstrap_servers: h }, db: { kind: duckdb, path: a } }\nstreams:\n" + many("  s{i}: { source: { connection: b, topic: t{i}, columns: { id: bigint } }, sql: SELECT id FROM source, to: { connection: db, table: o{i} } }\n"),
    "lookups": lambda: TABLE + "streams: { s: { source: { connection: db, topic: t }, to: t, lookups: {\n" + many("  l{i}: { connection: db, table: t },\n") + "} } }\n",
    "windows": _windows(30, 110),
    "as many windows as are taken": _windows(11, 100),
    "env": lambda: "env: [" + many("A{i}, ") + "]\n",
    "disables": lambda: "lint: { disable: [" + many("nope-{i}, ") + "] }\n",
    "disabling comments": lambda: many("# flowc: disable=select-star\n"),
    "documents": lambda: many("---\na: {i}\n"),
    "same keys": lambda: "vars:\n" + many("  a: {i}\n"),
    "tags": lambda: "vars:\n" + many("  a{i}: !nope {i}\n"),
}  # fmt: skip


def nested_calls(name: str, depth: int) -> str:
    """A stream that calls a function of its own values."""
    return _streamed(f"SELECT {f'{name}(' * depth}id{')' * depth} AS id FROM source")()


FUNCTIONS = sorted(name.lower() for kind in exp.ALL_FUNCTIONS for name in kind.sql_names())


def mutant(chance: Chance) -> Mutant:
    """One of the shapes, or calls of some function in each other."""
    if chance.random() < 0.5:
        return spec(nested_calls(chance.choice(FUNCTIONS), chance.choice([5, 40, 145])))
    return spec(SHAPES[chance.choice(sorted(SHAPES))]())
