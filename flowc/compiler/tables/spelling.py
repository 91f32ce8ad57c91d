"""Names of columns that an engine takes for the same although they are spelled in another case."""

from __future__ import annotations

from collections.abc import Iterable

from flowc.catalog import Table
from flowc.compiler.dialect import Dialect


def respelled(table: Table, names: Iterable[str], dialect: Dialect) -> Table:
    """The table with its columns as `names` spell them; of two spellings the first counts."""
    known: dict[str, str] = {}
    for name in names:
        known.setdefault(dialect.fold(name), name)
    return table.with_names({c.name: known.get(dialect.fold(c.name), c.name) for c in table.columns})
