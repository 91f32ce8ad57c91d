"""What `scd2` makes of rows that come late, come again, change, go and return, on every engine."""

import pytest

from tests.stores import counts

SPEC = """
connections: {{ w: {connection} }}
tables:
  dim: {{ connection: w, columns: {{ id: bigint, name: text, note: text, seen: {time} }}, natural_key: [id] }}
pipelines:
  dim: {{ table: raw, to: dim, mode: scd2, compare: [name, note], event_time: seen {more} }}
"""


def begin(project, store, time="timestamp", more=""):
    project.write("specs/p.yaml", SPEC.format(connection=store.connection, time=time, more=more))
    store.run(f"CREATE TABLE raw (id BIGINT, name TEXT, note TEXT, seen {store.type(time)})")


def send(project, store, *rows):
    """One load of these rows: (id, name, day of January 2026 or a whole time[, note])."""
    store.run("DELETE FROM raw")
    for row in rows:
        number, name, at, *note = row
        at = f"'2026-01-{at:02} 00:00:00'" if isinstance(at, int) else "NULL" if at is None else f"'{at}'"
        name, note = (f"'{v}'" if v is not None else "NULL" for v in (name, note[0] if note else "-"))
        store.run(f"INSERT INTO raw VALUES ({'NULL' if number is None else number}, {name}, {note}, {at})")
    return project.flowc("run", "--once", "--json")


def history(store, table="dim"):
    """Versions as (id, name, from day, to day or None); the current one is the one without an end."""
    found = store.rows(f"SELECT id, valid_from, valid_to, name, is_current, row_hash FROM {table}")
    assert all(bool(r[4]) == (r[2] is None) for r in found)
    assert all(r[5] for r in found)
    return [(r[0], r[3], _day(r[1]), _day(r[2])) for r in found]


def _day(at):
    return None if at is None else int(at[8:10]) if at[10:] in ("", " 00:00:00") else at


def test_a_confirmation_leaves_no_trace_for_what_comes_later_and_is_earlier(project, store):
    begin(project, store)
    send(project, store, (1, "a", 1), (1, "a", 20), (1, "b", 15))
    assert history(store) == [(1, "a", 1, 15), (1, "b", 15, 20), (1, "a", 20, None)]
    store.run("DELETE FROM dim")
    for row in ((1, "a", 1), (1, "a", 20), (1, "b", 15)):
        assert send(project, store, row).code == 0
    assert history(store) == [(1, "a", 1, 15), (1, "b", 15, None)]


def test_a_history_grows_is_spliced_and_corrected(project, store):
    begin(project, store)
    rows = [(1, "a", 1), (1, "b", 5), (1, "b", 7), (1, "a", 9), (2, "x", 2)]
    assert counts(send(project, store, *rows))["dim"] == (5, 4, 0, 0, 1)
    first = [(1, "a", 1, 5), (1, "b", 5, 9), (1, "a", 9, None), (2, "x", 2, None)]
    assert history(store) == first
    assert counts(send(project, store, *rows))["dim"] == (5, 0, 0, 0, 5)
    assert history(store) == first
    send(project, store, (1, "z", 7))
    assert history(store)[:4] == [(1, "a", 1, 5), (1, "b", 5, 7), (1, "z", 7, 9), (1, "a", 9, None)]
    assert counts(send(project, store, (1, "q", 5), (2, "x", 4), (1, "0", "2025-12-31")))["dim"][1:4] == (1, 1, 0)
    assert history(store) == [
        (1, "0", 31, 1),
        (1, "a", 1, 5),
        (1, "q", 5, 7),
        (1, "z", 7, 9),
        (1, "a", 9, None),
        (2, "x", 2, None),
    ]
    send(project, store, (1, "0", "2025-12-30"))
    assert history(store)[0] == (1, "0", 30, 1)
    before = history(store)
    done = send(project, store, (1, "n", 20), (1, "m", 20))
    assert done.code == 1
    assert "conflicting-versions" in done.out
    assert send(project, store, (None, "n", 20)).code == 1
    assert send(project, store, (3, "n", None)).code == 1
    assert history(store) == before
    # exact copies are no conflict
    send(project, store, (1, "n", 20), (1, "n", 20))
    assert history(store)[-2:] == [(1, "n", 20, None), (2, "x", 2, None)]
    # nulls are values
    send(project, store, (2, None, 3), (2, None, 4), (2, "", 5), (2, None, 6, None))
    assert history(store)[-4:] == [(2, "x", 2, 3), (2, None, 3, 5), (2, "", 5, 6), (2, None, 6, None)]


@pytest.mark.covering
@pytest.mark.parametrize("deletes", ["close", "hard", "soft"])
def test_deletes_and_returns(project, store, deletes):
    begin(project, store, more=f", deletes: {deletes}")
    if deletes == "soft":
        spec = (project.path / "specs/p.yaml").read_text()
        project.write("specs/p.yaml", spec.replace("seen: timestamp }", "seen: timestamp, deleted_at: timestamptz }"))
    send(project, store, (1, "a", 1), (2, "x", 2))
    done = send(project, store, (1, "a", 1))
    assert counts(done)["dim"] == (1, 0, 0, 1, 1)
    held = store.raw("SELECT * FROM dim ORDER BY id")
    assert counts(send(project, store, (1, "a", 1)))["dim"] == (1, 0, 0, 0, 1)
    assert store.raw("SELECT * FROM dim ORDER BY id") == held
    if deletes == "close":
        ended = history(store)[1][3]
        assert ended is not None
        for _ in range(2):
            send(project, store, (1, "a", 1), (2, "x", 2))
            assert history(store) == [(1, "a", 1, None), (2, "x", 2, ended), (2, "x", ended, None)]
        send(project, store, (1, "a", 1), (2, "y", "2030-01-03"))
        assert history(store)[1:] == [(2, "x", 2, ended), (2, "x", ended, 3), (2, "y", 3, None)]
    elif deletes == "hard":
        assert history(store) == [(1, "a", 1, None)]
        send(project, store, (1, "a", 1), (2, "x", 2))
        assert history(store) == [(1, "a", 1, None), (2, "x", 2, None)]
    else:
        assert store.rows("SELECT id FROM dim WHERE deleted_at IS NOT NULL AND valid_to IS NULL") == [(2,)]
        send(project, store, (1, "a", 1), (2, "x", 2))
        assert store.rows("SELECT id FROM dim WHERE deleted_at IS NOT NULL") == []
        send(project, store, (1, "a", 1))
        send(project, store, (1, "a", 1), (2, "y", 3))
        assert history(store)[1:] == [(2, "x", 2, 3), (2, "y", 3, None)]
        assert store.rows("SELECT id FROM dim WHERE deleted_at IS NOT NULL AND is_current") == []
    before = history(store)
    done = send(project, store)
    assert done.code == 1
    assert "empty-source" in done.out
    assert history(store) == before


def test_ttl_across_runs(project, store):
    begin(project, store, more=", ttl: 2d")
    send(project, store, (1, "a", 1), (1, "a", 2), (1, "a", 4), (2, "x", 2), (3, "f", "2100-01-01"))
    assert history(store) == [(1, "a", 1, 3), (1, "a", 4, 6), (2, "x", 2, 4), (3, "f", 1, None)]
    send(project, store, (1, "a", 1), (1, "b", 5), (2, "x", 2))
    assert history(store) == [(1, "a", 1, 3), (1, "a", 4, 5), (1, "b", 5, 7), (2, "x", 2, 4), (3, "f", 1, None)]
    send(project, store, (2, "x", 3), (2, "x", 6))
    assert history(store)[3:] == [(2, "x", 2, 4), (2, "x", 6, 8), (3, "f", 1, None)]


def test_without_event_time(project, store):
    begin(project, store)
    spec = (project.path / "specs/p.yaml").read_text()
    project.write("specs/p.yaml", spec.replace(", event_time: seen", ""))
    send(project, store, (1, "a", 1), (2, "x", 2))
    assert counts(send(project, store, (1, "a", 3), (2, "x", 2)))["dim"] == (2, 0, 0, 0, 2)
    assert counts(send(project, store, (1, "b", 3), (2, "x", 2)))["dim"] == (2, 1, 1, 0, 1)
    found = history(store)
    assert [(h[0], h[1]) for h in found] == [(1, "a"), (1, "b"), (2, "x")]
    assert found[0][3] == found[1][2]
    done = send(project, store, (1, "c", 3), (1, "d", 4))
    assert done.code == 1
    assert "duplicate-keys" in done.out
    assert history(store) == found
    project.write("specs/p.yaml", spec.replace("event_time: seen", "dedupe: { order_by: seen desc }"))
    send(project, store, (1, "c", 3), (1, "d", 4))
    assert [(h[0], h[1]) for h in history(store)] == [(1, "a"), (1, "b"), (1, "d"), (2, "x")]


def timed(project, store, more=""):
    """A history whose versions begin at the time of the load."""
    begin(project, store)
    spec = (project.path / "specs/p.yaml").read_text()
    project.write("specs/p.yaml", spec.replace(", event_time: seen", more))


def at(store, year):
    """The begin of a year as an instant."""
    return f"'{year}-01-01 00:00:00{'.000000+00:00' if store.kind == 'sqlite' else ''}'"


@pytest.mark.covering
@pytest.mark.parametrize("name", ["a", "b"])
def test_a_load_before_the_current_version_is_an_error(project, store, name):
    timed(project, store)
    send(project, store, (1, "a", 1), (2, "x", 1))
    store.run(f"UPDATE dim SET valid_from = {at(store, 2037)} WHERE id = 1")
    assert counts(send(project, store, (2, "y", 1)))["dim"] == (1, 1, 1, 0, 0)
    before = history(store)
    done = send(project, store, (1, name, 1))
    assert (done.code, done.json["pipelines"][0]["targets"][0]["error"]["code"]) == (1, "later-version")
    assert "id = `1`, valid_from = `2037-01-01 00:00:00" in done.out
    assert history(store) == before
    store.run(f"UPDATE dim SET valid_from = {at(store, 2026)} WHERE id = 1")
    assert counts(send(project, store, (1, "b", 1)))["dim"] == (1, 1, 1, 0, 0)
    assert [h[1] for h in history(store) if h[3] is None] == ["b", "y"]


def test_a_load_before_the_end_of_a_closed_version_is_an_error(project, store):
    timed(project, store, ", deletes: close")
    send(project, store, (1, "a", 1), (2, "x", 1))
    send(project, store, (2, "x", 1))
    store.run(f"UPDATE dim SET valid_to = {at(store, 2037)} WHERE id = 1")
    assert counts(send(project, store, (2, "x", 1)))["dim"] == (1, 0, 0, 0, 1)
    assert '"code": "later-version"' in send(project, store, (1, "b", 1), (2, "x", 1)).out


def test_a_load_before_the_begin_of_what_it_would_close_is_an_error(project, store):
    timed(project, store, ", deletes: close")
    send(project, store, (1, "a", 1), (2, "x", 1))
    store.run(f"UPDATE dim SET valid_from = {at(store, 2037)} WHERE id = 1")
    before = history(store)
    assert '"code": "later-version"' in send(project, store, (2, "x", 1)).out
    assert history(store) == before


@pytest.mark.covering
@pytest.mark.parametrize("time", ["timestamp(0)", "date"])
def test_loads_within_one_unit_of_a_coarse_time_lose_no_change(project, store, time):
    timed(project, store)
    spec = (project.path / "specs/p.yaml").read_text()
    project.write("specs/p.yaml", spec.replace("seen: timestamp }", f"seen: timestamp, valid_from: {time} }}"))
    for name in "abc":
        assert send(project, store, (1, name, 1)).code == 0
        assert store.rows("SELECT name FROM dim WHERE is_current") == [(name,)]
