"""Plans of streams as JSON, which a state store keeps with the epochs that a plan has intended.

Reading makes plain values of known classes and runs no Python code. The plan holds finished SQL, so whoever can write
the store can have SQL run on the targets. A plan names connections and holds none of their options.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from enum import Enum
from hashlib import sha256
from typing import Any

from flowc import catalog, loadplan, nodes, stream, types
from flowc.nodes import NodePlan, SqlPlan
from flowc.runtime.contracts.epoch import Maker
from flowc.source import MappedText
from flowc.stream import StreamPlan

_CLASS, _LIST, _MAP, _SET = "$", "$list", "$map", "$set"
_CLASSES: Mapping[str, type[Any]] = {
    name: each
    for module in (catalog, loadplan, nodes, stream, types)
    for name, each in vars(module).items()
    if isinstance(each, type) and (is_dataclass(each) or issubclass(each, Enum))
}


def maker(plan: StreamPlan) -> Maker:
    """A plan as it is kept with the epochs that it intends."""
    return Maker(fingerprint(plan), zlib.compress(_json(_encoded(plan)).encode()))


def made_by(kept: Maker) -> StreamPlan | None:
    """The plan that was kept; None for one that this version does not read."""
    try:
        found = _decoded(json.loads(zlib.decompress(kept.data)))
    except (ValueError, TypeError, KeyError, zlib.error):
        return None
    return found if isinstance(found, StreamPlan) and found.version == stream.VERSION else None


def fingerprint(plan: StreamPlan) -> str:
    """What tells plans apart that make other rows of the same messages, or write them elsewhere.

    How tables are made and positions are kept follows from the tables as they are, and says nothing of the rows.
    """
    letters = plan.letters.identity if plan.letters is not None else None
    said = [
        plan.version, plan.sources, [_node(node) for node in plan.nodes], [target.identity for target in plan.targets],
        letters, plan.on_error, [replace(each, refresh=None) for each in plan.lookups], plan.watermark, plan.passing,
    ]  # fmt: skip
    return sha256(_json(_encoded(said)).encode()).hexdigest()


def _node(node: NodePlan) -> NodePlan:
    return node if isinstance(node, SqlPlan) else replace(node, max_bytes=0)


def _json(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), sort_keys=True)


def _encoded(value: object) -> object:
    if isinstance(value, Enum):
        return {_CLASS: type(value).__name__, "value": value.value}
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, MappedText):  # where a text stands in specs that may be other ones by now
        return None
    if isinstance(value, list):
        return {_LIST: [*map(_encoded, value)]}
    if isinstance(value, tuple):
        return [*map(_encoded, value)]
    if isinstance(value, frozenset):
        return {_SET: [*map(_encoded, sorted(value))]}
    if isinstance(value, Mapping):
        return {_MAP: [[_encoded(key), _encoded(each)] for key, each in value.items()]}
    if _CLASSES.get(type(value).__name__) is not type(value):
        raise TypeError(f"a plan holds {type(value).__name__}")
    parts = ((field.name, getattr(value, field.name)) for field in fields(value) if field.init)  # type: ignore[arg-type]
    return {_CLASS: type(value).__name__, **{name: _encoded(each) for name, each in parts}}


def _decoded(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(map(_decoded, value))
    if not isinstance(value, dict):
        return value
    if _LIST in value:
        return [*map(_decoded, value[_LIST])]
    if _SET in value:
        return frozenset(map(_decoded, value[_SET]))
    if _MAP in value:
        return {_decoded(key): _decoded(each) for key, each in value[_MAP]}
    return _CLASSES[value[_CLASS]](**{name: _decoded(each) for name, each in value.items() if name != _CLASS})
