"""Values in columns of types that flowc has no word for: stored as they are, or refused, and stable on every run."""

import json

import pytest

from tests.stores import Store, counts

CASES = {
    "postgres": [
        ("CHAR(5)", ["ab", "abcde", ""], ["ab ", " ab  "]),
        ('"char"', ["a"], ["ab"]),
        ("BIT(3)", ["101"], ["1011", "10"]),
        ("BIT VARYING(3)", ["101", "1"], ["1011"]),
        ("MONEY", ["$1.50"], ["1.505"]),
        ("NAME", ["a" * 63], ["a" * 64]),
        ("NUMERIC(5,-2)", [1200], [1234], "bigint"),
        ("INET", ["10.0.0.1/32", "10.0.0.0/8"], []),
        ("CITEXT", ["bob", "Ann"], []),
    ],
    "mysql": [
        ("ENUM('a','b','3')", ["a", "3"], ["1", "A"]),
        ("SET('x','y')", ["x", "x,y", ""], ["y,x", "2"]),
        ("CHAR(5)", ["ab", "abcde", ""], ["ab "]),
        ("INET6", ["fe80::1"], []),
        ("YEAR", [1999, 2026], [70, 5], "smallint"),
        ("DOUBLE(6,2)", [1.5, 9999.99], [1.005], "double"),
        ("FLOAT(6,2)", [1.5], [1.125], "real"),
    ],
    "sqlite": [
        ("STRING", ["a", "0x1", ""], ["007", "1e3", "12", " 1 "]),
        ("NAME", ["a"], ["1.50"]),
        ("JSON", [{"a": 1}, 5, [12345678901234567890]], [12345678901234567890], "json"),
    ],
    "duckdb": [("ENUM('a','b')", ["a"], []), ("BIT", ["101"], [])],
}
PAIRS = [(kind, *case, *["text"][len(case) - 3 :]) for kind, cases in CASES.items() for case in cases]
SPEC = """
connections: {{ w: {connection}, a: {{ kind: files, uri: . }} }}
pipelines:
  keyed: {{ {source}, to: {{ connection: w, table: keyed }}, mode: merge, keys: [k] }}
  valued: {{ {source}, to: {{ connection: w, table: valued }}, mode: merge, keys: [i] }}
  added: {{ {source}, to: {{ connection: w, table: added }}, mode: truncate }}
"""


@pytest.fixture
def typed(request, tmp_path, project):
    """Three tables with a column `k` of a type, and a way to load values into it."""

    def made(kind, spelled, declared):
        store = Store(kind, tmp_path, request.getfixturevalue(kind) if kind in ("postgres", "mysql") else "")
        if spelled == "CITEXT":
            store.run("CREATE EXTENSION IF NOT EXISTS citext")
        for table, key in (("keyed", "k"), ("valued", "i"), ("added", None)):
            primary = f", PRIMARY KEY ({key})" if key else ""
            store.run(f"CREATE TABLE {table} (i BIGINT NOT NULL, k {spelled} NOT NULL{primary})")
        source = f"from: {{ connection: a, path: rows.jsonl, columns: {{ i: bigint, k: '{declared}' }} }}"
        project.write("specs/p.yaml", SPEC.format(connection=store.connection, source=source))

        def load(*values):
            lines = [json.dumps({"i": i, "k": value}) for i, value in enumerate(values)]
            (tmp_path / "rows.jsonl").write_text("\n".join(lines) + "\n")
            return project.flowc("run", "--once", "--json")

        return store, load

    return made


@pytest.mark.parametrize(
    ("kind", "spelled", "kept", "changed", "declared"), PAIRS, ids=[f"{p[0]}-{p[1]}" for p in PAIRS]
)
def test_values_stay_or_are_refused(typed, kind, spelled, kept, changed, declared):
    store, load = typed(kind, spelled, declared)
    n = len(kept)
    done = load(*kept)
    assert done.code == 0, done.out + done.err
    assert set(counts(done).values()) == {(n, n, 0, 0, 0)}
    again = counts(load(*kept))
    assert again["keyed"] == again["valued"] == (n, 0, 0, 0, n)
    before = [store.rows(f"SELECT * FROM {table}") for table in ("keyed", "valued", "added")]
    for value in changed:
        done = load(value)
        errors = [p["targets"][0]["error"]["code"] for p in done.json["pipelines"]]
        assert set(errors) <= {"value-does-not-fit", "value-refused"}, (value, done.out)
    assert [store.rows(f"SELECT * FROM {table}") for table in ("keyed", "valued", "added")] == before


BESIDE = [
    ("postgres", "INTERVAL", "INTERVAL(0)", "'1 mon 2 days 3 s'", "'1.5 s'"),
    ("postgres", "TEXT", "CHAR(5)", "'ab'", "'ab '"),
    ("postgres", "CHAR(5)", "CHAR(8)", "'ab'", None),
    ("postgres", "TEXT", "BIT(3)", "'101'", "'1011'"),
    ("postgres", "VARCHAR(3)[]", "CHAR(3)[]", "'{ab,abc}'", "'{ab,\"a \"}'"),
    ("mysql", "VARBINARY(9)", "BINARY(4)", "'abcd'", "'ab'"),
    ("mysql", "VARCHAR(9)", "ENUM('a','b')", "'a'", "'1'"),
    ("mysql", "INT", "YEAR", "2026", "70"),
    ("postgres", "BIGINT", "NUMERIC(5,-2)", "1200", "1234"),
    ("postgres", "TEXT", "NAME", "'ab'", "repeat('a', 64)"),
    ("sqlite", "TEXT", "STRING", "'a'", "'007'"),
    ("sqlite", "DECIMAL TEXT(20,2)", "DECIMAL(20,2)", "'1.50'", "'12345678901234567.91'"),
    ("sqlite", "JSON TEXT", "JSON", "'[1.0]'", "'12345678901234567890'"),
]


@pytest.mark.parametrize(("kind", "source", "spelled", "kept", "changed"), BESIDE)
def test_values_of_the_same_database_stay_or_are_refused(
    request, tmp_path, project, kind, source, spelled, kept, changed
):
    store = Store(kind, tmp_path, request.getfixturevalue(kind) if kind in ("postgres", "mysql") else "")
    project.write(
        "specs/p.yaml",
        SPEC.format(connection=store.connection, source="sql: 'SELECT i, k FROM raw', from: w"),
    )
    store.run(f"CREATE TABLE raw (i BIGINT, k {source})", f"INSERT INTO raw VALUES (1, {kept})")
    for table, key in (("keyed", "k"), ("valued", "i"), ("added", None)):
        primary = f", PRIMARY KEY ({key})" if key else ""
        store.run(f"CREATE TABLE {table} (i BIGINT NOT NULL, k {spelled} NOT NULL{primary})")
    for expected in ((1, 1, 0, 0, 0), (1, 0, 0, 0, 1)):
        done = project.flowc("run", "--once", "--json")
        assert done.code == 0, done.out + done.err
        assert counts(done)["keyed"] == counts(done)["valued"] == expected
    if changed is not None:
        store.run("DELETE FROM raw", f"INSERT INTO raw VALUES (1, {changed})")
        done = project.flowc("run", "--once", "--json")
        errors = [p["targets"][0]["error"]["code"] for p in done.json["pipelines"]]
        assert set(errors) == {"value-does-not-fit"}, done.out
        assert store.rows("SELECT count(*) FROM added") == [(1,)]


LONGER = [("TINYTEXT", mode) for mode in ("merge", "scd2", "append")] + [
    ("TINYBLOB", "truncate"), ("TINYTEXT CHARACTER SET latin1", "merge"),
]  # fmt: skip


@pytest.mark.parametrize("beside", [True, False])
@pytest.mark.parametrize(("spelled", "mode"), LONGER)
def test_a_value_longer_than_its_column_is_refused(tmp_path, project, mysql, spelled, mode, beside):
    """MariaDB itself keeps 44 of 300 bytes that come from a longer column."""
    store, lite = Store("mysql", tmp_path, mysql), Store("sqlite", tmp_path, file="away")
    source, long = (store if beside else lite), spelled.split()[0].removeprefix("TINY")
    source.run(f"CREATE TABLE raw (i BIGINT, k {'LONG' * beside}{long})")
    history = ", valid_from DATETIME(6), valid_to DATETIME(6), is_current BOOLEAN" if mode == "scd2" else ""
    store.run(f"CREATE TABLE t (i BIGINT NOT NULL, k {spelled}{history})")
    keys = ", keys: [i]" if mode in ("merge", "scd2") else ""
    project.write(
        "specs/p.yaml",
        f"connections: {{ w: {store.connection}, a: {lite.connection} }}\n"
        f"pipelines: {{ p: {{ from: {'w' if beside else 'a'}, table: raw, to: {{ connection: w, table: t }}, "
        f"mode: {mode}{keys} }} }}",
    )
    for size, code in ((255, 0), (300, 1)):
        given = f"X'{'61' * size}'" if long == "BLOB" else f"'{'a' * size}'"
        source.run("DELETE FROM raw", f"INSERT INTO raw VALUES (1, {given})")
        done = project.flowc("run", "--once")
        assert done.code == code, done.out + done.err
    assert "value-refused" in done.out + done.err
    assert store.rows("SELECT i, length(k) FROM t") == [(1, 255)]


READ = {
    "postgres": [
        ("CHAR(5)", "'ab'", "ab"),
        ('"char"', "'a'", "a"),
        ("BIT(3)", "B'101'", "101"),
        ("MONEY", "1", "$1.00"),
    ],
    "mysql": [
        ("ENUM('a','b')", "2", "b"),
        ("SET('x','y')", "3", "x,y"),
        ("CHAR(5)", "'ab'", "ab"),
        ("YEAR", "70", 1970),
    ],
}


@pytest.mark.parametrize(
    ("kind", "spelled", "given", "read"), [(kind, *case) for kind, cases in READ.items() for case in cases]
)
def test_what_is_read_of_such_types(request, tmp_path, project, kind, spelled, given, read):
    """Into the database itself, and into another one."""
    store, lite = Store(kind, tmp_path, request.getfixturevalue(kind)), Store("sqlite", tmp_path, file="away")
    project.write(
        "specs/p.yaml",
        f"""
connections: {{ w: {store.connection}, a: {{ kind: sqlite, path: away.sqlite }} }}
pipelines:
  here: {{ sql: "SELECT k FROM raw", from: w, to: {{ connection: w, table: t }}, mode: append }}
  away: {{ sql: "SELECT k FROM raw", from: w, to: {{ connection: a, table: t }}, mode: append }}
""",
    )
    store.run(f"CREATE TABLE raw (k {spelled})", f"INSERT INTO raw VALUES ({given})")
    done = project.flowc("run", "--once", "--json")
    assert done.code == 0, done.out + done.err
    assert store.rows("SELECT k FROM t") == lite.rows("SELECT k FROM t") == [(read,)]
