"""Corners of histories: marks and hashes of corrected versions, versions of the future, gaps, the moment of expiry."""

from tests.integration.test_meaning_scd2 import begin, history, send
from tests.stores import counts


def test_a_corrected_version_keeps_its_mark_and_gets_the_hash_of_its_content(project, store):
    begin(project, store, more=", deletes: soft")
    spec = (project.path / "specs/p.yaml").read_text()
    project.write("specs/p.yaml", spec.replace("seen: timestamp }", "seen: timestamp, deleted_at: timestamptz }"))
    send(project, store, (1, "a", 1), (2, "z", 1))
    send(project, store, (2, "z", 1))
    send(project, store, (1, "b", 5), (2, "z", 1))
    marked = store.rows("SELECT name FROM dim WHERE deleted_at IS NOT NULL")
    assert marked == [("a",)]
    assert counts(send(project, store, (1, "z", 1), (2, "z", 1)))["dim"] == (2, 0, 1, 0, 1)
    assert history(store) == [(1, "z", 1, 5), (1, "b", 5, None), (2, "z", 1, None)]
    assert store.rows("SELECT id, name FROM dim WHERE deleted_at IS NOT NULL") == [(1, "z")]
    assert store.rows("SELECT count(DISTINCT row_hash) FROM dim WHERE name = 'z'") == [(1,)]


def test_a_version_of_the_future_that_is_gone_ends_where_it_begins(project, store):
    begin(project, store, more=", deletes: close")
    future = "2999-01-01 00:00:00"
    send(project, store, (1, "a", future), (2, "x", 1))
    assert counts(send(project, store, (2, "x", 1)))["dim"] == (1, 0, 0, 1, 1)
    assert store.rows("SELECT valid_from, valid_to FROM dim WHERE id = 1") == [(future, future)]


def test_an_equal_version_behind_a_gap_does_not_begin_earlier(project, store):
    begin(project, store, more=", deletes: close")
    other, future = (2, "x", 1), "2999-01-01 00:00:00"
    send(project, store, (1, "a", 1), other)
    send(project, store, other)
    [(_, _, _, closed), _] = history(store)
    send(project, store, (1, "b", future), other)
    send(project, store, (1, "b", 3), (1, "b", future), other)
    found = store.rows("SELECT name, valid_from, valid_to FROM dim WHERE id = 1")
    day = "2026-01-{:02} 00:00:00".format
    assert found == [("a", day(1), day(3)), ("b", day(3), closed), ("b", future, None)]


def test_an_equal_row_at_the_moment_of_expiry_opens_a_new_version(project, store):
    begin(project, store, more=", ttl: 2d")
    send(project, store, (1, "a", 1), (1, "a", 3))
    assert history(store) == [(1, "a", 1, 3), (1, "a", 3, 5)]
    send(project, store, (1, "a", 5))
    assert history(store) == [(1, "a", 1, 3), (1, "a", 3, 5), (1, "a", 5, 7)]


def test_what_is_wrong_with_a_row_is_said(project, store):
    begin(project, store)
    send(project, store)
    assert '"code": "null-event-time"' in send(project, store, (1, "a", None)).out
    assert '"code": "null-key"' in send(project, store, (None, "a", 1)).out
    assert store.rows("SELECT * FROM dim") == []
