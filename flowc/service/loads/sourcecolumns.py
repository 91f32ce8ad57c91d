"""The columns of sources that no spec declares: asked of them before the SQL over them is written.

What SQL on flowc's own engine means hangs on the types of what it reads, so a query is translated anew with those that
its sources have, and they are read as that.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from flowc.catalog import Column
from flowc.compiler.ir import Source, Sql
from flowc.compiler.loads.reads import ENGINE, read_of
from flowc.runtime.load import describe
from flowc.service.access.sessions import Sessions
from flowc.types import UNKNOWN

Found = Mapping[str, tuple[Column, ...]]
"""Columns by the name of their source."""


def found_columns(node: Source | Sql, sessions: Sessions) -> Found:
    """What the sources of a query that flowc itself runs have, where specs do not say all of it."""
    if isinstance(node, Source) or node.engine != ENGINE or node.source is None:
        return {}
    return {source.name: describe(read_of(source), sessions.source) for source in node.inputs if not _is_typed(source)}


def _is_typed(source: Source) -> bool:
    return source.columns is not None and all(column.type != UNKNOWN for column in source.columns)


def over(query: Source | Sql, given: Source | Sql) -> Source | Sql:
    """A query over given sources, in whose place it was lowered with columns that were found in them."""
    if isinstance(query, Source) or isinstance(given, Source):
        return given
    pairs = zip(given.inputs, query.inputs, strict=True)
    return replace(query, inputs=tuple(replace(own, columns=made.columns, found=made.found) for own, made in pairs))
