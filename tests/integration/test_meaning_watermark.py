"""Where incremental loads go on: by numbers and days, never backwards, never past another load."""

import pytest

from flowc.service.loads import run as loads
from tests.stores import counts

pytestmark = pytest.mark.turns("store", 2)

SPEC = """
connections: {{ w: {connection} }}
tables:
  numbers: {{ connection: w, columns: {{ id: bigint primary key, n: bigint, d: date }} }}
  days: {{ connection: w, columns: {{ id: bigint primary key, n: bigint, d: date }} }}
pipelines:
  numbers: {{ table: raw, to: numbers, mode: append, incremental: {{ column: {cursor}, lag: 2s, start: 5 }} }}
  days: {{ table: raw, to: days, mode: append, incremental: {{ column: d, lag: 2d }} }}
"""


@pytest.fixture
def send(project, store):
    """Adds rows to the source, each the id, the number and the day in one, and runs; the new ids of each table."""
    project.write("specs/p.yaml", SPEC.format(connection=store.connection, cursor="n"))
    store.run("CREATE TABLE raw (id BIGINT, n BIGINT, d DATE)")

    def sent(*numbers):
        before = {t: store.rows(f"SELECT id FROM {t}") if held else [] for t, held in sent.tables.items()}
        for n in numbers:
            store.run(f"INSERT INTO raw VALUES ({n}, {n}, '2026-01-{n:02}')")
        done = project.flowc("run", "--once", "--json")
        assert done.code == 0, done.out + done.err
        sent.tables = dict.fromkeys(sent.tables, True)
        return {t: [r[0] for r in store.rows(f"SELECT id FROM {t}") if r not in before[t]] for t in sent.tables}

    sent.tables = {"numbers": False, "days": False}
    return sent


def stored(store):
    state = "flowc_watermarks" if store.kind in ("sqlite", "mysql") else "flowc.watermarks"
    return dict(store.rows(f"SELECT pipeline_name, value FROM {state}"))


def test_numbers_and_days_go_on_as_what_they_are(send, store):
    assert send(4, 5) == {"numbers": [5], "days": [4, 5]}  # `start` is where reading starts, whatever the lag
    assert send(9) == {"numbers": [9], "days": [9]}
    assert send(10) == {"numbers": [10], "days": [10]}
    assert stored(store) == {"numbers": "10", "days": "2026-01-10"}
    assert send(7) == {"numbers": [], "days": []}
    assert send(8) == {"numbers": [8], "days": [8]}
    assert send(11) == {"numbers": [11], "days": [11]}
    assert stored(store) == {"numbers": "11", "days": "2026-01-11"}


def test_a_watermark_never_goes_back(send, store):
    send(5, 10)
    store.run("DELETE FROM raw WHERE id = 10")
    assert send(9) == {"numbers": [9], "days": [9]}
    assert stored(store) == {"numbers": "10", "days": "2026-01-10"}
    store.run("DELETE FROM raw")
    assert send() == {"numbers": [], "days": []}
    assert stored(store) == {"numbers": "10", "days": "2026-01-10"}


def test_another_cursor_begins_anew(send, project, store):
    send(5, 20)
    spec = SPEC.replace("lag: 2s, start: 5", "lag: 0s").format(connection=store.connection, cursor="id")
    project.write("specs/p.yaml", spec)
    store.run("UPDATE raw SET id = 15, n = 3 WHERE id = 20")
    assert send() == {"numbers": [15], "days": [15]}
    assert stored(store)["numbers"] == "15"


def test_a_load_whose_watermark_is_forgotten_meanwhile_stops(send, project, store, monkeypatch):
    send(5)
    store.run("INSERT INTO raw VALUES (6, 6, '2026-01-06')")
    describe, moved = loads.describe, []

    def forgotten(*arguments):
        if not moved:
            moved.append(None)
            moved.append(project.flowc("rewind", "numbers", "--to", "earliest", "--yes"))
        return describe(*arguments)

    monkeypatch.setattr(loads, "describe", forgotten)
    done = project.flowc("run", "numbers", "--once", "--json")
    assert moved[1].code == 0, moved[1].err
    assert '"code": "load-overtaken"' in done.out
    assert "numbers" not in stored(store)
    assert store.rows("SELECT id FROM numbers") == [(5,)]


@pytest.mark.covering
@pytest.mark.parametrize("before", [(), (5,)], ids=["first load", "later load"])
def test_a_load_that_another_one_has_overtaken_stops(send, project, store, monkeypatch, before):
    """The other one loads after this one has read the watermark and before it begins."""
    if before:
        send(*before)
    else:
        store.run("CREATE TABLE numbers (id BIGINT PRIMARY KEY, n BIGINT, d DATE)")
    store.run("INSERT INTO raw VALUES (6, 6, '2026-01-06')")
    describe, others = loads.describe, []

    def overtaken(*arguments):
        if not others:
            others.append(None)
            others.append(project.flowc("run", "numbers", "--once", "--json"))
        return describe(*arguments)

    monkeypatch.setattr(loads, "describe", overtaken)
    done = project.flowc("run", "numbers", "--once", "--json")
    assert counts(others[1])["numbers"] == (1 + len(before), 1, 0, 0, len(before))
    assert done.code == 1
    assert '"code": "load-overtaken"' in done.out
    assert stored(store)["numbers"] == "6"
    assert store.rows("SELECT id FROM numbers") == [*((n,) for n in before), (6,)]
