"""The condition by which a commit finds the rows it replaces, with bounds that let it pass over files."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any

from flowc.loadplan import Attach
from flowc.runtime.names import literal, quoted
from flowc.runtime.systems.delta.bench import Bench
from flowc.types import Kind

_MOST_PARTITIONS = 200
# Kinds whose smallest and largest values the log keeps exactly.
_BOUNDED = (Kind.INT8, Kind.INT16, Kind.INT32, Kind.INT64, Kind.DATE)
_NAMED = (*_BOUNDED, Kind.TEXT)


def matching(bench: Bench, gone: str, identity: tuple[str, ...]) -> str:
    """Equality of a target row `t` and a source row `s`; NULLs are equal where there are any."""
    return " AND ".join(_equal(quoted(name), _has_null(bench, gone, name)) for name in identity)


def _has_null(bench: Bench, gone: str, name: str) -> bool:
    return bench.number(f"SELECT count(*) FROM {gone} WHERE {quoted(name)} IS NULL") > 0


def _equal(name: str, nulls: bool) -> str:
    same = f"t.{name} = s.{name}"
    return f"({same} OR (t.{name} IS NULL AND s.{name} IS NULL))" if nulls else same


def pruning(bench: Bench, rows: str, step: Attach) -> str:
    """Bounds on the target that `rows`, those that go, all keep: their partitions, and the range of their keys."""
    kinds = {column.name: column.type.kind for column in step.table.columns}
    parts = [*_partitions(bench, rows, step, kinds), *_ranges(bench, rows, step, kinds)]
    return "".join(f" AND {part}" for part in parts)


def _partitions(bench: Bench, rows: str, step: Attach, kinds: dict[str, Kind]) -> Iterator[str]:
    for name in step.table.partition_by:
        if kinds.get(name) not in _NAMED:
            continue
        found = bench.values(f"SELECT DISTINCT {quoted(name)} FROM {rows} AS r LIMIT {_MOST_PARTITIONS + 1}")
        if len(found) <= _MOST_PARTITIONS:
            values = [_literal(value) for (value,) in found if value is not None]
            parts = [f"t.{quoted(name)} IN ({', '.join(values)})"] if values else []
            parts += [f"t.{quoted(name)} IS NULL"] if len(values) < len(found) else []
            yield "(" + " OR ".join(parts) + ")"


def _ranges(bench: Bench, rows: str, step: Attach, kinds: dict[str, Kind]) -> Iterator[str]:
    names = [n for n in step.identity if kinds.get(n) in _BOUNDED and n not in step.table.partition_by]
    for name in names:
        column = quoted(name)
        sql = f"SELECT min({column}), max({column}), count(*) - count({column}) FROM {rows} AS r"
        least, most, nulls = bench.values(sql)[0]
        if not nulls and least is not None:
            yield f"t.{column} >= {_literal(least)} AND t.{column} <= {_literal(most)}"


def _literal(value: Any) -> str:
    if isinstance(value, date):
        return f"CAST('{value.isoformat()}' AS DATE)"
    return literal(value) if isinstance(value, str) else str(value)
