"""Values of different bytes that an engine holds equal: zeros of both signs, decimals of other scales, intervals."""

from __future__ import annotations

from collections.abc import Iterator

from flowc.compiler.dialect import Dialect
from flowc.types import DataType, Kind


def apart(kind: DataType, dialect: Dialect) -> str | None:
    """What of a value `{x}` of a type tells it from an equal one; None where equal values have the same bytes."""
    rules = dialect.compare
    if kind.kind in (Kind.ARRAY, Kind.STRUCT):
        ambiguous = any(apart(leaf, dialect) or leaf.kind in rules.comparable for leaf in leaves(kind))
        return rules.apart.get(kind.kind) if ambiguous else None
    fixed = kind.kind is Kind.DECIMAL and kind.precision is not None
    return None if fixed else rules.apart.get(kind.kind)


def leaves(kind: DataType) -> Iterator[DataType]:
    """The types inside an array or a struct, at any depth, that are neither."""
    inner = tuple(field for _, field in kind.fields) if kind.kind is Kind.STRUCT else (kind.element,)
    for each in inner:
        if each is not None and each.kind in (Kind.ARRAY, Kind.STRUCT):
            yield from leaves(each)
        elif each is not None:
            yield each
