"""A new column that has the name of a rename which was never made is no earlier column under another name."""

from __future__ import annotations

from flowc.catalog import Column, Table, TableName
from flowc.compiler.migrate.unfinished import from_applied
from flowc.migration import Managed, WantedTable
from flowc.types import BIGINT


def _table(*names: str) -> Table:
    return Table(TableName(None, "t"), tuple(Column(name, BIGINT) for name in names))


def _wanted(*names: str, renamed: tuple[tuple[str, str], ...] = ()) -> WantedTable:
    return WantedTable("w", "sqlite", "t", _table(*names), renamed, unfinished=(("a", "b"),))


LAST = Managed("t", _table("a", "c"))


def test_a_new_column_beside_the_one_that_was_to_have_its_name_comes_from_none():
    assert from_applied(_wanted("a", "b", "c"), LAST) == ()


def test_a_renamed_column_whose_name_another_one_takes_is_still_found():
    assert from_applied(_wanted("b"), LAST) == (("b", "a"),)
    said = (("a", "c"),)
    assert from_applied(_wanted("a", "b", renamed=said), LAST) == (*said, ("b", "a"))
