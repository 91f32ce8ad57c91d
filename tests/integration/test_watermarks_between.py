"""Watermarks between two systems: whatever the cursor, rows at the boundary and late ones arrive once and only once."""

import csv

import pytest

from tests.stores import Store, address, counts

CURSORS = {
    # type, lag, then values: before `start`, `start` itself, the greatest of the first run, late but within the lag,
    # too late, and later
    "bigint": ("bigint", "5s", "9", "10", "100", "96", "94", "101"),
    "date": ("date", "2d", "2024-02-26", "2024-02-27", "2024-03-01", "2024-02-28", "2024-02-27", "2024-03-02"),
    "timestamptz": (
        "timestamptz", "1h", "2024-03-31 00:00:00+00:00", "2024-03-31 00:00:00.000001+00:00",
        "2024-03-31 02:30:00.000001+00:00", "2024-03-31 01:30:00.000001+00:00", "2024-03-31 01:30:00+00:00",
        "2024-03-31 04:30:00.000002+02:00",
    ),
    "text": ("text", None, "A'0", "B", "b", "b", "a", "bb"),
}  # fmt: skip
CURSORS["without_keys"] = CURSORS["timestamptz"]
WAYS = {
    "sqlite to duckdb": ("sqlite", "duckdb"),
    "duckdb to postgres": ("duckdb", "postgres"),
    "postgres to sqlite": ("postgres", "sqlite"),
    "files to duckdb": ("files", "duckdb"),
}
PIPELINE = """  {name}:
    from: {origin}
    to: t_{name}
    mode: append
    {keys}
    incremental: {{ column: c, start: "{start}"{lag} }}
"""


class Folder:
    """CSV files that grow, as a source."""

    connection = "{ kind: files, uri: ., format: csv }"

    def __init__(self, folder):
        self.folder = folder

    def make(self, name, kind):
        self.kind = kind
        self.add(name, [("id", "c")])

    def add(self, name, rows):
        with (self.folder / f"s_{name}.csv").open("a", newline="") as file:
            csv.writer(file).writerows(rows)

    def origin(self, name, kind):
        return f"{{ connection: a, path: s_{name}.csv, columns: {{ id: bigint, c: {kind} }} }}"


class Tables(Folder):
    """Tables of a database, as a source."""

    def __init__(self, store):
        self.store, self.connection = store, store.connection

    def make(self, name, kind):
        self.store.run(f"CREATE TABLE s_{name} (id BIGINT, c {kind})")

    def add(self, name, rows):
        texts = ["({}, '{}')".format(n, c.replace("'", "''")) for n, c in rows]
        self.store.run(f"INSERT INTO s_{name} VALUES " + ", ".join(texts))

    def origin(self, name, kind):
        return f"a\n    table: s_{name}"


@pytest.fixture(params=WAYS)
def way(request, tmp_path):
    origin, kind = WAYS[request.param]
    store = Store(kind, tmp_path, address(request, kind))
    if kind == "postgres":
        store.run(f"ALTER DATABASE {store.rows('SELECT current_database()')[0][0]} SET timezone = 'America/New_York'")
    if origin == "files":
        return Folder(tmp_path), store
    return Tables(Store(origin, tmp_path, address(request, origin), file="origin")), store


def spec(source, store):
    columns = "{{ id: bigint not null, c: {} }}"
    lines = [f"connections: {{ a: {source.connection}, b: {store.connection} }}", "tables:"]
    lines += [f"  t_{name}: {{ connection: b, columns: {columns.format(c[0])} }}" for name, c in CURSORS.items()]
    loads = [
        PIPELINE.format(
            name=name, origin=source.origin(name, kind), start=start,
            lag=f", lag: {lag}" if lag else "", keys="" if name == "without_keys" else "keys: [id]",
        )
        for name, (kind, lag, _, start, *_) in CURSORS.items()
    ]  # fmt: skip
    return "\n".join([*lines, "pipelines:", *loads])


def test_no_row_is_lost_and_none_comes_twice(project, way):
    source, store = way
    project.env = {"TZ": "Asia/Kolkata"}
    project.write("specs/p.yaml", spec(source, store))

    def run():
        done = project.flowc("run", "--once", "--json")
        assert done.code == 0, done.out + done.err
        return {name: row[1] for name, row in counts(done).items()}

    def ids(name):
        return [row[0] for row in store.rows(f"SELECT id FROM t_{name}")]

    for name, (kind, _, before, start, greatest, *_) in CURSORS.items():
        source.make(name, kind)
        source.add(name, [(1, before), (2, start), (3, greatest), (4, greatest)])
    assert run() == dict.fromkeys(CURSORS, 3)
    for name, (_, _, before, _, greatest, late, too_late, later) in CURSORS.items():
        source.add(name, [(5, greatest), (6, late), (7, too_late), (8, later), (9, later), (10, before)])
    assert run() == dict.fromkeys(CURSORS, 4)
    for name, (*_, later) in CURSORS.items():
        assert ids(name) == [2, 3, 4, 5, 6, 8, 9]
        source.add(name, [(11, later)])
    assert run() == dict.fromkeys(CURSORS, 1)
    assert run() == dict.fromkeys(CURSORS, 0)
    assert all(ids(name) == [2, 3, 4, 5, 6, 8, 9, 11] for name in CURSORS)
