"""Local times in a pipeline's `timezone`: an instant where the zone has it once, an error that shows it elsewhere.

MySQL knows zones by name only where somebody has loaded them, so inside of it only UTC has times that arrive.
"""

import pytest

from tests.stores import Store, counts

SPEC = """
connections: {{ a: {source}, b: {target} }}
tables: {{ t: {{ connection: b, columns: {{ n: integer, seen: timestamptz }} }} }}
pipelines: {{ t: {{ from: a, table: raw, to: t, mode: append, timezone: {zone} }} }}
"""
FINE = {
    "Europe/Berlin": {
        "2024-03-31 01:59:59": "2024-03-31 00:59:59", "2024-03-31 03:00:00": "2024-03-31 01:00:00",
        "2024-10-27 01:59:59": "2024-10-26 23:59:59", "2024-10-27 03:00:00": "2024-10-27 02:00:00",
        "2024-07-01 12:00:00": "2024-07-01 10:00:00",
    },
    "America/New_York": {"2024-03-10 03:00:00": "2024-03-10 07:00:00", "2024-11-03 00:59:59": "2024-11-03 04:59:59"},
    "Australia/Lord_Howe": {"2024-04-07 01:29:59": "2024-04-06 14:29:59", "2024-10-06 02:30:00": "2024-10-05 15:30:00"},
    "Asia/Kolkata": {"2024-03-31 02:30:00": "2024-03-30 21:00:00"},
    "UTC": {"2024-03-31 02:30:00": "2024-03-31 02:30:00"},
}  # fmt: skip
WRONG = [
    ("Europe/Berlin", "2024-03-31 02:30:00"),
    ("Europe/Berlin", "2024-03-31 02:00:00"),
    ("Europe/Berlin", "2024-10-27 02:00:00"),
    ("Europe/Berlin", "2024-10-27 02:59:59"),
    ("America/New_York", "2024-11-03 01:30:00"),
    ("Australia/Lord_Howe", "2024-04-07 01:45:00"),
    ("America/Sao_Paulo", "2018-11-04 00:00:00"),
]


def begin(project, source: Store, target: Store, zone: str, *times: str):
    project.write("specs/p.yaml", SPEC.format(source=source.connection, target=target.connection, zone=zone))
    rows = ", ".join(f"({n}, '{time}')" for n, time in enumerate(times))
    for store in {source, target}:
        store.run("DROP TABLE IF EXISTS raw", "DROP TABLE IF EXISTS t")
    source.run(f"CREATE TABLE raw (n INTEGER, seen {source.type('timestamp')})", f"INSERT INTO raw VALUES {rows}")


def both(store: Store, elsewhere: bool) -> tuple[Store, Store]:
    other = Store("duckdb" if store.kind == "sqlite" else "sqlite", store.folder, file="other")
    return (other if elsewhere else store), store


@pytest.mark.covering
@pytest.mark.parametrize("elsewhere", [False, True], ids=["same database", "another database"])
def test_local_times_become_instants(project, store, elsewhere):
    zones = ["UTC"] if store.kind == "mysql" and not elsewhere else FINE
    for zone in zones:
        times = FINE[zone]
        begin(project, *both(store, elsewhere), zone, *times)
        done = project.flowc("run", "--once", "--json")
        assert done.code == 0, (zone, done.out)
        assert counts(done) == {"t": (len(times), len(times), 0, 0, 0)}
        assert [seen for _, seen in store.rows("SELECT n, seen FROM t")] == list(times.values()), zone


@pytest.mark.covering
@pytest.mark.parametrize("elsewhere", [False, True], ids=["same database", "another database"])
def test_local_times_that_are_skipped_or_come_twice_are_errors(project, store, elsewhere):
    for zone, time in WRONG:
        begin(project, *both(store, elsewhere), zone, "2024-01-01 00:00:00", time)
        done = project.flowc("run", "--once")
        assert done.code == 1, (zone, time)
        assert "`seen`" in done.err, done.err
        assert time in done.err, done.err
        assert not created(store) or store.rows("SELECT count(*) FROM t") == [(0,)]


def created(store: Store) -> bool:
    tables = {"sqlite": "sqlite_master WHERE name = 't'", "duckdb": "duckdb_tables() WHERE table_name = 't'"}
    where = tables.get(store.kind, "information_schema.tables WHERE table_name = 't'")
    return store.rows(f"SELECT count(*) FROM {where}") == [(1,)]
