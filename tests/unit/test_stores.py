"""The contract of stores of files, of every kind of them."""

from __future__ import annotations

import io
from pathlib import Path

import obstore
import pytest

from flowc.errors import EngineError, TransientError, UsageError
from flowc.runtime.contracts.store import Capabilities, Changed, Store
from flowc.runtime.stores.local import LocalStore
from flowc.runtime.stores.remote import RemoteStore
from flowc.runtime.systems.files.log import FileLog
from tests.memorystore import MemoryStore


@pytest.fixture(params=["folder", "memory", "obstore"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    if request.param == "folder":
        return LocalStore(tmp_path)
    return MemoryStore() if request.param == "memory" else RemoteStore(obstore.store.MemoryStore(), "memory:/")


def test_objects_are_listed_in_the_order_of_their_keys_from_a_cursor_on(store: Store) -> None:
    for key in ("b/x.csv", "a.csv", "b/y.csv", "b/z/w.csv", "bb.csv"):
        store.create(key, key.encode())
    assert [entry.key for entry in store.list()] == ["a.csv", "b/x.csv", "b/y.csv", "b/z/w.csv", "bb.csv"]
    assert [entry.key for entry in store.list("b/", "b/x.csv")] == ["b/y.csv", "b/z/w.csv"]
    assert [entry.key for entry in store.list("b")] == ["b/x.csv", "b/y.csv", "b/z/w.csv", "bb.csv"]
    assert [(entry.size, entry == store.head(entry.key)) for entry in store.list("a")] == [(5, True)]
    assert list(store.list("none/")) == []


@pytest.mark.parametrize(
    ("pattern", "keys"),
    [("*.csv", {"a.csv", "c[1].csv"}), ("b/*", {"b/x.csv"}),
     ("**/*.csv", {"a.csv", "b/x.csv", "b/z/w.csv", "c[1].csv"}),
     ("a.csv", {"a.csv"}), ("c[1].csv", {"c[1].csv"}), ("./b/?.csv", {"b/x.csv"}), ("d*", set())],
)  # fmt: skip
def test_a_glob_names_the_same_in_all(store: Store, pattern: str, keys: set[str]) -> None:
    for key in ("a.csv", "b/x.csv", "b/z/w.csv", "c[1].csv", "skipped.csv"):
        store.create(key, b"")
    assert {entry.key for entry in store.matching(pattern, lambda key: key == "skipped.csv")} == keys


def test_what_is_written_on_condition_is_written_once(store: Store) -> None:
    first = store.create("_flowc/log", b"1")
    with pytest.raises(FileExistsError):
        store.create("_flowc/log", b"2")
    second = store.replace("_flowc/log", b"2", first)
    with pytest.raises(Changed):
        store.replace("_flowc/log", b"3", first)
    assert store.get("_flowc/log").data == b"2"
    assert store.replace("_flowc/log", b"3", store.get("_flowc/log").version) != second
    with pytest.raises(Changed):
        store.replace("_flowc/none", b"1", first)
    for absent in (store.get, store.head):
        with pytest.raises(FileNotFoundError):
            absent("_flowc/none")


def test_a_move_may_be_done_again_and_replaces_nothing(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "local"
    path.write_bytes(b"rows")
    for key in ("d/1", "d/2"):
        store.upload(key, path)
    moves = [("d/1", "part=1/one.csv"), ("d/2", "part=1/two.csv"), ("d/3", "part=1/three.csv")]
    for _ in range(2):
        store.move(moves)
        assert [entry.key for entry in store.list("part=1/")] == ["part=1/one.csv", "part=1/two.csv"]
        assert list(store.list("d/")) == []
    store.create("d/4", b"more")
    store.create("d/5", b"more")
    store.delete("d/4")
    store.delete("d/4")
    assert [entry.key for entry in store.list("d/")] == ["d/5"]
    store.delete("d")
    assert list(store.list("d/")) == []


def test_files_are_read_from_any_place_on(store: Store) -> None:
    data = bytes(range(256)) * 10_000
    store.create("a.b.GZ", data)
    file = store.file(store.head("a.b.GZ"))
    assert (file.suffix, str(file)) == (".GZ", store.shown("a.b.GZ"))
    with file.open("rb") as stream:
        assert (stream.read(5), stream.seek(-3, io.SEEK_END), stream.read()) == (data[:5], len(data) - 3, data[-3:])
        stream.seek(1000)
        assert stream.read(1_500_000) == data[1000:1_501_000]
        assert (stream.tell(), stream.seek(0), stream.read()) == (1_501_000, 0, data)


@pytest.mark.parametrize("kind", ["memory", "obstore"])
def test_of_an_object_one_version_is_read(kind: str) -> None:
    store: Store = MemoryStore() if kind == "memory" else RemoteStore(obstore.store.MemoryStore(), "memory:/")
    version = store.create("a", b"1" * 3_000_000)
    with store.file(store.head("a")).open("rb") as stream:
        assert stream.read(1) == b"1"
        store.replace("a", b"2" * 3_000_000, version)
        with pytest.raises(Changed):
            stream.read()


def test_what_fails_in_a_store_is_told_by_its_kind() -> None:
    """A refused key is an error for good, an unreachable server one that may pass."""
    options = {"bucket": "b", "region": "us-east-1", "access_key_id": "a", "secret_access_key": "b"}
    nowhere = obstore.store.S3Store(
        **options, endpoint="http://127.0.0.1:9", client_options={"allow_http": True}, retry_config={"max_retries": 0}
    )
    with pytest.raises(TransientError) as failed:
        RemoteStore(nowhere, "s3://b").head("a")
    assert failed.value.code == "connection-lost"
    assert "\n" not in failed.value.message
    assert not isinstance(failed.value, EngineError)


def test_a_stream_writes_into_no_store_in_which_workers_cannot_be_told_apart(tmp_path: Path) -> None:
    store = RemoteStore(obstore.store.LocalStore(tmp_path), "file://x", Capabilities(conditional_writes=False))
    with pytest.raises(UsageError, match="on condition"):
        FileLog(store, "rows", "s").open()
    assert list(tmp_path.iterdir()) == []
