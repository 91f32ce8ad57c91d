"""What the driver does not offer of MySQL's protocol: results in large pieces, and bulk loads from memory.

Queries run as prepared statements: their columns are known before they run, and values come in binary form, so that
nothing is rounded on the way (a FLOAT printed by the server is).
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from flowc.errors import EngineError, TransientError
from flowc.runtime.extras import driver

_QUERY, _PREPARE, _EXECUTE, _CLOSE = 0x03, 0x16, 0x17, 0x19
_MAX_PACKET = 0xFFFFFF
_EOF, _ERROR = 0xFE, 0xFF
_READ = 1 << 20
_PIECE = 1 << 22
_PADDING = bytes(16)
NAME = "flowc"
"""What a bulk load's statement calls its file; no other is ever sent."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A statement that the server has understood; `fields` are the driver's descriptions of its columns."""

    number: int
    fields: tuple[Any, ...]


def prepare(connection: Any, sql: str) -> Prepared:
    """Has the server read a statement, without running it. Raises the driver's errors."""
    connection._execute_command(_PREPARE, sql)
    head = connection._read_packet().get_all_data()
    number, columns, parameters = struct.unpack_from("<IHH", head, 1)
    _definitions(connection, parameters)
    return Prepared(number, _definitions(connection, columns))


def _definitions(connection: Any, count: int) -> tuple[Any, ...]:
    descriptor = driver("pymysql.protocol", "mysql").FieldDescriptorPacket
    found = tuple(connection._read_packet(descriptor) for _ in range(count))
    if count:
        connection._read_packet()  # marks their end
    return found


def release(connection: Any, prepared: Prepared) -> None:
    """Lets the server forget a statement; it does not answer."""
    connection._execute_command(_CLOSE, struct.pack("<I", prepared.number))


def run(connection: Any, prepared: Prepared) -> tuple[Any, ...]:
    """Runs the statement; returns its columns, none where it has no result. The rows must be read next."""
    connection._execute_command(_EXECUTE, struct.pack("<IBI", prepared.number, 0, 1))
    head = connection._read_packet()
    if head.is_ok_packet():
        return ()
    return _definitions(connection, head.read_length_encoded_integer())


def rows(connection: Any) -> Iterator[tuple[bytes, list[int]]]:
    """The rows of a result: bytes, padded at the end, and where in them each row starts.

    Raises the driver's errors. Whoever stops before the end must close the connection.
    """
    held, starts, at = bytearray(), list[int](), 0
    while True:
        piece = _received(connection)
        held += piece
        at, ended = _scan(held, at, starts)
        if starts and (ended or at >= _PIECE):
            yield bytes(held[:at]) + _PADDING, starts
            del held[:at]
            starts, at = [], 0
        if ended:
            _ended(connection, bytes(held[at:]))
            return


def _received(connection: Any) -> bytes:
    piece: bytes = connection._rfile.read1(_READ)
    if not piece:
        connection._force_close()
        raise TransientError("the server ended the connection during the query", code="connection-lost")
    return piece


def _scan(held: bytearray, at: int, starts: list[int]) -> tuple[int, bool]:
    """Notes where the complete packets from `at` on start; returns where they end, and whether the result does."""
    size_of, limit = struct.Struct("<I").unpack_from, len(held) - 4
    while at < limit:
        size = size_of(held, at)[0] & _MAX_PACKET
        end = at + 4 + size
        if end > limit + 4:
            break
        if size == _MAX_PACKET:
            joined = _joined(held, end)
            if joined is None:
                break
            end, limit = joined, len(held) - 4
        elif held[at + 4] >= _EOF and (held[at + 4] == _ERROR or size < 9):
            return at, True
        starts.append(at + 4)
        at = end
    return at, False


def _joined(held: bytearray, end: int) -> int | None:
    """Makes one packet of a row that came in several, each but the last of the greatest size; None while one lacks."""
    heads, size = [], _MAX_PACKET
    while size == _MAX_PACKET:
        if end + 4 > len(held):
            return None
        heads.append(end)
        size = int.from_bytes(held[end : end + 3], "little")
        end += 4 + size
    if end > len(held):
        return None
    for head in reversed(heads):
        del held[head : head + 4]
    return end - 4 * len(heads)


def _ended(connection: Any, packet: bytes) -> None:
    """Takes note of what the server says at the end of a result."""
    body = packet[4:]
    if body[0] == _ERROR:
        driver("pymysql.err", "mysql").raise_mysql_exception(body)
    connection.server_status = struct.unpack_from("<H", body, 3)[0]


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a bulk load did."""

    rows: int
    warnings: int


def load(connection: Any, sql: str, chunks: Iterable[Any]) -> Loaded:
    """Runs a `LOAD DATA LOCAL INFILE 'flowc' …` whose file is `chunks` of bytes. Raises the driver's errors.

    Where making the chunks fails, the connection is closed, and with it the transaction.
    """
    connection._execute_command(_QUERY, sql)
    answer = connection._read_packet()
    if not answer.is_load_local_packet() or answer.get_all_data()[1:] != NAME.encode():
        connection._force_close()
        raise EngineError("the server did not ask for the rows of a bulk load", code="query-refused")
    try:
        for chunk in chunks:
            _send(connection, chunk)
    except BaseException:
        # An empty packet would tell the server that these were all rows.
        connection._force_close()
        raise
    connection.write_packet(b"")
    done = driver("pymysql.protocol", "mysql").OKPacketWrapper(connection._read_packet())
    connection.server_status = done.server_status
    return Loaded(done.affected_rows, done.warning_count)


_SENT = 1 << 19
"""Bytes of one packet of a bulk load, below every server's limit."""


def _send(connection: Any, chunk: Any) -> None:
    view = memoryview(chunk)
    for start in range(0, len(view), _SENT):
        connection.write_packet(bytes(view[start : start + _SENT]))
