"""Values that are past all others, or are no numbers: they are loaded, and no watermark comes of them."""

import pytest

from tests.stores import Store, address, counts

COLUMNS = {
    # type, the values that can be a watermark in order, and those that cannot
    "double": ("DOUBLE PRECISION", ("1.5", "2.5", "3.5"), ("NaN", "Infinity", "-Infinity")),
    "real": ("REAL", ("0.7", "0.8", "0.9"), ("NaN", "Infinity", "-Infinity")),
    "date": ("DATE", ("2026-01-01", "2026-01-02", "2026-01-03"), ("infinity", "-infinity", "10000-01-01")),
    "timestamp": ("TIMESTAMP", ("2026-01-01", "2026-01-02", "2026-01-03"), ("infinity", "-infinity", "10000-01-01")),
    "timestamptz": (
        "TIMESTAMPTZ", ("2026-01-01 00:00:00+00", "2026-01-02 00:00:00+00", "2026-01-03 00:00:00+00"),
        ("infinity", "-infinity", "10000-01-01 00:00:00+00"),
    ),
    "numeric": ("NUMERIC", ("9.5", "10.25", "10.250"), ("NaN",)),
}  # fmt: skip


@pytest.fixture(params=["duckdb", "postgres"])
def database(request, project):
    return Store(request.param, project.path, address(request, request.param))


def columns(database):
    return {n: c for n, c in COLUMNS.items() if (database.kind, n) != ("duckdb", "numeric")}


def add(database, name, first, values):
    rows = ", ".join(f"({first + i}, '{value}')" for i, value in enumerate(values))
    database.run(f"INSERT INTO s_{name} VALUES {rows}")


@pytest.mark.covering
@pytest.mark.parametrize("keys", ["keys: [id], ", ""])
def test_later_rows_come_after_them(project, database, keys):
    spec = [f"connections: {{ w: {database.connection} }}", "pipelines:"]
    for name, (kind, (first, *_), odd) in columns(database).items():
        spec.append(f"  {name}: {{ from: w, table: s_{name}, to: {{ connection: w, table: d_{name} }}, mode: append, ")
        spec.append(f"    {keys}incremental: {{ column: c }} }}")
        database.run(f"CREATE TABLE s_{name} (id BIGINT, c {kind})")
        add(database, name, 0, [first, *odd])
    project.write("specs/p.yaml", "\n".join(spec))
    for slice_ in (0, 1, 2):
        done = project.flowc("run", "--once", "--json")
        assert done.code == 0, done.out + done.err
        for name, (_, values, odd) in columns(database).items():
            assert counts(done)[name][1] == (1 if slice_ else 1 + len(odd)), name
            if slice_ < 2:
                add(database, name, 100 + slice_, [values[slice_ + 1]])


def test_nothing_but_such_values_leaves_no_watermark(project, database):
    database.run("CREATE TABLE s (id BIGINT, c DOUBLE PRECISION)", "INSERT INTO s VALUES (1, 'NaN'), (2, 'Infinity')")
    spec = f"connections: {{ w: {database.connection} }}\npipelines:\n  p: {{ from: w, table: s, "
    spec += "to: { connection: w, table: d }, mode: append, incremental: { column: c } }"
    project.write("specs/p.yaml", spec)
    for expected in ((2, 2, 0, 0, 0), (2, 0, 0, 0, 2)):
        done = project.flowc("run", "--once", "--json")
        assert done.code == 0, done.out + done.err
        assert counts(done)["p"] == expected
    assert database.rows("SELECT value FROM flowc.watermarks") == []
    # One that somebody has stored is not read on from.
    database.run(f"INSERT INTO flowc.watermarks VALUES ('{project.path.name}', 'p', 'w.d', 'c', 'NaN', '2026-01-01')")
    done = project.flowc("run", "--once", "--json")
    assert done.code == 1
    assert "unreadable-watermark" in done.out
