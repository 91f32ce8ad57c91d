"""What tells a topic from one that is made under its name when it was deleted.

The client reads on in the new one without a word, or waits for ever. So the topic's id is compared whenever another one
may have taken its place: when partitions are begun, before the first messages after a silence are taken, for nobody
makes a topic anew in less, and now and then.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from flowc.errors import FlowcError
from flowc.runtime.contracts.source import replaced
from flowc.runtime.extras import driver
from flowc.runtime.systems.kafka.errors import failure

_UNTOLD = "AAAAAAAAAAAAAAAAAAAAAA"
"""The id of all zeros: brokers before Kafka 2.8 give none."""
_UNABLE = ("_UNSUPPORTED_FEATURE", "UNSUPPORTED_VERSION")
_SECONDS, _SHORTLY = 5.0, 1.0
_SILENCE = 0.05
_OFTEN = 5.0


@dataclass
class TopicId:
    """The id of the topic that is read; `source` is how messages to the user call it.

    Every method may raise EngineError (`missing-topic`, `access-denied`) and TransientError.
    """

    settings: Mapping[str, Any] = field(repr=False)
    topic: str
    source: str
    secrets: tuple[str, ...] = field(default=(), repr=False)
    known: str = field(default="", init=False)
    """'' where the broker tells none."""
    _client: Any = field(default=None, init=False)
    _asked: float = field(default=0.0, init=False)
    _heard: float = field(default=0.0, init=False)

    def open(self) -> None:
        """Asks for it."""
        admin = driver("confluent_kafka.admin", "kafka")
        self._client = admin.AdminClient({**self.settings, "log_level": 0})
        self.known = self._now(_SECONDS)

    def close(self) -> None:
        """Leaves. May be called twice."""
        self._client = None

    def check(self, seconds: float = _SECONDS) -> None:
        """Raises EngineError (`topic-replaced`) when it is another one now."""
        if self.known and self._now(seconds) != self.known:
            raise replaced(self.source)

    def heard(self, messages: bool) -> None:
        """Checks it after each poll, where it may be another one by now; `messages` tells whether there were some.

        Those of a topic that is gone are still its own, and who hears nothing need not know why.
        """
        now = time.monotonic()
        silent = messages and now - self._heard >= _SILENCE
        self._heard = now if messages else self._heard
        if silent or now - self._asked >= _OFTEN:
            try:
                self.check(_SECONDS if messages else _SHORTLY)
            except FlowcError as error:
                if error.code == "topic-replaced" or (messages and error.code != "missing-topic"):
                    raise

    def _now(self, seconds: float) -> str:
        kafka = driver("confluent_kafka", "kafka")
        self._asked = time.monotonic()
        try:
            return topic_id(self._client, self.topic, seconds)
        except kafka.KafkaException as error:
            raise failure(error.args[0], self.secrets, about=f"`{self.source}`, topic `{self.topic}`: ") from error


def topic_id(client: Any, topic: str, seconds: float) -> str:
    """The ID of a topic; '' where the broker gives none. Raises KafkaException."""
    kafka = driver("confluent_kafka", "kafka")
    asking = client.describe_topics(kafka.TopicCollection([topic]), request_timeout=seconds)
    try:
        found = str(asking[topic].result(seconds + 1).topic_id)
    except kafka.KafkaException as error:
        if error.args[0].name() in _UNABLE:
            return ""
        raise
    return "" if found == _UNTOLD else found
