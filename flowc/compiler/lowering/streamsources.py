"""The sources of a stream beside each other, as the SQL that nobody wrote: their union by name, or their join."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from flowc.catalog import Column
from flowc.compiler.front.streamspec import JoinSpec, StreamSpec
from flowc.compiler.ir import Source
from flowc.compiler.lowering.streamtime import microseconds
from flowc.compiler.quote import ident
from flowc.diagnostics import Reporter
from flowc.nodes import TIME
from flowc.source import MappedText, Segment
from flowc.stream import EXTRAS

_PREFIXES = ("left_", "right_")


def union_text(stream: StreamSpec, sources: Sequence[Source], reporter: Reporter) -> MappedText | None:
    """The query for several sources without one: all of their rows, columns by name, NULL where one has none.

    None where columns are unknown, or after an error: a column that has two types.
    """
    known = dict[str, tuple[Column, Source]]()
    right = True
    for source in sources:
        for column in source.columns or ():
            first, whose = known.setdefault(column.name, (column, source))
            if first.type != column.type:
                _conflict(stream, (source, column), (whose, first), reporter)
                right = False
    if not right or not known or any(source.columns is None for source in sources):
        return None
    parts = (f"SELECT {', '.join(_chosen(source, known))} FROM {ident(source.name)}" for source in sources)
    text, span = " UNION ALL ".join(parts), stream.span
    return MappedText(text, span.file, (Segment(0, len(text), span.start, span.end),))


def join_text(stream: StreamSpec, join: JoinSpec, sources: Sequence[Source]) -> MappedText | None:
    """The query that the block `join` stands for: columns of both sides, those that both have behind their prefixes.

    None where columns are unknown, or the block is not whole.
    """
    found = [next((s for s in sources if side and s.name == side.value), None) for side in (join.left, join.right)]
    left, right = found
    if left is None or right is None or left.columns is None or right.columns is None or not _is_whole(join, found):
        return None
    names = ("left", "right") if left is right else (left.name, right.name)
    both = {column.name for column in left.columns} & {column.name for column in right.columns}
    prefixes = [prefix.value for prefix in join.prefixes] or _PREFIXES
    chosen = [
        f"{ident(name)}.{ident(column.name)} AS {ident(prefix + column.name if column.name in both else column.name)}"
        for name, source, prefix in zip(names, (left, right), prefixes, strict=True)
        for column in source.columns or ()
    ]
    one, other = (f"{ident(source.name)} AS {ident(name)}" for source, name in zip((left, right), names, strict=True))
    keys = [" = ".join(f"{ident(name)}.{ident(key.value)}" for name in names) for key in join.on]
    times = [f"{ident(name)}.{TIME}" for name in names]
    bounds = " AND ".join(f"{times[0]} + INTERVAL '{bound} microseconds'" for bound in _bounds(join))
    kind = (join.kind.value if join.kind else "inner").upper()
    on = " AND ".join([*keys, f"{times[1]} BETWEEN {bounds}"])
    text, span = f"SELECT {', '.join(chosen)} FROM {one} {kind} JOIN {other} ON {on}", join.span
    return MappedText(text, span.file, (Segment(0, len(text), span.start, span.end),))


def _is_whole(join: JoinSpec, sides: Sequence[Source | None]) -> bool:
    """Whether it says what it has to; what is wrong with it has been reported."""
    known = [{column.name for column in side.columns or ()} | EXTRAS.keys() for side in sides if side is not None]
    bounded = (join.within is not None) != (len(join.between) == 2)
    least, most = _bounds(join) if bounded else (1, 0)
    return least <= most and all(key.value in names for key in join.on for names in known)


def _bounds(join: JoinSpec) -> tuple[int, int]:
    if join.within is not None:
        return -microseconds(join.within.value), microseconds(join.within.value)
    least, most = (microseconds(bound.value) for bound in join.between)
    return least, most


def _chosen(source: Source, columns: Mapping[str, tuple[Column, Source]]) -> Iterator[str]:
    own = {column.name for column in source.columns or ()}
    for name, (column, _) in columns.items():
        yield ident(name) if name in own else f"CAST(NULL AS {column.type}) AS {ident(name)}"


def _conflict(stream: StreamSpec, one: tuple[Source, Column], other: tuple[Source, Column], reporter: Reporter) -> None:
    (source, column), (earlier, first) = one, other
    message = f"`{column.name}` is `{column.type}` in source `{source.name}` and `{first.type}` in `{earlier.name}`"
    helps = ("declare one type in both, or write the `sql` that puts the sources together",)
    spec = next(each for each in stream.sources if each.name.value == source.name)
    written = (each.type.span for each in spec.columns or () if each.name.value == column.name)
    reporter.error("type-mismatch", message, next(written, spec.name.span), helps=helps)
