"""Objects of JSON in which a field stands twice: one of its values would be lost, without a word, by what reads it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc


def demand_once(messages: pa.BinaryArray, name: str) -> None:
    """Raises ValueError when an object has a field of that name twice; msgspec would take the last."""
    spelled = json.dumps(name, ensure_ascii=False).encode()
    perhaps = pc.greater(pc.count_substring(messages, spelled), 1)
    escaped = pc.match_substring(messages, b"\\u00" if name.isascii() else b"\\u")
    for message in messages.filter(pc.or_(perhaps, escaped)).to_pylist():
        demand_unique(message, (name,))


def demand_unique(message: bytes, names: Sequence[str]) -> None:
    """Raises ValueError when the object has a field of one of these names twice."""
    outermost: list[tuple[str, Any]] = []

    def keep(pairs: list[tuple[str, Any]]) -> None:
        outermost[:] = pairs

    try:
        json.loads(message, object_pairs_hook=keep)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    found = [name for name, _ in outermost]
    for name in names:
        if found.count(name) > 1:
            raise ValueError(f"the field `{name}` stands in it twice")
