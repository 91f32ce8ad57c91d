"""Numbers in JSON keep all their digits when rows are compared, whatever the engine computes with."""

import pytest

from tests.stores import counts

SPEC = """
connections: {{ w: {connection} }}
tables:
  m: {{ connection: w, columns: {{ id: bigint primary key, doc: json }} }}
  h: {{ connection: w, columns: {{ id: bigint, doc: json }}, natural_key: [id] }}
pipelines:
  m: {{ sql: "SELECT id, doc FROM raw", to: m, mode: merge }}
  h: {{ sql: "SELECT id, doc FROM raw", to: h, mode: scd2 }}
"""
CHANGES = [
    ('{"n": 12345678901234567890}', '{"n": 12345678901234567891}'),
    ('{"n": 123456789012345678901}', '{"n": 123456789012345678902}'),
    ('{"n": [0.1]}', '{"n": [0.10000000000000001]}'),
    ('{"a": 9007199254740993, "b": "x"}', '{"a": 9007199254740992, "b": "x"}'),
]
SAME = [('{"a": 1, "b": [2, null]}', '{"b":[2,null],"a":1}'), ('{"a": "x"}', '{ "a": "x" }')]


@pytest.fixture
def compared(project, store):
    """How many rows of a table of JSON are written when each text becomes another one."""

    def made(pairs):
        project.write("specs/p.yaml", SPEC.format(connection=store.connection))
        store.run(f"CREATE TABLE raw (id BIGINT, doc {'JSON TEXT' if store.kind == 'sqlite' else 'JSON'})")
        found = []
        for side in (0, 1, 1):
            store.run("DELETE FROM raw")
            values = ", ".join(f"({i}, '{pair[side]}')" for i, pair in enumerate(pairs))
            store.run(f"INSERT INTO raw VALUES {values}")
            done = project.flowc("run", "--once", "--json")
            assert done.code == 0, done.out
            found.append(counts(done))
        return found[1:]

    return made


def test_a_digit_that_no_double_holds_is_a_change(compared):
    n = len(CHANGES)
    changed, again = compared(CHANGES)
    assert changed == {"m": (n, 0, n, 0, 0), "h": (n, n, n, 0, 0)}
    assert again == {"m": (n, 0, 0, 0, n), "h": (n, 0, 0, 0, n)}


def test_the_order_of_keys_and_blanks_is_none(compared):
    n = len(SAME)
    same, _ = compared(SAME)
    assert same == {"m": (n, 0, 0, 0, n), "h": (n, 0, 0, 0, n)}
