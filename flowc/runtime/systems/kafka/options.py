"""The options of a Kafka connection as settings of librdkafka."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from flowc.errors import UsageError
from flowc.masking import names_secret
from flowc.runtime.options import text

_SECURITY = {
    "protocol": "security.protocol",
    "mechanism": "sasl.mechanism",
    "username": "sasl.username",
    "password": "sasl.password",
    "ca_file": "ssl.ca.location",
    "cert_file": "ssl.certificate.location",
    "key_file": "ssl.key.location",
    "key_password": "ssl.key.password",
}
_FILES = ("ca_file", "cert_file", "key_file")
_RECEIVED, _OVERHEAD = "receive.message.max.bytes", 512
"""What may come at a time, and how much of that no message takes."""
_DEFAULTS: Mapping[str, object] = {
    "client.id": "flowc",
    "isolation.level": "read_committed",
    "partition.assignment.strategy": "cooperative-sticky",
    # A full queue is looked at again after this; librdkafka's own second leaves it empty in between.
    "fetch.queue.backoff.ms": 10,
    "reconnect.backoff.max.ms": 2000,
    # As much as a broker may send: a message of more than librdkafka's own 100 MB would never be read.
    _RECEIVED: 2_000_000_000,
}
_ABOVE = {_RECEIVED: ("fetch.max.bytes", _OVERHEAD), "reconnect.backoff.max.ms": ("reconnect.backoff.ms", 0)}
"""Settings that librdkafka wants to be no lower than others, and by how much."""
_DIGITS = 18
"""Of numbers that are set; longer ones librdkafka refuses."""
_OWN: Mapping[str, object] = {
    "enable.auto.commit": "false",
    "enable.auto.offset.store": "false",
    "auto.offset.reset": "error",
    "enable.partition.eof": "true",
}
"""What the promises of streams rest on. Nobody may set it otherwise."""
_PRODUCER: Mapping[str, object] = {
    "client.id": "flowc",
    "linger.ms": 5,
    "batch.size": 1_000_000,
    "compression.type": "lz4",
    # Keys go where Java's producers send them, so that topics can be joined by partition.
    "partitioner": "murmur2_random",
    "queue.buffering.max.messages": 2_000_000,
    "queue.buffering.max.kbytes": 2_000_000,
    "reconnect.backoff.max.ms": 2000,
}
_OWN_PRODUCER: Mapping[str, object] = {
    "enable.idempotence": True,
    "acks": "all",
    "delivery.report.only.error": True,
}
_ONE_AT_A_TIME: Mapping[str, object] = {"max.in.flight.requests.per.connection": 1}
"""Without transactions a broker takes any batch as the first of a producer.

Where it was not ready for the one before, that one is refused as out of order when it comes again, and the client
counts it as delivered.
"""
_SMALLEST, _PARTITION = 1 << 10, 1 << 20
"""The least that is asked for at a time, and what is asked for of each partition at most: librdkafka's own."""
_MESSAGE = 1_000_000
"""librdkafka's own `message.max.bytes`, to which no more than is fetched at a time may be set."""
_TAKEN = {"bootstrap.servers": "bootstrap_servers", "group.id": "group_id"}


def held(given: Mapping[str, object], most: int) -> dict[str, object]:
    """The settings of a consumer that is to hold about so many bytes of messages that nobody has asked for yet.

    What the connection says itself stays. A message that is larger is fetched all the same.
    """
    kilobytes, room = max(1, most >> 10), number(given, _RECEIVED, most + _OVERHEAD) - _OVERHEAD
    least = number(given, "message.max.bytes", _SMALLEST)
    fetched = number(given, "fetch.max.bytes", max(min(most, room), least))
    made = {"queued.max.messages.kbytes": kilobytes, "fetch.max.bytes": fetched}
    made["fetch.message.max.bytes"] = max(_SMALLEST, min(most, _PARTITION))
    made["message.max.bytes"] = max(_SMALLEST, min(fetched, _MESSAGE))
    return {**made, **given}


def settings(options: Mapping[str, object], group: str) -> dict[str, object]:
    """The settings of a consumer of the group `group`, or of that name behind the one that the connection says.

    Members of one group share its partitions, so that no two streams may be in one, wherever they run.

    Raises:
        UsageError: an option is missing or is flowc's own affair.
    """
    servers = text(options, "bootstrap_servers")
    if not servers:
        raise _unusable("a Kafka connection needs `bootstrap_servers`", "bootstrap_servers: broker:9092")
    given = _properties(options)
    made = {**_defaults(given), **_security(options), **given, **_OWN}
    own = "-".join(filter(None, (text(options, "group_id"), group)))
    return {**made, "bootstrap.servers": servers, "group.id": own}


def producer_settings(options: Mapping[str, object], transactional_id: str | None) -> dict[str, object]:
    """The settings of a producer, of transactions where it has an id.

    Raises:
        UsageError: an option is missing or is flowc's own affair.
    """
    made = settings(options, "flowc")
    own = _PRODUCER.keys() | _OWN_PRODUCER.keys() | {"transactional.id"}
    left = {"group.id", *_OWN, *(_DEFAULTS.keys() - own)} - _properties(options).keys()
    kept = {name: value for name, value in made.items() if name not in left}
    fixed = {**_OWN_PRODUCER, **({"transactional.id": transactional_id} if transactional_id else _ONE_AT_A_TIME)}
    for name in fixed.keys() & _properties(options).keys():
        raise _unusable(f"`{name}` cannot be set: what is written once rests on it", f"leave out `{name}`")
    return {**_PRODUCER, **kept, **fixed}


def secrets(made: Mapping[str, object]) -> tuple[str, ...]:
    """What of the settings must not be shown."""
    return tuple(str(value) for name, value in made.items() if value and names_secret(name))


def is_incremental(made: Mapping[str, object]) -> bool:
    """Whether the group moves single partitions, and not all at every change."""
    return _new_protocol(made) or "cooperative" in str(made.get("partition.assignment.strategy", ""))


def _defaults(given: Mapping[str, object]) -> dict[str, object]:
    """What is set where the connection does not, in librdkafka's bounds of what it does set.

    Kafka's newer group protocol has its strategy on the broker.
    """
    left = ("partition.assignment.strategy",) if _new_protocol(given) else ()
    above = {name: number(given, lower, 0) + more for name, (lower, more) in _ABOVE.items()}
    return {
        name: max(value, above[name]) if name in above and isinstance(value, int) else value
        for name, value in _DEFAULTS.items()
        if name not in left
    }


def number(given: Mapping[str, object], name: str, default: int) -> int:
    """What the connection sets; what is no number librdkafka refuses itself."""
    value = str(given.get(name, default))
    return int(value) if value.isdecimal() and len(value) <= _DIGITS else default


def _new_protocol(made: Mapping[str, object]) -> bool:
    return str(made.get("group.protocol", "")).lower() == "consumer"


def _properties(options: Mapping[str, object]) -> dict[str, object]:
    found = _mapping(options, "properties")
    for name in found:
        if name in _TAKEN:
            raise _unusable(f"`{name}` stands in `properties`", f"write it as `{_TAKEN[name]}` of the connection")
        if name in _OWN:
            raise _unusable(f"`{name}` cannot be set: flowc keeps positions itself", f"leave out `{name}`")
    return {name: str(value).lower() if isinstance(value, bool) else value for name, value in found.items()}


def _security(options: Mapping[str, object]) -> dict[str, object]:
    security = _mapping(options, "security")
    if security.get("mechanism") == "AWS_MSK_IAM":
        message = "the mechanism `AWS_MSK_IAM` cannot run yet"
        raise UsageError(message, code="not-runnable-yet", help="use SCRAM-SHA-512, or mutual TLS")
    files = {name: _file(options, name, str(security[name])) for name in _FILES if name in security}
    return {_SECURITY[name]: value for name, value in {**security, **files}.items() if name in _SECURITY}


def _file(options: Mapping[str, object], name: str, given: str) -> str:
    """A file's path from the project's root; what librdkafka says where it is missing does not name it."""
    path = Path(text(options, "root") or "") / given
    if not path.is_file():
        raise _unusable(f"there is no file `{path}`", f"correct `{name}` in the connection's `security`")
    return str(path)


def _mapping(options: Mapping[str, object], name: str) -> dict[str, object]:
    found = options.get(name) or {}
    if not isinstance(found, Mapping):
        raise _unusable(f"the option `{name}` is no mapping", f"{name}: {{ … }}")
    return {str(key): value for key, value in found.items()}


def _unusable(message: str, help: str) -> UsageError:
    return UsageError(message, code="unusable-option", help=help)
