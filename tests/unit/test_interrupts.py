"""Handlers of signals: none waits for a lock that the main thread may hold when it is interrupted."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from types import SimpleNamespace

import pytest

from flowc.cli.daemon import _on_signals
from flowc.cli.scheduling import until_signal
from flowc.cli.streaming import stopping
from flowc.service.daemon import host


@contextmanager
def streams() -> Iterator[threading.Event]:
    with stopping() as stop:
        yield stop.event


@contextmanager
def daemon() -> Iterator[threading.Event]:
    stop = threading.Event()
    with ExitStack() as stack:
        _on_signals(SimpleNamespace(kill=lambda: None), stop, stack)
        yield stop


@contextmanager
def worker() -> Iterator[threading.Event]:
    stop, parent_ends = threading.Event(), threading.Event()
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(host, "os", SimpleNamespace(read=lambda *_: parent_ends.wait(), _exit=lambda _: None))
        host._listen([SimpleNamespace(stopping=stop)])
        yield stop
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("place", [until_signal, streams, daemon, worker])
def test_a_signal_that_meets_the_lock_of_the_event_stops_the_process(place, number):
    with place() as stop:
        handler = signal.getsignal(number)
        with stop._cond:  # where `wait` begins and ends; a process that is continued and terminated is often there
            called = threading.Thread(target=handler, args=(number, None), daemon=True)
            called.start()
            called.join(5)
            assert not called.is_alive()
        assert stop.wait(5)
