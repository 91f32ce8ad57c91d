"""SQLite's columns of times hold whatever text another program wrote: it is read, and moves no watermark."""

import pytest

from tests.stores import Store

SPEC = """
connections: {{ r: {source}, w: {target} }}
pipelines:
  p: {{ from: r, table: raw, to: {{ connection: w, table: d }}, mode: append, {keys} incremental: {{ column: c }} }}
"""
FIRST, NEXT = "2024-01-01", "2024-01-02"
ODD = ("2024-02-30", "2024-1-1", "10000-01-01 00:00:00", "soon", "", "2024-12-31 23:59:60")


def load(project, store, keys="keys: [id],"):
    project.write("specs/p.yaml", SPEC.format(source=store.connection, target=store.connection, keys=keys))
    done = project.flowc("run", "--once")
    assert done.code == 0, done.out + done.err
    return [row[0] for row in store.raw("SELECT id FROM d ORDER BY id")]


@pytest.mark.parametrize("keys", ["keys: [id],", ""])
@pytest.mark.parametrize("kind", ["TIMESTAMP", "DATE"])
def test_a_text_that_is_no_time(project, tmp_path, kind, keys):
    store = Store("sqlite", tmp_path)
    store.run(f"CREATE TABLE raw (id BIGINT, c {kind})", f"INSERT INTO raw VALUES (1, '{FIRST}')")
    for number, odd in enumerate(ODD):
        store.run(f"INSERT INTO raw VALUES ({10 + number}, '{odd}')")
    first = load(project, store, keys)
    assert first == [1, *range(10, 10 + len(ODD))]
    store.run("INSERT INTO raw SELECT id + 10, c FROM raw WHERE id >= 10", f"INSERT INTO raw VALUES (2, '{NEXT}')")
    after = load(project, store, keys)
    assert after == [1, 2, *range(10, 10 + len(ODD)), *range(20, 20 + len(ODD))]
    assert load(project, store, keys) == after
    assert str(store.raw("SELECT value FROM flowc_watermarks")[0][0]).startswith(NEXT)


def test_instants_without_a_zone_as_sqlite_itself_writes_them(project, tmp_path):
    store = Store("sqlite", tmp_path)
    store.run("CREATE TABLE raw (id BIGINT, c TIMESTAMPTZ)")
    for number in range(1, 4):
        store.run(f"INSERT INTO raw VALUES ({number}, datetime('2024-01-01', '+{number} days'))")
        assert load(project, store) == list(range(1, number + 1))


@pytest.mark.parametrize(
    ("kind", "own"), [("mysql", "TEXT"), ("mysql", "ENUM('new', 'done', 'active')"), ("sqlite", "TEXT")]
)
def test_an_enum_of_mysql_is_in_the_order_of_its_texts(project, tmp_path, mysql, kind, own):
    """Not in that of its declaration, in which MySQL sorts: elsewhere it is a text."""
    source, here = Store("mysql", tmp_path, mysql), kind == "mysql"
    target = source if here else Store("sqlite", tmp_path)
    source.run("CREATE TABLE raw (id BIGINT PRIMARY KEY, state ENUM('new', 'done', 'active'))")
    if here:
        target.run(f"CREATE TABLE d (id BIGINT, state {own})")
    spec = SPEC.replace("column: c", "column: state").format(
        source=source.connection, target=target.connection, keys="keys: [id],"
    )
    project.write("specs/p.yaml", spec)

    def loaded(*rows):
        for row in rows:
            source.run(f"INSERT INTO raw VALUES {row}")
        done = project.flowc("run", "--once")
        assert done.code == 0, done.out + done.err
        return [row[0] for row in target.raw("SELECT id FROM d ORDER BY id")]

    assert loaded((1, "active"), (2, "done")) == [1, 2]
    assert target.raw("SELECT value FROM flowc_watermarks") == [("done",)]
    assert loaded((3, "new"), (4, "done")) == [1, 2, 3, 4]
    assert target.raw("SELECT value FROM flowc_watermarks") == [("new",)]
    assert loaded((5, "active"), (6, "new")) == [1, 2, 3, 4, 6]
