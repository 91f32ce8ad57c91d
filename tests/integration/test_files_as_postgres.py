"""SQL over files, lakes and several sources is PostgreSQL's, as that of streams is, and fails where that fails."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from decimal import Decimal

import duckdb
import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.commands import Inside
from tests.stores import Store

ROWS = "id,d,price,code\n1,2024-03-05,10.10,gift-12\n2,2024-12-31,100.10,none\n"
COLUMNS = "columns: { id: bigint, d: date, price: 'decimal(10,2)', code: text }"

SPEC = """
connections:
  inbox: {{ kind: files, uri: data }}
  w: {store}
tables:
  t:
    connection: w
    columns:
      id: bigint primary key
      month: text
      named: text
      alike: boolean
      hex: text
      taxed: decimal(10,2)
      loaded_at: timestamptz
pipelines:
  p:
    from: {{ rows: {{ connection: inbox, path: a.csv, {columns} }} }}
    sql: |
      SELECT r.id, to_char(d, 'YYYY-MM') AS month, format('%s/%s', code, n) AS named,
        code SIMILAR TO '%(gift|card)-[0-9]+' AS alike, to_hex(255) AS hex, round(price * 1.15, 2) AS taxed,
        now() AS loaded_at
      FROM rows AS r CROSS JOIN generate_series(1, 3) AS n WHERE n = r.id
    to: t
    mode: merge
"""


def test_files_are_read_with_postgresqls_words(project: Inside, store: Store) -> None:
    zoned = "timestamptz" if store.kind not in ("sqlite", "mysql") else "timestamp"
    spec = SPEC.format(store=store.connection, columns=COLUMNS)
    clock = "now()" if zoned == "timestamptz" else "localtimestamp"
    project.write("data/a.csv", ROWS)
    project.write("specs/p.yaml", spec.replace("timestamptz", zoned).replace("now()", clock))
    shown = project.flowc("preview", "p")
    assert shown.code == 0, shown.err
    assert re.search(r"\d\d:\d\d:\d\d\.\d{6}\b", shown.out)
    done = project.flowc("run", "--once")
    assert done.code == 0, done.err
    found = store.raw("SELECT id, month, named, alike, hex, taxed FROM t ORDER BY id")
    assert [(i, m, n, bool(a), h, round(Decimal(str(x)), 2)) for i, m, n, a, h, x in found] == [
        (1, "2024-03", "gift-12/1", True, "ff", Decimal("11.62")),
        (2, "2024-12", "none/2", False, "ff", Decimal("115.12")),
    ]


LAKE = """
connections:
  inbox: {{ kind: files, uri: data }}
  lake: {{ kind: delta, uri: lake }}
  w: {store}
pipelines:
  fill: {{ from: {{ connection: inbox, path: a.csv, {columns} }}, to: {{ connection: lake, table: items }} }}
  both:
    from:
      lake_items: {{ connection: lake, table: items }}
      file_items: {{ connection: inbox, path: a.csv, {columns} }}
    sql: |
      SELECT a.id, to_char(b.d, 'YYYYMM') || to_hex(10) AS words, round(b.price / 3, 4) AS third
      FROM lake_items AS a JOIN file_items AS b USING (id) WHERE b.code ~ '^g.*[0-9]$'
    to: {{ connection: w, table: both_items }}
"""


def test_so_are_lakes_and_several_sources(project: Inside) -> None:
    store = Store("duckdb", project.path)
    project.write("data/a.csv", ROWS)
    project.write("specs/p.yaml", LAKE.format(columns=COLUMNS, store=store.connection))
    for name in ("fill", "both"):
        done = project.flowc("run", "--once", name)
        assert done.code == 0, done.err
    assert store.raw("SELECT id, words, third FROM both_items") == [(1, "202403a", Decimal("3.3667"))]


def test_datafusions_own_words_are_a_dialect(project: Inside, tmp_path) -> None:
    store = Store("sqlite", tmp_path)
    spec = SPEC.format(store=store.connection, columns=COLUMNS).split("tables:")[0] + (
        "pipelines:\n  p:\n    from: { rows: { connection: inbox, path: a.csv, " + COLUMNS + " } }\n"
        "    dialect: datafusion\n    sql: SELECT id, to_char(d, '%Y-%m') AS month, now() AS at FROM rows\n"
        "    to: { connection: w, table: t }\n"
    )
    project.write("data/a.csv", ROWS)
    project.write("specs/p.yaml", spec)
    shown = project.flowc("preview", "p")
    assert shown.code == 0, shown.err
    assert "internal" not in shown.err
    assert "w.t     append     2" in shown.out


FAILING = """
connections:
  w: {store}
tables:
  source_rows: {{ connection: w, columns: {{ id: bigint, n: bigint, zero: bigint, word: text }} }}
pipelines:
  p:
    from: w
    dialect: postgres
    sql: SELECT id, n {operator} AS x FROM source_rows
    to: {{ connection: w, table: report }}
    mode: truncate
"""


@pytest.mark.covering
@pytest.mark.parametrize(
    ("operator", "words"),
    [
        ("/ zero", "division by zero"),
        ("/ CAST(zero AS double precision)", "division by zero"),
        ("% zero", "division by zero"),
        ("* 0 + CAST(word AS bigint)", ""),
    ],
)
def test_a_failure_replaces_no_table_with_null(project: Inside, store: Store, operator: str, words: str) -> None:
    if store.kind == "postgres":
        words = words or "invalid input syntax"
    store.run("CREATE TABLE source_rows (id BIGINT, n BIGINT, zero BIGINT, word VARCHAR(20))")
    store.run("INSERT INTO source_rows VALUES (1, 10, 2, '7'), (2, 10, 1, '8')")
    project.write("specs/p.yaml", FAILING.format(store=store.connection, operator=operator))
    first = project.flowc("run", "--once")
    if store.kind == "mysql" and operator in ("/ zero", "* 0 + CAST(word AS bigint)"):
        assert "untranslatable-sql" in first.err  # they are to be written for it
        return
    assert first.code == 0
    before = store.raw("SELECT id, x FROM report ORDER BY id")
    store.run("UPDATE source_rows SET zero = 0, word = 'seven' WHERE id = 2")
    failed = project.flowc("run", "--once")
    assert failed.code == 1, failed.out
    assert words.lower() in failed.err.lower()
    assert store.raw("SELECT id, x FROM report ORDER BY id") == before
    assert [row[1] for row in before] != [None, None]


FOUND = """
round(n / 2.0)
lag(n, 1, 0.5) OVER (ORDER BY n)
avg(n) OVER ()
sum(n) OVER () / count(*) OVER ()
n / 2
n / 2.0
n * 0.1 = 0.3
x * 0.1
(x / 3)::numeric(12,6)
p / 3
sum(p) OVER () / 7
avg(p) OVER () / 3
power(p, 2)
sqrt(n::numeric)
extract(epoch FROM t - '2026-01-01 00:00:00.25'::timestamp)
CASE WHEN n > 1 THEN 100 / (n - 1) END
n > 1 AND 10 / (n - 1) > 4
coalesce(p, 0) / n
to_char(t, 'YYYY-MM')
t::text
p::text
date_trunc('month', t)::date::text
greatest(n, 2.5) / 2
round((p / 7)::numeric, 3)::text
stddev(n) OVER ()
n::numeric / 3
(p * 1.15)::text
sum(x) OVER () / 3
t - timestamp '2026-01-01' > interval '1 day'
max(t - timestamp '2026-01-01') OVER () > interval '30 days'
(t - timestamp '2025-12-01')::text
extract(hour FROM t - timestamp '2025-12-01')
extract(epoch FROM t) + 0.1 = 1767348000.6
extract(epoch FROM t - timestamp '2025-12-01')::text
extract(second FROM t)::text
date_part('second', t)::text
date_part('hour', t) * 0.1 = 2.3
floor(avg(extract(epoch FROM timestamp '2026-01-01 17:00:00' - date_trunc('year', t))) OVER () / 3600)
avg(extract(epoch FROM t - timestamp '2026-01-01')) OVER ()
(SELECT s / 3600 = 17 FROM (SELECT extract(epoch FROM timestamp '2026-01-01 17:00:00' - min(t)) AS s FROM rows) q)
(SELECT max(s)::text FROM (SELECT extract(epoch FROM t) AS s FROM rows) q)
rank() OVER (ORDER BY t - timestamp '2026-01-01' DESC)
extract(epoch FROM t AT TIME ZONE 'Europe/Berlin')
coalesce(nullif(t, '2026-02-03'), '2026-1-1 10:00')
"""
"""Each differed, or failed, where nothing told the types of its columns."""


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet", "table"])
def test_columns_that_nobody_declares_are_those_that_are_found(project: Inside, postgres: str, form: str) -> None:
    kinds = {"n": "bigint", "x": "double precision", "p": "numeric(10,2)", "t": "timestamp"}
    if form in ("csv", "jsonl"):  # in which a number with a point is a double, and JSON has no times
        kinds |= {"p": "double precision"} | ({"t": "text"} if form == "jsonl" else {})
    told = ", ".join(f"{name} {kind}" for name, kind in kinds.items())
    parts = [part for part in FOUND.strip().splitlines() if form != "jsonl" or not re.search(r"\bt\b", part)]
    sql = "SELECT " + ", ".join(f"{part} AS c{i}" for i, part in enumerate(parts)) + " FROM {} ORDER BY n"
    with psycopg.connect(postgres, autocommit=True) as server:
        server.execute(f"CREATE TABLE rows ({told})")
        server.execute(
            "INSERT INTO rows VALUES (1, 0.5, 10.25, '2026-01-02 10:00:00.5'), (2, 2.25, 3.10, '2026-02-03 00:00:00'),"
            " (3, -1.75, NULL, '2025-12-31 23:59:59.75'), (5, 1e-3, 0.07, '2026-01-01 00:00:00')"
        )
        expected = server.execute(sql.format("rows")).fetchall()
        _written(server.execute("SELECT * FROM rows").fetchall(), kinds, project, form)
    source = "{ connection: w, table: rows }" if form == "table" else f"{{ connection: inbox, path: rows.{form} }}"
    store = f"{{ kind: postgres, url: '{postgres}' }}"
    project.write(
        "specs/p.yaml",
        f"connections: {{ inbox: {{ kind: files, uri: data }}, w: {store}, d: {{ kind: duckdb, path: d.duckdb }} }}\n"
        f'pipelines: {{ p: {{ from: {{ rows: {source} }}, sql: "{sql.format("rows")}",\n'
        "    to: { connection: d, table: out }, mode: truncate } }\n",
    )
    done = project.flowc("run", "--once")
    assert done.code == 0, done.err
    with duckdb.connect(project.path / "d.duckdb") as target:
        found = target.execute("SELECT * FROM out ORDER BY rowid").fetchall()
    for part, had, wanted in zip(parts, zip(*found, strict=True), zip(*expected, strict=True), strict=True):
        assert sorted(map(_plain, had), key=repr) == sorted(map(_plain, wanted), key=repr), part


def test_a_difference_of_times_has_days_where_it_is_kept(project: Inside, postgres: str) -> None:
    project.write(
        "data/t.csv", "a,b\n2024-03-01 02:30:00,2024-04-20 00:00:00\n2024-03-31 02:30:00,2024-03-31 00:00:00\n"
    )
    project.write(
        "specs/p.yaml",
        f"connections: {{ inbox: {{ kind: files, uri: data }}, w: {{ kind: postgres, url: '{postgres}' }} }}\n"
        "pipelines: { p: { from: { rows: { connection: inbox, path: t.csv } }, to: { connection: w, table: out },\n"
        '    sql: "SELECT b - a AS i, (SELECT avg(b - a) FROM rows) AS m, '
        "a AT TIME ZONE 'Europe/Berlin' AS z FROM rows\" } }\n",
    )
    done = project.flowc("run", "--once")
    assert done.code == 0, done.err
    with psycopg.connect(postgres, options="-c timezone=UTC") as server:
        found = server.execute("SELECT i::text, extract(day FROM i), m::text, z::text FROM out ORDER BY z").fetchall()
    assert found == [
        ("49 days 21:30:00", 49, "24 days 21:30:00", "2024-03-01 01:30:00+00"),
        ("-02:30:00", 0, "24 days 21:30:00", "2024-03-31 01:30:00+00"),
    ]


def _plain(value: object) -> object:
    return f"{float(value):.12g}" if isinstance(value, float | Decimal) else str(value)


def _written(rows: list[tuple[object, ...]], kinds: dict[str, str], project: Inside, form: str) -> None:
    names = list(kinds)
    if form == "parquet":
        types = [pa.int64(), pa.float64(), pa.decimal128(10, 2), pa.timestamp("us")]
        columns = [pa.array(c, t) for c, t in zip(zip(*rows, strict=True), types, strict=True)]
        (project.path / "data").mkdir(exist_ok=True)
        pq.write_table(pa.table(columns, names), project.path / "data/rows.parquet")
    elif form == "jsonl":
        project.write("data/rows.jsonl", "".join(json.dumps(dict(zip(names, row, strict=True))) + "\n" for row in rows))
    elif form == "csv":
        lines = [",".join("" if v is None else str(v) for v in row) for row in rows]
        project.write("data/rows.csv", "\n".join([",".join(names), *lines]) + "\n")


def test_objects_that_are_found_in_json_are_documents(project: Inside) -> None:
    project.write("data/a.jsonl", '{"id": 1, "m": {"a": {"k": 1.50}}}\n')
    project.write(
        "specs/p.yaml",
        "connections: { inbox: { kind: files, uri: data }, d: { kind: duckdb, path: d.duckdb } }\n"
        "pipelines: { p: { from: { connection: inbox, path: a.jsonl }, to: { connection: d, table: t },\n"
        "    sql: \"SELECT m, jsonb_build_object('x', m) AS o, m::text AS t FROM source\" } }\n",
    )
    done = project.flowc("run", "--once")
    assert done.code == 0, done.err
    with duckdb.connect(project.path / "d.duckdb") as target:
        assert target.execute("SELECT * FROM t").fetchall() == [
            ('{"a": {"k": 1.50}}', '{"x": {"a": {"k": 1.50}}}', '{"a": {"k": 1.50}}')
        ]
        assert [kind for (kind,) in target.execute("SELECT column_type FROM (DESCRIBE t)").fetchall()] == [
            "JSON", "JSON", "VARCHAR",
        ]  # fmt: skip


def test_found_columns_may_be_absent_from_some_files(project: Inside) -> None:
    project.write("data/m1.csv", "id,e\n1,x\n")
    project.write("data/m2.csv", "id,f\n2,2.5\n")
    project.write(
        "specs/p.yaml",
        "connections: { inbox: { kind: files, uri: data }, d: { kind: duckdb, path: d.duckdb } }\n"
        'pipelines: { p: { from: { connection: inbox, path: "m*.csv" }, to: { connection: d, table: t },\n'
        "    sql: 'SELECT id, e, f FROM source' } }\n",
    )
    done = project.flowc("run", "--once")
    assert done.code == 0, done.err
    with duckdb.connect(project.path / "d.duckdb") as target:
        assert target.execute("SELECT * FROM t ORDER BY id").fetchall() == [(1, "x", None), (2, None, 2.5)]


_PARTS_OF_INSTANTS = """
  plain: { from: FROM, to: { connection: d, table: plain }, mode: truncate,
    sql: "SELECT v::date::text AS d, extract(hour FROM v)::int AS h, v::text AS t FROM source" }
  listed: { from: FROM, to: { connection: d, table: listed }, mode: truncate,
    sql: "SELECT extract(hour FROM l[1])::int AS h, date_trunc('day', l[2])::text AS d, l::text AS t FROM source" }
  rows: { from: FROM, to: { connection: d, table: rows }, mode: truncate,
    sql: "SELECT date_trunc('day', u)::text AS d, count(*) AS n FROM (SELECT unnest(l) AS u FROM source) q GROUP BY 1" }
"""
_OF_STRUCTS = """
  nested: { from: FROM, to: { connection: d, table: nested }, mode: truncate,
    sql: "SELECT to_char(s.t, 'HH24:MI') AS c, (o[1]).t::date::text AS d, f[1]::date::text AS f FROM source" }
"""


def test_instants_of_parquet_are_taken_apart_in_utc_whatever_their_zones(project: Inside) -> None:
    moment = datetime(2026, 1, 1, 1, tzinfo=UTC)
    (project.path / "data").mkdir()
    for file, zone in enumerate(("America/New_York", "Europe/Berlin", "UTC")):
        kind = pa.timestamp("us", zone)
        columns = {
            "v": (moment, kind), "l": ([moment] * 2, pa.list_(kind)), "s": ({"t": moment}, pa.struct({"t": kind})),
            "o": ([{"t": moment}], pa.list_(pa.struct({"t": kind}))), "f": ([moment] * 2, pa.list_(kind, 2)),
        }  # fmt: skip
        table = pa.table({name: pa.array([value], of) for name, (value, of) in columns.items()})
        pq.write_table(table, project.path / f"data/a{file}.parquet")
    for declared in ("", ", columns: { v: timestamptz, l: 'timestamptz[]' }"):
        made = _PARTS_OF_INSTANTS + (_OF_STRUCTS if not declared else "")
        source = f'{{ connection: inbox, path: "a*.parquet"{declared} }}'
        project.write(
            "specs/p.yaml",
            "connections: { inbox: { kind: files, uri: data }, d: { kind: duckdb, path: d.duckdb } }\n"
            f"pipelines:{made.replace('FROM, to', f'{source}, to')}",
        )
        done = project.flowc("run", "--once")
        assert done.code == 0, done.err
        with duckdb.connect(project.path / "d.duckdb") as target:
            found = {name: target.execute(f"SELECT * FROM {name}").fetchall() for name in ("plain", "listed", "rows")}
            nested = target.execute("SELECT * FROM nested").fetchall()
        assert found["plain"] == [("2026-01-01", 1, "2026-01-01 01:00:00+00")] * 3
        each = '{"2026-01-01 01:00:00+00","2026-01-01 01:00:00+00"}'
        assert found["listed"] == [(1, "2026-01-01 00:00:00+00", each)] * 3
        assert found["rows"] == [("2026-01-01 00:00:00+00", 6)]
        assert nested == [("01:00", "2026-01-01", "2026-01-01")] * 3


def test_what_fails_as_in_postgresql_says_why(project: Inside) -> None:
    project.write("data/a.csv", "n\n10000000000\n")
    project.write(
        "specs/p.yaml",
        "connections: { inbox: { kind: files, uri: data }, d: { kind: duckdb, path: d.duckdb } }\n"
        "pipelines: { p: { from: { connection: inbox, path: a.csv }, to: { connection: d, table: t },\n"
        "    sql: 'SELECT exp(n) AS e FROM source' } }\n",
    )
    done = project.flowc("run", "--once")
    assert done.code == 1
    assert "an exponent out of range" in done.err
    assert "Boolean" not in done.err
