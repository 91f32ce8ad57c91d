"""`alerts`: nodes to `AlertSpec`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from flowc.compiler.front.nodes import content, name, names, seconds, whole
from flowc.compiler.front.schemas import load
from flowc.compiler.front.spec import Json, Name
from flowc.compiler.front.yamlmap import mapped
from flowc.compiler.front.yamltree import Entry, Scalar, TreeMap, plain
from flowc.masking import names_secret
from flowc.source import Located, MappedText, Span

_OF_ALL = frozenset(("kind", "on", "only", "repeat", "lag", "restarts", "body"))
"""What is read here; all other keys are options of the kind."""


@dataclass(frozen=True, slots=True)
class AlertSpec:
    """One of `alerts`. `options` are those of its kind, plain, with `${…}` unresolved; `lag`, `repeat` in seconds."""

    name: Name
    kind: Name
    options: Mapping[str, Json] = field(repr=False)
    spans: Mapping[str, Span]
    """Where each option's value stands."""
    on: tuple[Name, ...] = ()
    """What is told; empty where nothing is said."""
    only: tuple[Name, ...] = ()
    repeat: float | None = None
    lag: float | None = None
    restarts: int | None = None
    body: MappedText | None = None


def build_alert(entry: Entry) -> AlertSpec:
    """One entry of `alerts`, whose shape has been checked."""
    node = entry.value
    assert isinstance(node, TreeMap)
    kind, body = name(node.get("kind")), node.get("body")
    assert kind is not None
    own = {key: each.value for key, each in node.entries.items() if key not in _OF_ALL}
    return AlertSpec(
        name=Located(entry.key.text, content(entry.key)),
        kind=kind,
        options={key: plain(value) for key, value in own.items()},
        spans={key: value.span for key, value in own.items()},
        on=names(node.get("on")),
        only=names(node.get("only")),
        repeat=seconds(node.get("repeat")),
        lag=seconds(node.get("lag")),
        restarts=whole(node.get("restarts")),
        body=mapped(body) if isinstance(body, Scalar) else None,
    )


def secret_keys(kind: str) -> frozenset[str]:
    """The options of a kind of alert whose values are secrets as a whole."""
    return frozenset(key for key, schema in _options(kind) if schema.get("x-secret"))


def tells_sender(header: str) -> bool:
    """Whether a header is one by which a sender is known, and its value a secret."""
    return header.lower() in ("authorization", "x-api-key", "cookie") or names_secret(header)


def _options(kind: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for branch in load("project.json")["$defs"]["alert"]["oneOf"]:
        if branch["properties"]["kind"]["const"] == kind:
            yield from branch["properties"].items()
