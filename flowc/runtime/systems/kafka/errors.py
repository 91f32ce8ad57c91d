"""Kafka's errors as ours, by the names that librdkafka gives them, in the broker's own words, without secrets."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from flowc.errors import DataError, EngineError, FlowcError, TransientError, UsageError
from flowc.masker import redact

_DENIED = (
    "_AUTHENTICATION", "SASL_AUTHENTICATION_FAILED", "TOPIC_AUTHORIZATION_FAILED", "GROUP_AUTHORIZATION_FAILED",
    "CLUSTER_AUTHORIZATION_FAILED", "TRANSACTIONAL_ID_AUTHORIZATION_FAILED", "UNSUPPORTED_SASL_MECHANISM",
    "ILLEGAL_SASL_STATE",
)  # fmt: skip
_UNREACHED = (
    "_TRANSPORT",
    "_ALL_BROKERS_DOWN",
    "_RESOLVE",
    "_TIMED_OUT",
    "_TIMED_OUT_QUEUE",
    "_WAIT_COORD",
    "_MSG_TIMED_OUT",
)
_LOST = ("_MAX_POLL_EXCEEDED", "_ASSIGNMENT_LOST", "ILLEGAL_GENERATION", "UNKNOWN_MEMBER_ID", "REBALANCE_IN_PROGRESS")
_MISSING = ("UNKNOWN_TOPIC_OR_PART", "_UNKNOWN_TOPIC", "_UNKNOWN_PARTITION", "TOPIC_EXCEPTION")
_REFUSED = ("MSG_SIZE_TOO_LARGE", "INVALID_RECORD", "RECORD_LIST_TOO_LARGE")
_OVERTAKEN = ("_FENCED", "PRODUCER_FENCED", "INVALID_PRODUCER_EPOCH", "INVALID_PRODUCER_ID_MAPPING")
_OPTIONS = ("_INVALID_ARG", "_CONFLICT", "_UNKNOWN_PROTOCOL")
_NAMES: dict[str, tuple[type[FlowcError], str]] = {
    **dict.fromkeys(_DENIED, (EngineError, "access-denied")),
    **dict.fromkeys(_UNREACHED, (TransientError, "connection-failed")),
    **dict.fromkeys(_LOST, (TransientError, "connection-lost")),
    **dict.fromkeys(_MISSING, (EngineError, "missing-topic")),
    **dict.fromkeys(_REFUSED, (DataError, "value-refused")),
    **dict.fromkeys(_OPTIONS, (UsageError, "unusable-option")),
    "_SSL": (EngineError, "connection-failed"),
}
_HELPS = {
    "access-denied": "check the user, the password and the mechanism in the connection's `security`, and what the user "
    "may read",
    "connection-failed": "check that the broker runs and that `bootstrap_servers` and `security` are right",
    "missing-topic": "create the topic, or correct its name: flowc never creates one that it reads",
}


def failure(error: Any, secrets: Iterable[str] = (), *, about: str = "") -> FlowcError:
    """An error of librdkafka as ours; `secrets` are blotted out, `about` says what it is about."""
    kind, code = _NAMES.get(error.name(), (EngineError, "query-refused"))
    if kind is EngineError and code == "query-refused" and error.retriable():
        kind, code = TransientError, "connection-lost"
    return kind(about + words(error, secrets), code=code, help=_HELPS.get(code))


def words(error: Any, secrets: Iterable[str] = ()) -> str:
    """What an error says, on one line."""
    return redact(" ".join(str(error.str()).split()) or str(error.name()), secrets)


def is_final(error: Any) -> bool:
    """Whether an error that librdkafka tells in passing is one that it will not get over."""
    return bool(error.fatal()) or error.name() in (*_DENIED, "_SSL")


def is_overtaken(error: Any) -> bool:
    """Whether a newer producer of the same name has taken this one's place."""
    return error.name() in _OVERTAKEN
