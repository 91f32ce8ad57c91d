"""What `merge` and `deletes` do to rows, on every engine, through the command line."""

from tests.stores import counts

SPEC = """
connections: {{ w: {connection} }}
tables:
  all: {{ connection: w, columns: {{ id: bigint primary key, name: text, note: text }} }}
  named: {{ connection: w, columns: {{ id: bigint primary key, name: text, note: text }} }}
  soft: {{ connection: w, columns: {{ id: bigint primary key, name: text, note: text, deleted_at: timestamptz }} }}
  flag: {{ connection: w, columns: {{ id: bigint primary key, name: text, note: text, gone: boolean }} }}
  hard: {{ connection: w, columns: {{ id: bigint primary key, name: text, note: text }} }}
pipelines:
  all: {{ sql: "SELECT id, name, note FROM raw", to: all, mode: merge }}
  named: {{ sql: "SELECT id, name, note FROM raw", to: named, mode: merge, compare: [name] }}
  soft: {{ sql: "SELECT id, name, note FROM raw", to: soft, mode: merge, deletes: soft }}
  flag: {{ sql: "SELECT id, name, note FROM raw", to: flag, mode: merge, deletes: soft, soft_delete_column: gone }}
  hard: {{ sql: "SELECT id, name, note FROM raw", to: hard, mode: merge, deletes: hard }}
"""


def test_merge_day_by_day(project, store):
    project.write("specs/p.yaml", SPEC.format(connection=store.connection))
    store.run("CREATE TABLE raw (id BIGINT, name TEXT, note TEXT)")
    store.run("INSERT INTO raw VALUES (1, 'a', 'x'), (2, NULL, 'x'), (3, 'c', NULL), (4, '', 'x')")
    done = project.flowc("run", "--once", "--json")
    first = counts(done)
    assert set(first.values()) == {(4, 4, 0, 0, 0)}
    assert set(counts(project.flowc("run", "--once", "--json")).values()) == {(4, 0, 0, 0, 4)}

    store.run("UPDATE raw SET note = 'y' WHERE id = 1", "UPDATE raw SET name = 'b' WHERE id = 2")
    store.run("UPDATE raw SET name = NULL WHERE id = 4", "DELETE FROM raw WHERE id = 3")
    second = counts(project.flowc("run", "--once", "--json"))
    assert second["all"] == (3, 0, 3, 0, 0)
    assert second["named"] == (3, 0, 2, 0, 1)
    assert second["soft"] == (3, 0, 3, 1, 0)
    assert second["flag"] == (3, 0, 3, 1, 0)
    assert second["hard"] == (3, 0, 3, 1, 0)
    new = [(1, "a", "y"), (2, "b", "x"), (3, "c", None), (4, None, "x")]
    assert store.rows('SELECT * FROM "all"') == new
    assert store.rows("SELECT * FROM named") == [(1, "a", "x"), *new[1:]]
    assert store.rows("SELECT id, name, note, deleted_at IS NOT NULL FROM soft") == [(*r, int(r[0] == 3)) for r in new]
    assert store.rows("SELECT id, name, note, coalesce(gone, false) FROM flag") == [(*r, int(r[0] == 3)) for r in new]
    assert store.rows("SELECT * FROM hard") == [r for r in new if r[0] != 3]
    marked = store.rows("SELECT deleted_at FROM soft WHERE id = 3")
    assert set(counts(project.flowc("run", "--once", "--json")).values()) == {(3, 0, 0, 0, 3)}
    assert store.rows("SELECT deleted_at FROM soft WHERE id = 3") == marked

    store.run("INSERT INTO raw VALUES (3, 'c', NULL)")
    third = counts(project.flowc("run", "--once", "--json"))
    assert third["soft"] == (4, 0, 1, 0, 3)
    assert third["flag"] == (4, 0, 1, 0, 3)
    assert third["hard"] == (4, 1, 0, 0, 3)
    assert store.rows("SELECT count(*) FROM soft WHERE deleted_at IS NOT NULL") == [(0,)]
    assert store.rows("SELECT id FROM flag WHERE gone") == []

    store.run("DELETE FROM raw")
    done = project.flowc("run", "--once", "--json")
    assert done.code == 1
    assert store.rows("SELECT * FROM hard") == new
    assert store.rows("SELECT count(*) FROM soft WHERE deleted_at IS NOT NULL") == [(0,)]

    store.run("INSERT INTO raw VALUES (1, 'a', 'y'), (NULL, 'n', 'n')")
    done = project.flowc("run", "--once", "--json")
    assert done.code == 1
    assert "null-key" in done.out
    assert store.rows("SELECT * FROM hard") == new
