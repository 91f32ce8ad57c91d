"""What `append`, `incremental`, `truncate` and `dedupe` do to rows, within a database and between two."""

import pytest

from tests.extended import with_extended
from tests.stores import Store, address, counts

SPEC = """
connections: {{ w: {target}, r: {source} }}
tables:
  keyed: {{ connection: w, columns: {{ id: bigint primary key, seen: timestamp, v: text }} }}
  bare: {{ connection: w, columns: {{ id: bigint, seen: timestamp, v: text }} }}
  lagged: {{ connection: w, columns: {{ id: bigint primary key, seen: timestamp, v: text }} }}
  full: {{ connection: w, columns: {{ id: bigint, v: text }} }}
  newest: {{ connection: w, columns: {{ id: bigint primary key, seen: timestamp, v: text }} }}
  nocursor: {{ connection: w, columns: {{ id: bigint primary key, v: text }} }}
pipelines:
  keyed: {{ from: r, sql: "SELECT * FROM raw", to: keyed, incremental: {{ column: seen }} }}
  bare: {{ from: r, table: raw, to: bare, mode: append, incremental: {{ column: seen }} }}
  lagged:
    from: r
    sql: SELECT * FROM raw
    to: lagged
    incremental: {{ column: seen, lag: 2d, start: "2025-12-31" }}
  full: {{ from: r, table: raw, columns: {{ id: id, v: v }}, to: full, mode: truncate }}
  newest:
    from: r
    sql: SELECT * FROM raw
    to: newest
    mode: merge
    incremental: {{ column: seen }}
    dedupe: {{ order_by: "seen desc, v" }}
  nocursor: {{ from: r, sql: "SELECT id, v, seen FROM raw", to: nocursor, incremental: {{ column: seen }} }}
"""


OTHER = [("sqlite", "postgres", "other"), ("mysql", "duckdb", "other")]
PAIRS = [*OTHER, *((kind, kind, "same") for kind in ("sqlite", "mysql", "duckdb", "postgres"))]
"""Each kind as a source or a target, and as both; of values, all pairs are tried (`test_meaning_values`)."""


@pytest.mark.parametrize(("source_kind", "target_kind", "where"), with_extended(PAIRS[:4], PAIRS[4:]))
def test_day_by_day(project, source_kind, target_kind, where, request):
    store = Store(target_kind, project.path, address(request, target_kind))
    source = store if where == "same" else Store(source_kind, project.path, address(request, source_kind), "source")
    project.write("specs/p.yaml", SPEC.format(target=store.connection, source=source.connection))
    source.run(f"CREATE TABLE raw (id BIGINT, seen {source.type('timestamp')}, v TEXT)")
    source.run("INSERT INTO raw VALUES (1, '2026-01-01 00:00:00', 'a'), (2, '2026-01-02 00:00:00', 'b')")
    source.run("INSERT INTO raw VALUES (3, '2026-01-02 00:00:00', NULL)")
    first = project.flowc("run", "--once", "--json")
    assert first.code == 0, first.out
    assert {c[:2] for c in counts(first).values()} == {(3, 3)}
    again = counts(project.flowc("run", "--once", "--json"))
    assert {again[n] for n in ("keyed", "bare", "newest", "nocursor")} == {(2, 0, 0, 0, 2)}
    assert again["lagged"] == (3, 0, 0, 0, 3)
    # A tie, one that is late, one that is newer.
    source.run("INSERT INTO raw VALUES (4, '2026-01-02 00:00:00', 'd'), (5, '2026-01-01 00:00:00', 'e')")
    source.run("INSERT INTO raw VALUES (6, '2026-01-04 00:00:00.000001', 'f')")
    third = project.flowc("run", "--once", "--json")
    assert third.code == 0, third.out
    second = "2026-01-02 00:00:00"
    day = [(1, "2026-01-01 00:00:00", "a"), (2, second, "b"), (3, second, None), (4, second, "d")]
    late, new = (5, "2026-01-01 00:00:00", "e"), (6, "2026-01-04 00:00:00.000001", "f")
    assert store.rows("SELECT * FROM keyed") == [*day, new]
    assert store.rows("SELECT * FROM bare") == [*day, new]
    assert store.rows("SELECT * FROM lagged") == [*day, late, new]
    assert store.rows('SELECT * FROM "full"') == [(r[0], r[2]) for r in (*day, late, new)]
    assert store.rows("SELECT * FROM newest") == [*day, new]
    assert store.rows("SELECT * FROM nocursor") == [(r[0], r[2]) for r in (*day, new)]
    # Copies of a whole row count where there are no keys; of several rows for a key the newest counts.
    source.run("INSERT INTO raw VALUES (6, '2026-01-04 00:00:00.000001', 'f'), (6, '2026-01-05 00:00:00', 'g')")
    source.run("INSERT INTO raw VALUES (7, NULL, 'n')")
    project.flowc("run", "--once", "--json")
    assert store.rows("SELECT * FROM bare")[4:] == [new, new, (6, "2026-01-05 00:00:00", "g"), (7, None, "n")]
    assert store.rows("SELECT * FROM newest WHERE id = 6") == [(6, "2026-01-05 00:00:00", "g")]
    before = store.rows("SELECT * FROM bare")
    project.flowc("run", "--once", "--json")
    assert store.rows("SELECT * FROM bare") == before
    source.run("DELETE FROM raw")
    done = project.flowc("run", "--once", "--json")
    assert done.code == 1
    assert store.rows('SELECT count(*) FROM "full"') == [(9,)]
