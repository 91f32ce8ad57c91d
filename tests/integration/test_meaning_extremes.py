"""Values at the edges of types: between any two databases they arrive as they are, or the load says which cannot."""

import pytest

from tests.stores import Store

REFUSED = "value-does-not-fit"
MICRO, NANO = "2024-01-01 00:00:00.000001", "2024-01-01 00:00:00.000000001"
BYTES = "['\\x00\\xFF'::BLOB, NULL, ''::BLOB]"
EXTREMES = [
    # source, its type, the value there, and what the target then holds: on DuckDB, PostgreSQL, SQLite
    ("duckdb", "UBIGINT", "18446744073709551615", 2**64 - 1, 2**64 - 1, "18446744073709551615"),
    ("duckdb", "HUGEINT", "'-170141183460469231731687303715884105728'", -(2**127), -(2**127), str(-(2**127))),
    ("duckdb", "TIME", "'24:00:00'", "24:00:00", "24:00:00", REFUSED),
    ("duckdb", "TIMESTAMP", "'infinity'", "infinity", REFUSED, REFUSED),
    ("duckdb", "TIMESTAMP", "'-infinity'", "-infinity", REFUSED, REFUSED),
    ("duckdb", "TIMESTAMPTZ", "'infinity'", "infinity", REFUSED, REFUSED),
    ("duckdb", "TIMESTAMP_NS", f"'{MICRO}'", MICRO, MICRO, MICRO + "000"),
    ("duckdb", "TIMESTAMP_NS", f"'{NANO}'", NANO, REFUSED, NANO),
    ("duckdb", "BLOB[]", BYTES, "['\\\\x00\\\\xFF', NULL, '']", '{"\\\\x00ff",NULL,"\\\\x"}', '["00ff",null,""]'),
    ("postgres", "numeric", "'NaN'", REFUSED, "NaN", REFUSED),
    ("postgres", "numeric", "'-Infinity'", REFUSED, "-Infinity", REFUSED),
    ("postgres", "numeric", "1e50", REFUSED, "1" + 50 * "0", "1" + 50 * "0"),
    ("postgres", "timestamptz", "'infinity'", REFUSED, "infinity", REFUSED),
    ("postgres", "float8", "'NaN'", "nan", "NaN", REFUSED),
    ("postgres", "float4", "0.1", "0.1", "0.1", "0.10000000149011612"),
    ("sqlite", "DECIMAL TEXT", f"'{'9' * 50}.5'", REFUSED, "9" * 50 + ".5", "9" * 50 + ".5"),
    ("sqlite", "REAL", "0.1", "0.1", "0.1", "0.1"),
    ("sqlite", "TEXT", "'a' || char(0)", "a\0", "value-refused", "a\0"),
]  # fmt: skip
TARGETS = ("duckdb", "postgres", "sqlite")


@pytest.mark.parametrize("target", TARGETS)
def test_values_at_the_edges(project, postgres, target):
    stores = {kind: Store(kind, project.path, postgres, file="source") for kind in TARGETS}
    goal = Store(target, project.path, postgres, file="goal")
    spec = [f"  {kind}: {store.connection}" for kind, store in stores.items()]
    spec = ["connections:", *spec, f"  goal: {goal.connection}", "pipelines:"]
    for i, (kind, type_, value, *_) in enumerate(EXTREMES):
        value = value if kind == "sqlite" else f"CAST({value} AS {type_})"
        stores[kind].run(f"CREATE TABLE s{i} (c {type_})", f"INSERT INTO s{i} SELECT {value}")
        spec.append(f"  p{i}: {{ from: {kind}, table: s{i}, to: {{ connection: goal, table: d{i} }} }}")
    project.write("specs/p.yaml", "\n".join(spec))
    done = project.flowc("run", "--once", "--json")
    assert done.out, done.err
    errors = {run["name"]: run["targets"][0]["error"] for run in done.json["pipelines"]}
    shown = {"duckdb": "CAST(c AS VARCHAR)", "postgres": "CAST(c AS TEXT)", "sqlite": "c"}[target]
    for i, (*source, at_duckdb, at_postgres, at_sqlite) in enumerate(EXTREMES):
        wanted = {"duckdb": at_duckdb, "postgres": at_postgres, "sqlite": at_sqlite}[target]
        error = errors[f"p{i}"]
        found = error["code"] if error else goal.raw(f"SELECT {shown} FROM d{i}")[0][0]
        assert str(found) == str(wanted), source
