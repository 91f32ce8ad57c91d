"""A column that is absent, where more than one column may hold its values: nobody but the author can say which."""

from __future__ import annotations

import pytest

from flowc.catalog import Column, Table, TableName
from flowc.compiler.migrate.tableplan import plan_tables
from flowc.errors import UsageError
from flowc.migration import Change, Managed, WantedTable
from flowc.types import BIGINT, TEXT

NAME = TableName(None, "t")


def table(*names: str) -> Table:
    return Table(NAME, (Column("id", BIGINT, False), *(Column(name, TEXT) for name in names)), ("id",))


def changes(
    wanted: tuple[str, ...], live: tuple[str, ...], unfinished: tuple[tuple[str, str], ...], *renamed: tuple[str, str],
    applied: tuple[str, ...] = (),
) -> list[Change]:  # fmt: skip
    made = WantedTable("w", "sqlite", "t", table(*wanted), renamed, unfinished=unfinished)
    (plan,) = plan_tables(
        "w", "sqlite", [made], live={NAME: table(*live)}, managed=[Managed("t", table(*(applied or live)))]
    )
    return [change for change in plan.changes if change.kind in ("add_column", "rename_column")]


@pytest.mark.parametrize("unfinished", [(("a", "b"), ("x", "b")), (("a", "b"), ("b", "c"), ("c", "x"))])
def test_it_is_not_added_empty(unfinished: tuple[tuple[str, str], ...]):
    (added,) = changes(("b",), ("a", "x"), unfinished)
    assert added.kind == "add_column"
    assert added.statements == ()
    assert "may have left its values in `a` or `x`: say which with `renamed_from`" in (added.blocked or "")


def test_the_author_says_which():
    (renamed,) = changes(("b",), ("a", "x"), (("a", "b"), ("x", "b")), ("b", "x"))
    assert (renamed.kind, renamed.before, renamed.column, renamed.blocked) == ("rename_column", "x", "b", None)


def test_one_that_others_keep_is_no_candidate():
    (renamed,) = changes(("a", "b"), ("a", "x"), (("a", "b"), ("x", "b")))
    assert (renamed.kind, renamed.before, renamed.blocked) == ("rename_column", "x", None)


def test_one_that_the_specs_declare_as_another_column_may_hold_the_values():
    (added,) = changes(("b", "c"), ("b",), (("a", "b"),), ("c", "a"), applied=("a",))
    assert (added.kind, added.column, added.statements) == ("add_column", "c", ())
    assert "say which with `renamed_from`, and declare `b` when that is applied" in (added.blocked or "")


def test_two_columns_do_not_get_the_values_of_one():
    renamed, added = changes(("b", "c"), ("a",), (("b", "a"),), ("c", "a"))
    assert (renamed.kind, renamed.before, renamed.column) == ("rename_column", "a", "c")
    assert (added.kind, added.column, added.blocked) == ("add_column", "b", None)


def test_one_column_that_may_hold_the_values_of_two_is_given_to_neither():
    found = changes(("b", "c"), ("a",), (("b", "a"), ("a", "c")), applied=("b",))
    assert [(c.kind, c.column, c.statements) for c in found] == [("add_column", "b", ()), ("add_column", "c", ())]
    assert all("may have left its values in `a`" in (c.blocked or "") for c in found)


def test_a_name_that_two_columns_may_have_had_is_no_one_of_theirs():
    (added,) = changes(("o", "n"), ("n", "x"), (("n", "x"), ("o", "n")), applied=("o", "n"))
    assert (added.kind, added.column, added.statements) == ("add_column", "o", ())


SWAP = (("a", "x"), ("b", "a"), ("x", "b"))


@pytest.mark.parametrize(
    ("wanted", "renamed"),
    [
        (("a", "b"), ()),
        (("b", "a"), (("b", "x"),)),
        (("x", "a"), (("x", "a"), ("a", "b"))),
        (("x", "b"), (("x", "a"),)),
    ],
    ids=["the first version", "the last one again", "the one between", "another one"],
)
def test_two_columns_that_may_have_swapped_their_names_are_refused(
    wanted: tuple[str, ...], renamed: tuple[tuple[str, str], ...]
):
    with pytest.raises(UsageError) as refused:
        changes(wanted, ("a", "b"), SWAP, *renamed, applied=("a", "b"))
    assert "may have left the values of" in refused.value.message
    assert "names that no version had, with `renamed_from`" in (refused.value.help or "")


def test_the_author_gives_swapped_columns_new_names():
    first, second = changes(("p", "q"), ("a", "b"), SWAP, ("p", "a"), ("q", "b"), applied=("a", "b"))
    assert [(c.before, c.column, c.blocked) for c in (first, second)] == [("a", "p", None), ("b", "q", None)]


def test_a_column_that_has_the_name_of_another_one_is_refused():
    with pytest.raises(UsageError, match="left the values of `b` in `a`"):
        changes(("x", "a"), ("x", "a"), SWAP[:2], applied=("a", "b"))


@pytest.mark.parametrize(
    ("wanted", "live", "unfinished", "renamed"),
    [
        (("x", "a"), ("x", "a"), SWAP[:2], (("x", "a"), ("a", "b"))),
        (("x", "a"), ("x", "b"), SWAP[:2], (("x", "a"), ("a", "b"))),
        (("a", "b"), ("a", "b"), (("a", "x"), ("x", "a"), ("a", "x")), ()),
        (("a", "b"), ("a", "b"), (("a", "x"), ("b", "y"), ("x", "a"), ("y", "b")), (("a", "x"), ("b", "y"))),
    ],
    ids=["again at its end", "again in its middle", "there and back", "each there and back"],
)
def test_an_apply_that_is_run_again_is_not_refused(
    wanted: tuple[str, ...], live: tuple[str, ...], unfinished: tuple[tuple[str, str], ...],
    renamed: tuple[tuple[str, str], ...],
):  # fmt: skip
    assert all(c.blocked is None for c in changes(wanted, live, unfinished, *renamed, applied=("a", "b")))
