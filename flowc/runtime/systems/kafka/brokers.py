"""Looks at the brokers of a Kafka connection: whether they answer, and what they say that there is."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from flowc.errors import FlowcError, TransientError
from flowc.runtime.extras import driver
from flowc.runtime.systems.kafka.errors import failure, is_final
from flowc.runtime.systems.kafka.offsets import SECONDS
from flowc.runtime.systems.kafka.options import secrets, settings

_AT_A_TIME = 1.0


def brokers(options: Mapping[str, object], seconds: float = SECONDS) -> str:
    """What the brokers answer within so many seconds, in words.

    Raises UsageError for options that are none, EngineError (`access-denied`), TransientError (`connection-failed`).
    """
    kafka, admin = driver("confluent_kafka", "kafka"), driver("confluent_kafka.admin", "kafka")
    made, complaints = settings(options, "flowc"), list[Any]()
    hidden, until = secrets(made), time.monotonic() + seconds
    try:
        client = admin.AdminClient({**made, "log_level": 0, "error_cb": complaints.append})
    except kafka.KafkaException as error:
        raise failure(error.args[0], hidden, about="the connection's options: ") from error
    while True:
        try:
            return _words(client.list_topics(timeout=_AT_A_TIME))
        except kafka.KafkaException as error:
            client.poll(0.01)  # what the client says is said in here
            if (told := _told(error.args[0], complaints, hidden, late=time.monotonic() > until)) is not None:
                raise told from None


def _told(error: Any, complaints: list[Any], hidden: tuple[str, ...], *, late: bool) -> FlowcError | None:
    """What is wrong, once nothing better will come: the client's own words for it, where it has some."""
    final = next(filter(is_final, complaints), None)
    if final is not None:
        return failure(final, hidden)
    asked = failure(error, hidden)
    if isinstance(asked, TransientError) and not late:
        return None
    return failure(complaints[-1], hidden) if complaints else asked


def _words(found: Any) -> str:
    topics = sum(1 for name in found.topics if not name.startswith("__"))
    return f"kafka: {_counted(len(found.brokers), 'broker')}, {_counted(topics, 'topic')}"


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
