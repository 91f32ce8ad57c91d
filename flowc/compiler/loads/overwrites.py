"""Values that an UPDATE would leave as they are, since the engine holds the new ones equal to them.

DuckDB does not write `-0.0` over `0.0`, or `1 month` over `30 days`. Another value is written there first. A NULL may
have such a value beneath it.
"""

from __future__ import annotations

from collections.abc import Iterator

from flowc.compiler.loads.apart import apart
from flowc.compiler.loads.load import Load
from flowc.compiler.loads.statements import update_from
from flowc.compiler.quote import ident, qualified
from flowc.loadplan import Execute
from flowc.types import DataType, Kind


def overwritten(load: Load, source: str, alias: str, condition: str) -> Iterator[Execute]:
    """Writes other values where a following update of the same rows would pass over what it is to write.

    `condition` is that of the update, which holds after this as well.
    """
    (t,) = load.aliases("t")
    places = {
        name: (other, _passed_over(load, name, qualified(name, t), qualified(name, alias)))
        for name in _updated(load)
        if (column := load.row_column(name)) and (other := _unequal(column.type, qualified(name, alias), load))
    }
    if not places:
        return
    sets = [
        f"{ident(name)} = CASE WHEN {passed} THEN {other} ELSE {qualified(name, t)} END"
        for name, (other, passed) in places.items()
    ]
    anywhere = load.any_of(passed for _, passed in places.values())
    sql = update_from(load, sets, source, alias, f"{condition} AND ({anywhere})")
    yield Execute("make room for values that the engine holds equal", sql)


def _updated(load: Load) -> tuple[str, ...]:
    """The columns that an update writes; none where one is in an index, for then it writes rows anew."""
    names = tuple(name for name in load.names if name not in load.keys)
    indexed = {*load.table.primary_key, *(c for index in load.table.indexes for c in index.columns)}
    return () if indexed & set(names) else names


def _passed_over(load: Load, name: str, old: str, new: str) -> str:
    """The condition that the engine holds two values equal, or the old one is NULL, and that they differ."""
    column = load.row_column(name)
    form = (column and apart(column.type, load.dialect)) or load.comparable(name, "{x}")
    differ = load.dialect.compare.differ.format(a=form.format(x=old), b=form.format(x=new))
    same = load.dialect.compare.same.format(a=old, b=new)
    return f"(({old} IS NULL OR {same}) AND {differ})"


def _unequal(kind: DataType, x: str, load: Load) -> str | None:
    """A value of the type that is not equal to `x`; None where an update writes every value."""
    if kind.kind is not Kind.STRUCT:
        other = load.dialect.writes.passed_over.get(kind.kind)
        return other and other.format(x=x)
    fields = [(ident(name), f"({x}).{ident(name)}", field) for name, field in kind.fields]
    others = [(name, own, _unequal(field, own, load)) for name, own, field in fields]
    if not any(other for _, _, other in others):
        return None
    return "struct_pack(" + ", ".join(f"{name} := {other or own}" for name, own, other in others) + ")"
