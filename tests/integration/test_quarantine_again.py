"""Bad rows that a load which reads on finds again: where it has keys and a cursor, they are told by these."""

from __future__ import annotations

import json

import pytest

from tests.integration.test_quarantine import kept, ran

pytestmark = pytest.mark.turns("store", 2)

KEYED = """
connections: {{ w: {connection} }}
pipelines:
  p:
    {read}
    to: {{ connection: w, table: t }}
    mode: {mode}
    keys: [id]
    incremental: {{ column: day }}
    expect: [{{ name: low, sql: "v < 10", severity: quarantine, max_failures: 50% }}]
"""
TIMED = "from: w\n    sql: SELECT id, day, v, {now} AS loaded_at FROM src"


def write(project, store, mode, read="table: src"):
    project.write("specs/p.yaml", KEYED.format(connection=store.connection, mode=mode, read=read))
    store.run("CREATE TABLE src (id BIGINT, day BIGINT, v BIGINT)", "INSERT INTO src VALUES (1, 5, 1), (2, 5, 99)")


def bad(project):
    """How many rows a run finds bad, which fails where they are too many."""
    target = ran(project)
    assert target["error"] is None
    return target["counts"]["bad"]


@pytest.mark.covering
@pytest.mark.parametrize("mode", ["append", "merge"])
def test_what_differs_in_other_columns_is_judged_once(project, store, mode):
    """A time of its own in each run, and a column that is new."""
    now = "CURRENT_TIMESTAMP(6)" if store.kind == "mysql" else "CURRENT_TIMESTAMP"
    now = "strftime('%Y-%m-%d %H:%M:%f')" if store.kind == "sqlite" else now
    write(project, store, mode, TIMED.format(now=now))
    assert [bad(project) for _ in range(3)] == [1, 0, 0]
    [row] = [json.loads(row[5]) for row in kept(store)]
    assert list(row) == ["id", "day", "v", "loaded_at"]
    project.write("specs/p.yaml", KEYED.format(connection=store.connection, mode=mode, read="table: src"))
    store.run("ALTER TABLE src ADD COLUMN z BIGINT", "ALTER TABLE t ADD COLUMN z BIGINT", "UPDATE src SET v = v + 1")
    assert bad(project) == 0
    # Of another key or another cursor, it is another row.
    store.run("INSERT INTO src VALUES (3, 5, 88, 0), (2, 6, 77, 0), (4, 6, 1, 0), (5, 6, 2, 0)")
    assert [bad(project) for _ in range(2)] == [2, 0]
    assert [(row["id"], row["day"], row["v"]) for row in (json.loads(row[5]) for row in kept(store))] == [
        (2, 5, 99), (2, 6, 77), (3, 5, 88),
    ]  # fmt: skip


def test_rows_without_their_key_are_told_by_all_they_hold(project, store):
    write(project, store, "append")
    store.run("INSERT INTO src VALUES (NULL, 5, 99)", "INSERT INTO src VALUES (3, 5, 2), (4, 5, 3)")
    assert [bad(project) for _ in range(2)] == [2, 0]
    store.run("INSERT INTO src VALUES (NULL, 5, 98), (5, 5, 3)")
    assert [bad(project) for _ in range(2)] == [1, 0]
    assert len(kept(store)) == 3


@pytest.mark.covering
@pytest.mark.parametrize(("reads_on", "counted"), [(True, [2, 0, 1, 0]), (False, [2, 2, 3, 3])])
def test_copies_of_a_bad_row_are_counted_as_those_of_good_ones(project, store, reads_on, counted):
    """Without keys, as many are kept as there are."""
    spec = KEYED.replace("    keys: [id]\n", "").replace("50%", "90%")
    spec = spec if reads_on else spec.replace("    incremental: {{ column: day }}\n", "")
    project.write("specs/p.yaml", spec.format(connection=store.connection, mode="append", read="table: src"))
    store.run("CREATE TABLE src (day BIGINT, v BIGINT)", "INSERT INTO src VALUES (5, 1), (5, 99), (5, 99)")
    found = [bad(project), bad(project)]
    store.run("INSERT INTO src VALUES (5, 99), (5, 1)")
    assert [*found, bad(project), bad(project)] == counted
    assert len(kept(store)) == 3


ALIKE = """
connections: {{ w: {connection} }}
pipelines:
  p: {p}
  P: {p}
"""
P = """{ table: src, to: { connection: w, table: T }, mode: truncate, quarantine: { table: bad },
    expect: [{ name: low, sql: "v < 10", severity: quarantine }] }"""


@pytest.mark.parametrize("store", ["mysql"], indirect=True)
def test_names_that_differ_in_case_are_two_in_a_table_that_holds_them_equal(project, store):
    project.write("specs/p.yaml", ALIKE.format(connection=store.connection, p=P))
    texts = ", ".join(f"{name} TEXT" for name in ("file", "error_code", "error", "row_text"))
    store.run(f"CREATE TABLE bad (pipeline VARCHAR(99), line BIGINT, {texts}) COLLATE utf8mb4_general_ci")
    store.run("CREATE TABLE src (id BIGINT, v BIGINT)", "INSERT INTO src VALUES (1, 1), (2, 99)")
    for name in ("p", "P", "P", "p"):
        assert project.flowc("run", name, "--once").code == 0
    assert sorted(row[0].rpartition("/")[2] for row in kept(store, "bad")) == ["P", "p"]


def test_tabs_tell_no_rows_apart(project, store):
    """One stands behind keys and cursor, and nowhere else: not in texts, names and documents either."""
    keyless = KEYED.replace("    keys: [id]\n", "")
    keyless = keyless.format(connection=store.connection, mode="append", read="table: src")
    project.write("specs/p.yaml", keyless)
    store.run("CREATE TABLE src (day BIGINT, v BIGINT, s VARCHAR(9), j JSON)")
    rows = ("5, 99, 'a\tb', NULL", "5, 99, NULL, '[1,\t2]'", "5, 1, NULL, NULL", "5, 2, NULL, NULL")
    store.run(*(f"INSERT INTO src VALUES ({row})" for row in rows))
    assert [bad(project) for _ in range(2)] == [2, 0]
    store.run(*(f"INSERT INTO src VALUES ({row})" for row in ("5, 99, 'a\tc', NULL", "5, 99, NULL, '[1,\t3]'")))
    store.run("INSERT INTO src VALUES (6, 1, NULL, NULL), (6, 2, NULL, NULL)")
    assert [bad(project) for _ in range(2)] == [2, 0]
    found = [json.loads(row[5]) for row in kept(store)]
    assert sorted(row["s"] for row in found if row["s"]) == ["a\tb", "a\tc"]
    assert sorted(row["j"] for row in found if row["j"]) == [[1, 2], [1, 3]]
