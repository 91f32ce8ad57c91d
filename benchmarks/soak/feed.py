"""A producer that keeps a rate, and loses and repeats nothing while its broker is away."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import Any

from benchmarks.poison import event
from tests import topics

PARTITIONS, BAD = 4, 1000
"""One message in so many is bad."""
_STEP = 0.02
_QUEUE = 2_000_000
_PATIENCE = 120


@dataclass
class Feed:
    """Produces numbered messages, so many a second, until it is stopped."""

    address: str
    topic: str
    rate: int
    sent: int = 0
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None
    _unsent: int = -1

    def start(self) -> None:
        """Begins, in a thread of its own."""
        self._thread = threading.Thread(target=self._run, name="feed", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ends when the broker has all. Raises RuntimeError when it does not take them."""
        assert self._thread is not None
        self._stop.set()
        self._thread.join()
        if self._unsent:
            raise RuntimeError(f"the broker did not take {self._unsent} messages")

    @property
    def bad(self) -> int:
        """How many of those that were sent cannot be written."""
        return len(range(0, self.sent, BAD))

    def _run(self) -> None:
        producer = topics.producing(
            self.address, linger_ms=5, enable_idempotence=True, message_timeout_ms=0, compression_type="lz4",
            queue_buffering_max_messages=_QUEUE, queue_buffering_max_kbytes=_QUEUE,
        )  # fmt: skip
        began = time.monotonic()
        while not self._stop.wait(_STEP):
            self._send(producer, int((time.monotonic() - began) * self.rate))
        self._unsent = producer.flush(_PATIENCE)

    def _send(self, producer: Any, until: int) -> None:
        producer.poll(0)
        while self.sent < until:
            try:
                producer.produce(self.topic, event(self.sent, BAD), partition=self.sent % PARTITIONS)
            except BufferError:  # the broker is away, or slow: the rest goes with the next step
                return
            self.sent += 1
