"""Rows without keys at the boundary of an incremental load: one is there already when all of its values are."""

import math
import struct

import pytest

from tests.stores import KINDS, Store, address, counts

NEXT = repr(math.nextafter(0.1, 1))
SINGLE = repr(struct.unpack("f", struct.pack("I", struct.unpack("I", struct.pack("f", 0.1))[0] + 1))[0])
EVERYWHERE = {
    "double": ("DOUBLE PRECISION", "0.1", NEXT),
    "zero": ("DOUBLE PRECISION", "0.0", None),
    "numeric": ("NUMERIC(30,10)", "12345678901234567890.1234567891", "12345678901234567890.1234567892"),
    "time": ("TIMESTAMP", "'2026-01-01 00:00:00.000001'", "'2026-01-01 00:00:00.000002'"),
}
OWN = {
    "sqlite": {
        "numeric": ("NUMERIC(10,2)", "9.01", "9.02"),  # a longer one SQLite itself would round
        "blob": ("BLOB", "x'61'", "x'6100'"),
        "long": ('"DECIMAL TEXT(30,10)"', "'12345678901234567890.1234567891'", "'12345678901234567890.1234567892'"),
    },
    "duckdb": {
        "real": ("REAL", "0.1", SINGLE),
        "nan": ("DOUBLE", "'nan'", "1"),
        "fine": ("TIMESTAMP_NS", "'2026-01-01 00:00:00.000000001'", "'2026-01-01 00:00:00.000000002'"),
        "infinite": ("TIMESTAMPTZ", "NULL", "'infinity'"),
        "texts": ("VARCHAR[]", "['a, b']", "['a', 'b']"),
        "blob": ("BLOB", "'a'", r"'a\x00'"),
    },
    "postgres": {
        "real": ("REAL", "0.1", SINGLE),
        "infinite": ("TIMESTAMPTZ", "NULL", "'infinity'"),
        "texts": ("TEXT[]", "ARRAY['a,b']", "ARRAY['a', 'b']"),
        "doubles": ("DOUBLE PRECISION[]", "ARRAY[0.1]", f"ARRAY[{NEXT}]"),
        "blob": ("BYTEA", "'a'", r"'a\000'"),
    },
    "mysql": {
        "real": ("FLOAT", "1234567", "1234568"),
        "blob": ("VARBINARY(5)", "'a'", r"'a\0'"),
        "long": ("LONGBLOB", "repeat('x', 9000000)", "repeat('y', 9000000)"),  # MariaDB's hex() of it is NULL
        "texts": ("LONGTEXT", "repeat('x', 2000)", "concat(repeat('x', 1999), 'y')"),
        "shorter": ("LONGTEXT", "repeat('x', 1001)", "repeat('x', 1000)"),
        "wide": ("BIGINT UNSIGNED", "18446744073709551615", "18446744073709551614"),
    },
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_values_that_differ_at_their_end_are_two(project, kind, request):
    store = Store(kind, project.path, address(request, kind))
    if kind == "postgres":
        store.run(f"ALTER DATABASE {store.rows('SELECT current_database()')[0][0]} SET extra_float_digits = -15")
    cases = {**EVERYWHERE, **OWN[kind]}
    spec = [f"connections: {{ w: {store.connection} }}", "pipelines:"]
    for name, (type_, value, _) in cases.items():
        spelled = store.type("timestamp") if type_ == "TIMESTAMP" else type_
        store.run(f"CREATE TABLE s_{name} (n BIGINT, v {spelled})", f"CREATE TABLE d_{name} (n BIGINT, v {spelled})")
        store.run(f"INSERT INTO s_{name} VALUES (1, {value})")
        spec.append(f"  {name}: {{ from: w, table: s_{name}, to: {{ connection: w, table: d_{name} }}, mode: append, ")
        spec.append("    incremental: { column: n } }")
    project.write("specs/p.yaml", "\n".join(spec))
    first = project.flowc("run", "--once", "--json")
    assert first.code == 0, first.out + first.err
    assert {c[1] for c in counts(first).values()} == {1}
    for name, (_, _, other) in cases.items():
        store.run(f"UPDATE s_{name} SET v = {other or '-0e0'}")
    second = project.flowc("run", "--once", "--json")
    assert second.code == 0, second.out + second.err
    assert {name: c[1] for name, c in counts(second).items()} == {n: int(c[2] is not None) for n, c in cases.items()}


def test_a_long_text_in_another_character_set_is_the_same(project, mysql):
    store, text = Store("mysql", project.path, mysql), f"repeat('{chr(228)}', 2000)"
    store.run("CREATE TABLE s (n BIGINT, v LONGTEXT)", "CREATE TABLE d (n BIGINT, v LONGTEXT CHARACTER SET latin1)")
    store.run(f"INSERT INTO s VALUES (1, {text})")
    spec = "mode: append, incremental: { column: n } } }"
    project.write("specs/p.yaml", f"connections: {{ w: {store.connection} }}\n"
                  f"pipelines: {{ p: {{ from: w, table: s, to: {{ connection: w, table: d }}, {spec}")  # fmt: skip
    for _ in range(2):
        done = project.flowc("run", "--once")
        assert done.code == 0, done.out + done.err
    assert store.rows("SELECT count(*) FROM d") == [(1,)]
