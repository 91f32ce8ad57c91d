"""What is wrong with the shape of a spec, in the user's words: one message for each fault, at the smallest place."""

# ruff: noqa: E501 -- a table of cases reads best with one case in a line

from __future__ import annotations

import pytest

from flowc.compiler.front.schemacheck import check
from flowc.compiler.front.yamltree import parse
from flowc.diagnostics import Reporter
from flowc.source import SourceFile


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("pipeline: {}", ("unknown-key", "pipeline", "unknown key `pipeline` in the file", "did you mean `pipelines`?")),
        ("- a", ("wrong-type", "-", "the file must be a mapping, not a list", "for instance `{version: 1, connections: {local: {kind: duckdb, path: w.duckdb}}}`")),
        ("pipelines: x", ("wrong-type", "x", "`pipelines` must be a mapping, not text", "for instance `{sync: {sql: SELECT 1 AS id, to: customers}}`")),
        ('version: "1"', ("wrong-type", '"1"', "`version` must be a whole number, not text", "write it without quotes: `1`")),
        ("tables: {}\ntabls: {}", ("unknown-key", "tabls", "unknown key `tabls` in the file", "`tables` is given too: move what is below `tabls` into it")),
        ("tables: { t: { columns: { a: { type: text, nullable: no } } } }", ("wrong-type", "no", "`columns.a.nullable` of table `t` must be true or false, not text", "write `false`")),
        ("pipelines: { p: { sql: x, to: t, timeout: 5 } }", ("wrong-type", "5", "`timeout` of pipeline `p` must be a duration, not a whole number", "add its unit: `5s`, `5m`, `5h` or `5d`")),
        ("pipelines: { p: { from: { connection: f, path: x, format: csv, read: { max_line: 60 } }, to: t } }", ("wrong-type", "60", "`from.read.max_line` of pipeline `p` must be a size, not a whole number", "add its unit: `60B`, `60KiB` or `60MiB`")),
        ("streams: { s: { source: { connection: c, path: x }, to: t, group_ttl: 30 } }", ("wrong-type", "30", "`group_ttl` of stream `s` must be a duration, or `never`, not a whole number", "add its unit: `30s`, `30m`, `30h` or `30d`")),
        ("streams: { s: { source: { connection: c, path: x }, to: t, group_ttl: true } }", ("wrong-type", "true", "`group_ttl` of stream `s` must be a duration, or `never`, not true or false", "for instance `30d`")),
        ("streams: { s: { source: { connection: c, path: x }, to: t, watermark: { max_drift: .inf } } }", ("wrong-type", ".inf", "`watermark.max_drift` of stream `s` must be a duration, not a number", "for instance `30s`")),
        ("pipelines: { p: { sql: x, to: t, incremental: id } }", ("wrong-type", "id", "`incremental` of pipeline `p` must be a mapping, not text", "write `{column: id}`")),
        ("pipelines: { p: { sql: x, to: t, mode: {{ var.m }} } }", ("key-not-text", "{ var.m }", "a key must be a plain name", 'put a template in quotes: `"{{ var.name }}"`')),
        ("version: 2", ("bad-value", "2", "`version` cannot be `2`", "allowed: `1`")),
        ("connections: { a: { kind: postgre, url: x } }", ("bad-value", "postgre", "`kind` of connection `a` cannot be `postgre`", "did you mean `postgres`?")),
        ("connections: { eu.wh: { kind: sqlite, path: x } }", ("bad-value", "eu.wh", "connection `eu.wh` must have a name without dots", "write `eu_wh`")),
        ("environments: { prod: { connections: { 1.2: { kind: sqlite, path: x } } } }", ("bad-value", "1.2", "`connections.1.2` of environment `prod` must have a name without dots", "write `1_2`")),
        ("connections: { a: { url: x } }", ("missing-key", "a", "connection `a` needs `kind`", ...)),
        ("connections: { a: { kid: sqlite } }", ("unknown-key", "kid", "unknown key `kid` in connection `a`", "did you mean `kind`?")),
        ("connections: { a: { kind: duckdb } }", ("missing-key", "a", "connection `a` needs `path` or `url`", None)),
        ("connections: { a: { kind: sqlite, pth: x } }", ("unknown-key", "pth", "unknown key `pth` in connection `a`", "did you mean `path`?")),
        ("connections: { a: { kind: 5 } }", ("wrong-type", "5", "`kind` of connection `a` must be text, not a whole number", "allowed: `postgres`, `mysql`, `duckdb`, `sqlite`, `delta`, `files`, `kafka`, `schema_registry`, `glue_schema_registry`, `rabbitmq`, `pubsub`, `kinesis`, `snowflake`, `bigquery`, `redshift`")),
        ("tables: { t: { columns: { a: 5 } } }", ("wrong-type", "5", "`columns.a` of table `t` must be an SQL column definition or a mapping, not a whole number", 'put it in quotes: `"5"`')),
        ("tables: { t: { columns: { a: numeric(12,2) } } }", ("wrong-type", "2)", "`columns.2)` of table `t` must be an SQL column definition or a mapping, not nothing", 'inside `{…}`, put a type that holds a comma in quotes: `"numeric(12,2)"`')),
        ("tables: { t: { columns: {} } }", ("bad-value", "{", "`columns` of table `t` must hold at least 1 key, not 0", None)),
        ("tables: { t: { columns: { a: { type: text, normalize: [trm] } } } }", ("bad-value", "trm", "`columns.a.normalize` of table `t` cannot be `trm`", "did you mean `trim`?")),
        ("pipelines: { p: { sql: x } }", ("missing-key", "p", "pipeline `p` needs `to`", "add `to: customer_dim`")),
        ("pipelines: { p: { to: t, keys: id } }", ("wrong-type", "id", "`keys` of pipeline `p` must be a list, not text", "write `[id]`")),
        ("pipelines: { p: { to: t, keys: } }", ("wrong-type", "keys", "`keys` of pipeline `p` must be a list, not nothing", None)),
        ("pipelines: { p: { to: t, ttl: 30 days } }", ("bad-value", "30 days", "`ttl` of pipeline `p` must be a duration, not `30 days`", "for instance `30s`")),
        ("pipelines: { p: { to: t, ttl: 30 } }", ("wrong-type", "30", "`ttl` of pipeline `p` must be a duration, not a whole number", ...)),
        ("pipelines: { p: { to: t, mode: upsert } }", ("bad-value", "upsert", "`mode` of pipeline `p` cannot be `upsert`", "allowed: `append`, `truncate`, `merge`, `scd2`")),
        ("pipelines: { p: { to: { table: t, mod: merge } } }", ("unknown-key", "mod", "unknown key `mod` in `to` of pipeline `p`", "did you mean `mode`?")),
        ("pipelines: { p: { to: [] } }", ("bad-value", "[", "`to` of pipeline `p` must hold at least 1 value, not 0", None)),
        ("pipelines: { p: { to: t, from: { conection: a, path: x } } }", ("unknown-key", "conection", "unknown key `conection` in `from` of pipeline `p`", "did you mean `connection`?")),
        ("pipelines: { p: { to: t, from: { path: x, format: csv } } }", ("missing-key", "from", "`from` of pipeline `p` needs `connection`", "add `connection: drop`")),
        ("pipelines: { p: { to: t, from: { o: { connetion: a } } } }", ("unknown-key", "connetion", "unknown key `connetion` in `from.o` of pipeline `p`", "did you mean `connection`?")),
        ("pipelines: { p: { to: t, expect: [{ notnull: [a] }] } }", ("unknown-key", "notnull", "unknown key `notnull` in `expect` of pipeline `p`", "did you mean `not_null`?")),
        ("pipelines: { p: { to: t, max_bad: 5.0 } }", ("wrong-type", "5.0", "`max_bad` of pipeline `p` must be a percentage or a whole number, not a number", "write `5`")),
        ("streams: { s: { to: t, batch: { max_rows: 1e3 } } }", ("wrong-type", "1e3", "`batch.max_rows` of stream `s` must be a whole number, not a number", "write `1000`")),
        ("streams: { s: { to: t, batch: { max_rows: 1000000000001 } } }", ("bad-value", "1000000000001", "`batch.max_rows` of stream `s` must be at most 1000000000000, not `1000000000001`", None)),
        ("pipelines: { p: { to: t, max_bad: nan% } }", ("bad-value", "nan%", "`max_bad` of pipeline `p` must be a percentage, not `nan%`", ...)),
        ("pipelines: { p: { to: t, max_bad: 100.1% } }", ("bad-value", "100.1%", "`max_bad` of pipeline `p` must be a percentage, not `100.1%`", ...)),
        ("pipelines: { p: { to: t, retry: { factor: .nan } } }", ("bad-value", ".nan", "`retry.factor` of pipeline `p` must be at least 1, not `.nan`", None)),
        ("pipelines: { p: { to: t, retry: { factor: 1e400 } } }", ("bad-value", "1e400", "`retry.factor` of pipeline `p` must be at most 1000, not `1e400`", None)),
        ("pipelines: { p: { to: t, retry: { attempts: 0 } } }", ("bad-value", "0", "`retry.attempts` of pipeline `p` must be at least 1, not `0`", None)),
        ("pipelines: { p: { to: t, sql: '' } }", ("bad-value", "''", "`sql` of pipeline `p` must be text, not empty text", None)),
        ("streams: { s: { to: t, window: { kind: tumbling, aggregate: { n: count(*) } } } }", ("missing-key", "window", "`window` of stream `s` needs `size`", "add `size: 1m`")),
        ("pipelines: { p: { to: t, retry: 5 } }", ("wrong-type", "5", "`retry` of pipeline `p` must be a mapping, not a whole number", "write `{attempts: 5}`")),
        ("pipelines: { p: { to: t, retry: 30s } }", ("wrong-type", "30s", "`retry` of pipeline `p` must be a mapping, not text", "write `{backoff: 30s}`")),
        ("pipelines: { p: { to: t, dedupe: at desc } }", ("wrong-type", "at desc", "`dedupe` of pipeline `p` must be a mapping, not text", "write `{order_by: at desc}`")),
        ("pipelines: { p: { to: t, freshness: 2h } }", ("wrong-type", "2h", "`freshness` of pipeline `p` must be a mapping, not text", "write `{column: updated_at, max_age: 2h}`")),
        ("pipelines: { p: { to: t, freshness: at } }", ("wrong-type", "at", "`freshness` of pipeline `p` must be a mapping, not text", "write `{column: at, max_age: 2h}`")),
        ("pipelines: { p: { to: t, expect: id } }", ("wrong-type", "id", "`expect` of pipeline `p` must be a list, not text", "write `[{not_null: [id]}]`")),
        ("pipelines: { p: { to: t, expect: [id > 0] } }", ("wrong-type", "id > 0", "a value of `expect` of pipeline `p` must be a mapping, not text", "write `{sql: id > 0}`")),
        ("pipelines: { p: { to: 5 } }", ("wrong-type", "5", "`to` of pipeline `p` must be text or a mapping or a list, not a whole number", 'put it in quotes: `"5"`')),
        ("pipelines: { p: SELECT 1 }", ("wrong-type", "SELECT 1", "pipeline `p` must be a mapping, not text", "write `{sql: SELECT 1, to: customer_dim}`")),
        ("tables: { t: { columns: { a: int }, indexes: [a] } }", ("wrong-type", "a", "a value of `indexes` of table `t` must be a mapping, not text", "write `{columns: [a]}`")),
        ("tables: { t: { columns: { a: int }, indexes: a } }", ("wrong-type", "a", "`indexes` of table `t` must be a list, not text", "write `[{columns: [a]}]`")),
        ("tables: { t: { columns: { a: int }, primary_key: a } }", ("wrong-type", "a", "`primary_key` of table `t` must be a list, not text", "write `[a]`")),
        ("tables: { t: { columns: [a] } }", ("wrong-type", "[", "`columns` of table `t` must be a mapping, not a list", ...)),
        ("connections: { a: sqlite }", ("wrong-type", "sqlite", "connection `a` must be a mapping, not text", "write `{kind: sqlite}`")),
        ("connections: { a: 'postgres://u:pw@h/d' }", ("wrong-type", "'postgres://u:pw@h/d'", "connection `a` must be a mapping, not text", 'write `{kind: postgres, url: "${DATABASE_URL}"}`')),
        ("streams: { s: { to: t, watermark: 5s } }", ("wrong-type", "5s", "`watermark` of stream `s` must be a mapping, not text", "write `{lateness: 5s}`")),
        ("streams: { s: { to: t, batch: 1000 } }", ("wrong-type", "1000", "`batch` of stream `s` must be a mapping, not a whole number", "write `{max_rows: 1000}`")),
        ("streams: { s: { to: t, batch: 200ms } }", ("wrong-type", "200ms", "`batch` of stream `s` must be a mapping, not text", "write `{max_wait: 200ms}`")),
        ("streams: { s: { to: t, dedupe: id } }", ("wrong-type", "id", "`dedupe` of stream `s` must be a mapping, not text", "write `{keys: [id], within: 10m}`")),
        ("streams: { s: { to: t, cdc: debezium } }", ("wrong-type", "debezium", "`cdc` of stream `s` must be a mapping, not text", "write `{envelope: debezium}`")),
        ("streams: { s: { to: t, restart: 10 } }", ("wrong-type", "10", "`restart` of stream `s` must be a mapping, not a whole number", "write `{max_restarts: 10}`")),
        ("streams: { s: { to: t, source: bus } }", ("wrong-type", "bus", "`source` of stream `s` must be a mapping, not text", "write `{connection: bus}`")),
        ("pipelines: { p: { to: t, expect: [{ sql: greatest(a, b) > 0, name: x }] } }", ("unknown-key", "b) > 0", "unknown key `b) > 0` in `expect` of pipeline `p`", 'inside `{…}`, put a value that holds a comma in quotes: `"greatest(a, b) > 0"`')),
        ("pipelines: { p: { sql: SELECT a, \"b\", c FROM t, to: t } }", ("unknown-key", '"b"', "unknown key `b` in pipeline `p`", "inside `{…}`, put a value that holds a comma in quotes: `'SELECT a, \"b\", c FROM t'`")),
        ("pipelines: { p: { to: t, before: [INSERT INTO x VALUES (1, 2)] } }", ("bad-value", "INSERT INTO x VALUES (1, 2)", "a value of `before` of pipeline `p` is cut at its comma", 'inside `[…]`, put a value that holds a comma in quotes: `"INSERT INTO x VALUES (1, 2)"`')),
        ("pipelines: { p: { to: { db: out } } }", ("unknown-key", "db", "unknown key `db` in `to` of pipeline `p`", "write `{connection: db, table: out}`")),
        ("pipelines: { p: { to: t, from: { drop: x/*.csv } } }", ("unknown-key", "drop", "unknown key `drop` in `from` of pipeline `p`", "write `{connection: drop, path: x/*.csv}`")),
        ("pipelines: { p: { to: t, from: { connection: a, columns: { id: [int] } } } }", ("wrong-type", "[", "`from.columns.id` of pipeline `p` must be a type or a mapping, not a list", ...)),
        ("tests: { one: { pipeline: p, expect: { t: [{ id: 1 }] } } }", ("wrong-type", "t", "`expect` of test `one` must be a list, not a mapping", "write the list alone: `[{id: 1}]`")),
        ("pipelines: { p: { to: t, expect: { not_null: [id] } } }", ("wrong-type", "not_null", "`expect` of pipeline `p` must be a list, not a mapping", "write it as a list: `[{not_null: [id]}]`")),
        ("pipelines: { p: { to: t, expect: [{ max_failures: 5 }] } }", ("missing-key", "max_failures", "`expect` of pipeline `p` needs `not_null` or `unique` or `sql`", ...)),
        ("pipelines: { p: { to: t, deletes: true } }", ("wrong-type", "true", "`deletes` of pipeline `p` must be text, not true or false", "allowed: `ignore`, `hard`, `soft`, `close`")),
        ("pipelines: { p: { to: t, sql: [SELECT 1] } }", ("wrong-type", "[", "`sql` of pipeline `p` must be text, not a list", "write `SELECT 1`")),
        ("streams: { s: { to: t, cdc: { envelope: debz } } }", ("bad-value", "debz", "`cdc.envelope` of stream `s` cannot be `debz`", "did you mean `debezium`?")),
        ('pipelines: { "": { to: t, ttl: x } }', ("bad-value", "x", "`ttl` of pipeline `` must be a duration, not `x`", "for instance `30s`")),
        ('tables: { t: { columns: { "01": 5, "+1": int, "": int } } }', ("wrong-type", "5", "`columns.01` of table `t` must be an SQL column definition or a mapping, not a whole number", 'put it in quotes: `"5"`')),
        ("connections: { k: { kind: kafka, bootstrap_servers: b, properties: { 1: [] } } }", ("wrong-type", "[", "`properties.1` of connection `k` must be text or a number or true or false, not a list", None)),
        ("pipelines: { p: { to: t, 7: x } }", ("unknown-key", "7", "unknown key `7` in pipeline `p`", ...)),
        ("pipelines: { p: { to: t, incremental: .nan } }", ("wrong-type", ".nan", "`incremental` of pipeline `p` must be a mapping, not a number", "for instance `{column: updated_at, start: 2020-01-01, lag: 5m}`")),
        ('pipelines: { p: { to: t, ttl: "30s\\n" } }', ("bad-value", '"30s\\n"', "`ttl` of pipeline `p` must be a duration, not `30s\n`", "for instance `30s`")),
        ("functions: { f: { python: 'm-x:fonction' } }", ("bad-value", "'m-x:fonction'", "`python` of function `f` must be `module:name`, not `m-x:fonction`", ...)),
        ("project: '-'", ("bad-value", "'-'", "`project` must be text, not `-`", "for instance `orders`")),
        ("pipelines: { p: { to: t, expect: [{ max_failures: x, severity: warn }] } }", ("missing-key", "max_failures", "`expect` of pipeline `p` needs `not_null` or `unique` or `sql`", ...)),
    ],
)  # fmt: skip
def test_words(text: str, expected: tuple[str, str, str, str | None]) -> None:
    tree = parse(SourceFile("spec.yaml", text), reporter := Reporter())
    assert tree is not None
    broken = check(tree, reporter)
    assert broken
    (found,) = reporter.sorted()
    assert found.span is not None
    assert (found.code, text[found.span.start : found.span.end], found.message) == expected[:3]
    if expected[3] is not ...:
        assert found.helps == (() if expected[3] is None else (expected[3],))


def test_only_what_is_wrong_is_broken() -> None:
    tree = parse(
        SourceFile("", "pipelines: { a: { to: t, x: 1 }, b: { to: t } }\nstreams: []\nversion: 1\n"), Reporter()
    )
    assert tree is not None
    assert set(check(tree, Reporter())) == {("pipelines", "a"), ("streams",)}


def test_empty_sections_are_fine() -> None:
    reporter = Reporter()
    tree = parse(SourceFile("", "pipelines:\nvars:\ntables: {}\n"), reporter)
    assert tree is not None
    check(tree, reporter)
    assert reporter.found == []
