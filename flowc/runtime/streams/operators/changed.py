"""What of an operator is not as it was, in the words of those who wrote it: `its size was 1m, is 5m`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from flowc.durations import duration_text

_BETWEEN = re.compile(r", (?![^(]*\))")
_TIMES = frozenset({"size", "step", "within", "offset", "reopen", "emit", "group_ttl"})
_NAMES = {
    "from": "query before it",
    "timezone": "time zone",
    "reopen": "allowed lateness",
}
AGGREGATES = "aggregates"
"""Under this key, a fingerprint has a list for each aggregate."""
_OPERATORS = {"running": "running aggregate"}
_SPELLED = {("hopping", "step"): "slide", ("session", "step"): "gap", ("session", "size"): "max_duration"}


UPSTREAM = ("functions", "lookups")
"""Under these, a fingerprint says by their names what functions are and lookups read that make its rows."""


def keeps_more(before: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
    """Whether groups are the same but for aggregates that are no more, or in another order."""
    apart: dict[str, Any] = dict.fromkeys((AGGREGATES, *UPSTREAM), ())
    alike = {**before, **apart} == {**now, **apart} and not [*edited(before, now)]
    return alike and all(each in before.get(AGGREGATES, ()) for each in now.get(AGGREGATES, ()))


def edited(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    """The functions and lookups that give other values than before, in words."""
    for sort in UPSTREAM:
        was = before.get(sort, {})
        yield from (f"{sort[:-1]} `{name}`" for name, each in now.get(sort, {}).items() if was.get(name) != each)


def changed(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """What differs between two fingerprints, which are of operators of one sort."""
    was, is_ = (str(said.get("operator", "")) for said in (before, now))
    if not was.isidentifier() or (was == is_ and before.get("format") != now.get("format")):
        return "what it remembers was kept by another version of flowc"
    if was != is_:
        return f"it was a {_OPERATORS.get(was, was)}, and is a {_OPERATORS.get(is_, is_)}"
    parts = [*_parts(before, now)]
    return f"its {' and its '.join(parts)}" if parts else f"{' and '.join(edited(before, now))} changed"


def _parts(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    kind = now.get("kind", "")
    for name in dict.fromkeys(name for name in (*now, *before) if name not in UPSTREAM):
        was, is_ = before.get(name), now.get(name)
        # of windows side by side, the step is the size; of those of another kind, it is another thing
        if was == is_ or (name == "step" and (kind == "tumbling" or kind != before.get("kind"))):
            continue
        word = _SPELLED.get((kind, name), _NAMES.get(name, name))
        yield f"{word} changed" if name == "from" else f"{word} {_pair(name, was, is_)}"


def _pair(name: str, was: Any, is_: Any) -> str:
    many = isinstance(is_, list)
    before, after = _shown(name, was), _shown(name, is_)
    if name == AGGREGATES and was and is_ and _called(was) != _called(is_):
        before, after = _called(was), _called(is_)  # what is declared of them is of no matter then
    return f"{'were' if many else 'was'} {before}, {'are' if many else 'is'} {after}"


def _shown(name: str, value: Any) -> str:
    if name == "group_ttl" and value is None:
        return "never"
    if name == "emit" and not value:
        return "final"
    if name in _TIMES:
        return duration_text(value) if value else "0"
    if isinstance(value, list):
        told = (_aggregate(each) if name == AGGREGATES else _words(each) for each in value)
        return f"({', '.join(told)})"
    return "UTC" if name == "timezone" and value is None else str(value)


def _called(aggregates: Sequence[Sequence[Any]]) -> str:
    """Calls of aggregates, without what is declared of those of the project."""
    return _shown(AGGREGATES, [[*each[:5], "", *each[6:]] for each in aggregates])


def _words(value: Any) -> str:
    return " ".join(value) if isinstance(value, list) else str(value)


def _aggregate(parts: Sequence[Any]) -> str:
    """A call of an aggregate: its function, whether it is DISTINCT, the argument and its type, and the FILTER.

    Then, where there are such, what one of the project is declared as, and the level of a percentile.
    """
    function, distinct, value, kind, condition = parts[:5]
    declared, level = parts[5] if len(parts) > 5 else "", parts[6] if len(parts) > 6 else None
    given = f"{_typed(value, kind) or '*'}{'' if level is None else f', {level:g}'}"
    call = f"{function}({'DISTINCT ' if distinct else ''}{given})"
    call = f"{call} of {declared}" if declared else call
    return f"{call} FILTER (WHERE {condition})" if condition else call


def _typed(value: str, kind: str) -> str:
    """Arguments, each with its type where they can be told apart."""
    values, kinds = _BETWEEN.split(value), _BETWEEN.split(kind)
    pairs = zip(values, kinds, strict=True) if len(values) == len(kinds) else [(value, kind)]
    return ", ".join(" ".join(filter(None, pair)) for pair in pairs)
