"""What quality checks, several targets, `before` and `after` do to a load, on every engine."""

import pytest

pytestmark = pytest.mark.turns("store", 2)

CHECKS = [
    ("{ not_null: [v] }", 1, 1),
    ("{ not_null: [id, v], severity: warn }", 0, 1),
    ("{ not_null: [v], max_failures: 1 }", 0, 1),
    ("{ not_null: [v], max_failures: 25% }", 0, 1),
    ("{ not_null: [v], max_failures: 24.9% }", 1, 1),
    ("{ unique: [id] }", 1, 1),
    ("{ unique: [v] }", 0, 0),
    ("{ unique: [id, v] }", 0, 0),
    ('{ sql: "v > 1", name: "it\'s big" }', 1, 2),
    ('{ sql: "v > 1", name: big, severity: warn }', 0, 2),
    ('{ sql: "v > 0 OR v IS NULL", name: big }', 0, 0),
    ('{ sql: "id < 100 -- yes", name: big }', 0, 0),
    ('{ sql: "v > 0", name: "NULL is not true" }', 1, 1),
    ('{ sql: "v > 0 AND v IS NOT NULL", name: "false" }', 1, 1),
    ('{ sql: "NULL", name: never }', 1, 4),
    ('{ sql: "v > 0", name: some, max_failures: 1 }', 0, 1),
    ('{ sql: "v > 0", name: warned, severity: warn }', 0, 1),
    ('{ sql: "v IN (1, 3, 4, NULL)", name: listed }', 1, 1),
]
"""Each with the code of a run of it alone, and with how many rows fail it."""


def test_checks(project, store):
    """Each on a load of its own, all in one run."""
    spec = [f"connections: {{ w: {store.connection} }}", "tables:"]
    spec += [f"  t{n}: {{ connection: w, columns: {{ id: bigint, v: bigint }} }}" for n in range(len(CHECKS))]
    spec.append("pipelines:")
    for number, (expect, _, _) in enumerate(CHECKS):
        spec.append(f"  p{number}: {{ table: raw, to: t{number}, mode: append, expect: [{expect}] }}")
    project.write("specs/p.yaml", "\n".join(spec))
    with store.held():
        store.run("CREATE TABLE raw (id BIGINT, v BIGINT)", "INSERT INTO raw VALUES (1, 1), (2, NULL), (3, 3), (4, 4)")
        for n in range(len(CHECKS)):
            store.run(f"CREATE TABLE t{n} (id BIGINT, v BIGINT)", f"INSERT INTO t{n} VALUES (3, 33)")
    done = project.flowc("run", "--once", "--json")
    assert done.code == 1, done.out + done.err
    ran = {pipeline["name"]: pipeline["targets"][0] for pipeline in done.json["pipelines"]}
    for number, (expect, code, failures) in enumerate(CHECKS):
        target = ran[f"p{number}"]
        [found] = target["expects"]
        assert (target["status"], found["failed"]) == ("failed" if code else "ok", failures), (expect, found)
    with store.held():
        for number, (expect, code, _) in enumerate(CHECKS):
            assert store.rows(f"SELECT count(*) FROM t{number}") == [(1 if code else 5,)], expect
    for number in (0, 1, 3, 4):  # a failure, a warning, and within a bound and beyond
        assert project.flowc("run", f"p{number}", "--once").code == CHECKS[number][1]


FAN = """
connections: {{ w: {connection} }}
tables:
  clean:
    connection: w
    columns: {{ id: bigint primary key, name: {{ type: text, normalize: [trim, lower, empty_to_null] }} }}
  also: {{ connection: w, columns: {{ id: bigint primary key, name: {{ type: text, normalize: [upper] }} }} }}
  short: {{ connection: w, columns: {{ id: bigint, name: varchar(2) }} }}
pipelines:
  fan:
    sql: SELECT id, name FROM raw
    to: [clean, short, {{ table: also, mode: append }}, {{ connection: w, table: "made by it", mode: truncate }}]
    mode: merge
    keys: [id]
    before: ["INSERT INTO log VALUES ('before; it''s')"]
    after: ["INSERT INTO log SELECT 'after ' || count(*) FROM raw"]
  next: {{ sql: "SELECT id FROM clean", to: {{ connection: w, table: nxt }}, mode: truncate }}
"""


def test_each_target_has_its_own_verdict(project, store):
    fan = FAN.replace("'after ' || count(*)", "concat('after ', count(*))") if store.kind == "mysql" else FAN
    project.write("specs/p.yaml", fan.format(connection=store.connection))
    store.run("CREATE TABLE raw (id BIGINT, name TEXT)", "CREATE TABLE log (said TEXT)")
    store.run("INSERT INTO raw VALUES (1, ' Abc '), (2, '  ')")
    done = project.flowc("run", "--once", "--json")
    assert done.code == 1, done.err
    fan, after = done.json["pipelines"]
    assert [t["status"] for t in fan["targets"]] == ["ok", "failed", "ok", "ok"]
    assert (fan["status"], after["status"]) == ("failed", "skipped")
    assert store.rows("SELECT * FROM clean") == [(1, "abc"), (2, None)]
    assert store.rows("SELECT * FROM also") == [(1, " ABC "), (2, "  ")]
    assert store.rows('SELECT * FROM "made by it"') == [(1, " Abc "), (2, "  ")]
    assert store.rows("SELECT said FROM log WHERE said LIKE 'b%'") == [("before; it's",)] * 3
    assert len(store.rows("SELECT * FROM log")) == 6
