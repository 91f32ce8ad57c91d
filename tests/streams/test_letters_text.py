"""Dead letters of any bytes: every table and topic keeps them, and gives them back."""

from __future__ import annotations

from pathlib import Path

from tests import rawkafka
from tests.commands import Folder
from tests.streams.test_dlq import MENDED, Place, counted, project, rows, run
from tests.topics import Message, fresh, produce

VALUES = (
    b'{"id":1,"name":"x\\u0000y"}', b'{"id":2,"name":"\\ud800"}', b'{"id":3,"name":"\\udc00x"}', b"\x00",
    b"", b"\xff\x00",
    b'{"id":4,"name":"\x7f\xc2\x80\xef\xbf\xbf\xf4\x8f\xbf\xbf"}', b'{"id":5,"name":"{x} %s \\\\ \' \\""}',
    b'{"id":1180591620717411303424,"name":"x"}', b'{"id":6,"name":"' + b"x" * 100_000 + b'"}',
)  # fmt: skip
HEADERS = [
    ("", b""),
    ("k", b"\0"), ("é\n", None), ("flowc_event_ms", b"7"), ("flowc_left_out", b"9"), ("flowc_stream", b"s"),
]  # fmt: skip


def kept(folder: Folder) -> dict[int, tuple[object, ...]]:
    letters = folder.flowc("dlq", "show", "clean", "--json", "--limit", "99").json
    for header in (header for letter in letters for header in letter["headers"]):
        header["key"] = header["key"].replace("***", "flowc")  # the password of the tests' MySQL, which is masked
    assert all(len(letter["error"]) <= 1000 and "\0" not in letter["error"] for letter in letters)
    return {
        each["offset"]: (each["message_hex"], each["key_hex"], each["left_out"], each["event_ms"], each["headers"])
        for each in letters
    }


def check(tmp_path: Path, kafka: str, wh: Place, own: list[tuple[str, bytes | None]], more: str = "") -> None:
    topic = fresh(kafka)
    produce(kafka, topic, [Message(value, key=b"\0\xff", headers=HEADERS) for value in VALUES])
    folder = project(tmp_path, kafka, topic, wh, more=more)
    run(folder)
    headers = [{"key": key, "value": None if value is None else value.hex()} for key, value in own]
    wanted = {n: (value.hex(), "00ff", False, None, headers) for n, value in enumerate(VALUES)}
    assert kept(folder) == wanted
    assert folder.flowc("dlq", "show", "clean").code == 0
    assert folder.flowc("dlq", "replay", "clean", "--json").json["failed"] == len(VALUES)
    assert kept(folder) == wanted
    folder = project(tmp_path, kafka, topic, wh, MENDED.replace("CAST(name AS BIGINT)", "-1"), more=more)
    done = folder.flowc("dlq", "replay", "clean", "--json").json
    assert done["error"] is None, done
    assert {row["id"] for row in rows(wh, "SELECT id FROM clean")} == {1, 4, 5, 6}
    assert counted(folder)[0] == len(VALUES) - 4


def test_letters_of_any_bytes_in_a_table(tmp_path: Path, kafka: str, wh: Place) -> None:
    check(tmp_path, kafka, wh, HEADERS)


def test_letters_of_any_bytes_in_a_topic(tmp_path: Path, kafka: str) -> None:
    """What flowc says of a letter is in headers of its own names, so that those of a message are not among them."""
    wh = ("sqlite", {"path": str(tmp_path / "wh.db")})
    check(tmp_path, kafka, wh, HEADERS[:3], f"dead_letter: {{ topic: {fresh(kafka)} }}")


def test_a_header_whose_name_is_not_utf_8_stops_no_stream(tmp_path: Path, kafka: str) -> None:
    topic, wh = fresh(kafka), ("sqlite", {"path": str(tmp_path / "wh.db")})
    for value in (b'{"id":1,"name":"7"}', b'{"id":2,"name":"x"}'):
        rawkafka.produce(kafka, topic, value, b"\xff\xfe")
    produce(kafka, topic, [Message(b'{"id":3,"name":"x"}', headers=[("k", b"v")])])
    folder = project(tmp_path, kafka, topic, wh)
    assert run(folder)["rows"] == 1
    assert {offset: each[4] for offset, each in kept(folder).items()} == {
        1: [{"key": "\ufffd", "value": None}], 2: [{"key": "k", "value": b"v".hex()}],
    }  # fmt: skip
    folder = project(tmp_path, kafka, topic, wh, MENDED)
    assert folder.flowc("dlq", "replay", "clean", "--json").json["replayed"] == 2
