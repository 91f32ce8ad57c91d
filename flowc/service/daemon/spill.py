"""A process that takes what a worker prints: who holds Python's lock while it prints would wait for itself."""

from __future__ import annotations

import os
import select
import signal

ROOM = 16 << 20
"""Bytes that are kept for a reader that is busy; what is more is counted, and said."""
_PIECE = 1 << 16


def spilling() -> tuple[int, int]:
    """Where to read, and where to write what never has to wait for it. Called before there are other threads."""
    (taken, sink), (source, given) = os.pipe(), os.pipe()
    if os.fork() == 0:
        try:
            os.close(sink)
            os.close(source)
            for number in range(3):  # by whose end the daemon knows that of the worker
                os.dup2(os.open(os.devnull, os.O_RDWR), number)
            for number in (signal.SIGINT, signal.SIGTERM):  # the worker prints until its own end
                signal.signal(number, signal.SIG_IGN)
            relay(taken, given)
        finally:
            os._exit(0)
    os.close(taken)
    os.close(given)
    return source, sink


def relay(source: int, sink: int, room: int = ROOM) -> None:
    """Hands on what is written until nobody can write any more, or nobody reads."""
    os.set_blocking(sink, False)
    waiting, lost, is_open = bytearray(), 0, True
    while is_open or waiting:
        readable, writable, _ = select.select([source] * is_open, [sink] * bool(waiting), [])
        if readable:
            data = os.read(source, _PIECE)
            is_open, kept = bool(data), lost == 0 and len(waiting) + len(data) <= room
            waiting += data if kept else b""
            lost += 0 if kept else len(data)
        if writable:
            try:
                del waiting[: os.write(sink, waiting[:_PIECE])]
            except BrokenPipeError:
                return
        if lost and not waiting:
            waiting += b"\n%d bytes more were printed than could be kept\n" % lost
            lost = 0
