"""Which changes of a column's type leave PostgreSQL's stored rows as they are."""

from __future__ import annotations

from flowc.compiler.migrationlint.facts import TypeName
from flowc.compiler.migrationlint.tokens import words

SERIALS = frozenset(("serial", "bigserial", "smallserial"))
_SERIAL_TYPES = {"serial": "integer", "bigserial": "bigint", "smallserial": "smallint"}
_SAME_BYTES = frozenset(
    (
        ("character varying", "text"), ("text", "character varying"), ("cidr", "inet"), ("xml", "text"),
        ("xml", "character varying"),
    )
)  # fmt: skip
_WIDENS = frozenset(("character varying", "bit varying", "timestamp", "timestamp with time zone", "time", "interval"))
_WIDENS |= {"time with time zone"}
_ZONES = frozenset((("timestamp", "timestamp with time zone"), ("timestamp with time zone", "timestamp")))
_MAY_KEEP = _WIDENS | {"text", "numeric", "inet"}
_BUILT_IN = words(
    "integer bigint smallint real boolean date uuid json jsonb bytea money cidr macaddr point xml tsvector"
) | {"double precision", "character", "bit"}


def rewrites(old: TypeName | None, new: TypeName, *, using: bool) -> bool | None:
    """Whether the table is written anew; None when it depends on the old type, on USING, or on the session's zone."""
    if old is None:
        return None if new.name in _MAY_KEEP or new.name not in _BUILT_IN or new.array else True
    old = TypeName(_SERIAL_TYPES.get(old.name, old.name), old.args, old.array)
    kept = _keeps(old, new)
    if kept:
        return None if using else False
    return None if kept is None else True


def _keeps(old: TypeName, new: TypeName) -> bool | None:
    if old == new:
        return True
    if old.array or new.array:
        return False
    if (old.name, new.name) in _ZONES:
        return None  # none is written when the session's time zone is UTC
    if old.name == new.name == "numeric":
        return not new.args or (bool(old.args) and _numeric_widens(old.args, new.args))
    if old.name == new.name and new.name in _WIDENS:
        return not new.args or (bool(old.args) and _at_least(new.args, old.args))
    return (old.name, new.name) in _SAME_BYTES and not new.args


def _numeric_widens(old: tuple[str, ...], new: tuple[str, ...]) -> bool:
    return (old[1:] or ("0",)) == (new[1:] or ("0",)) and _at_least(new[:1], old[:1])


def _at_least(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    return one[0].isdecimal() and other[0].isdecimal() and int(one[0]) >= int(other[0])
