"""What an alteration means to data and people: its risk, its words, and the prechecks that tell whether it can work."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import assert_never

from flowc.catalog import ROW_ID, Column, Index, Table
from flowc.compiler.migrate import alteration as kinds
from flowc.compiler.migrate.alteration import Alteration, Situation
from flowc.compiler.migrate.repeats import new_repeats, repeat_check
from flowc.compiler.migrate.retype import Retype, retype
from flowc.compiler.migrate.statements import is_constant
from flowc.compiler.quote import ident, table, text
from flowc.compiler.tables.ddl import index_name
from flowc.compiler.tables.made import way
from flowc.migration import Change, Precheck, Risk
from flowc.types import Kind


def describe(alteration: Alteration, situation: Situation) -> Change:
    """The change without its statements."""
    return replace(_described(alteration, situation), kind=alteration.kind)


def _described(alteration: Alteration, situation: Situation) -> Change:
    if isinstance(alteration, kinds.ColumnAlteration):
        return _of_column(alteration, situation)
    match alteration:
        case kinds.AddKey():
            return _add_key(alteration, situation)
        case kinds.DropKey():
            return _drop_key(alteration, situation)
        case kinds.CreateIndex():
            return _create_index(alteration, situation)
        case kinds.DropIndex():
            return _drop_index(alteration, situation)
        case kinds.RenameIndex():
            return _rename_index(alteration, situation)
        case kinds.AlterPartitions():
            return _alter_partitions(alteration, situation)
        case kinds.CommentTable():
            return _comment_table(alteration, situation)
        case kinds.DropLeftovers():
            return _drop_leftovers(situation)
    assert_never(alteration)


def _of_column(alteration: kinds.ColumnAlteration, situation: Situation) -> Change:
    match alteration:
        case kinds.AddColumn():
            return _add_column(alteration, situation)
        case kinds.DropColumn():
            return _drop_column(alteration, situation)
        case kinds.RenameColumn():
            return _rename_column(alteration, situation)
        case kinds.AlterType():
            return _alter_type(alteration, situation)
        case kinds.SetNotNull():
            return _set_not_null(alteration, situation)
        case kinds.DropNotNull():
            return _drop_not_null(alteration, situation)
        case kinds.SetDefault():
            return _set_default(alteration, situation)
        case kinds.DropDefault():
            return _drop_default(alteration, situation)
        case kinds.AlterGeneration():
            return _alter_generation(alteration, situation)
        case kinds.CommentColumn():
            return _comment_column(alteration, situation)
    assert_never(alteration)


def _change(situation: Situation, part: str, risk: Risk, summary: str, **more: object) -> Change:
    name = f"{situation.label}.{part}" if part else situation.label
    return replace(Change("", name, risk, summary, column=part or None), **more)  # type: ignore[arg-type]


def _doubt(name: str, situation: Situation) -> str | None:
    """Why a column cannot be added: more than one live column may hold its values."""
    found = dict(situation.doubtful).get(name)
    if found is None:
        return None
    listed = " or ".join(f"`{other}`" for other in found)
    said = f"versions that did not finish may have left its values in {listed}: say which with `renamed_from`"
    declared = ", ".join(f"`{other}`" for other in found if situation.wanted.column(other))
    return f"{said}, and declare {declared} when that is applied" if declared else said


def _add_column(alteration: kinds.AddColumn, situation: Situation) -> Change:
    column = alteration.now
    optional = column.nullable or column.default is not None
    check = () if optional else (_no_rows(column, situation),)
    risk = Risk.ADDITIVE if optional else Risk.DATA_DEPENDENT
    return _change(
        situation, column.name, risk, f"add column {written(column)}", after=written(column), prechecks=check,
        blocked=_doubt(column.name, situation),
    )  # fmt: skip


def _no_rows(column: Column, situation: Situation) -> Precheck:
    return Precheck(
        f"SELECT count(*) FROM {table(situation.live.name)}",
        f"`{column.name}` is NOT NULL without a default, and {{count}} rows are there that have no value for it",
        "give the column a `default`, or make it nullable",
    )


def _drop_column(alteration: kinds.DropColumn, situation: Situation) -> Change:
    column = alteration.was
    rows = f"SELECT count({ident(column.name)}) FROM {table(situation.live.name)}"
    summary, before = f"drop column {written(column)}", written(column)
    return _change(situation, column.name, Risk.DESTRUCTIVE, summary, before=before, rows=rows)


def _rename_column(alteration: kinds.RenameColumn, situation: Situation) -> Change:
    old, new = alteration.was.name, alteration.name
    note = f"readers that say `{old}` fail from then on"
    summary = f"rename column {old} to {new}"
    return _change(situation, new, Risk.INCOMPATIBLE, summary, before=old, after=new, notes=(note,))


def _alter_type(alteration: kinds.AlterType, situation: Situation) -> Change:
    was, now = alteration.was, alteration.now
    found = retype(was, now, situation)
    summary = f"change type of {now.name} from {was.kind} to {now.kind}"
    checks = (*_misfits(was, now, found, situation), *new_repeats(was, now, situation)) if found.misfit else ()
    return _change(
        situation, now.name, found.risk, summary,
        before=was.kind, after=now.kind, prechecks=checks, blocked=found.blocked,
        notes=(*_unnumbered(was), *found.notes),
    )  # fmt: skip


def _unnumbered(*columns: Column | None) -> tuple[str, ...]:
    lost = (column.name for column in columns if column is not None and ROW_ID in column.beyond)
    return tuple(f"rows that come without `{name}` are no longer numbered by the engine" for name in lost)


def _misfits(was: Column, now: Column, found: Retype, situation: Situation) -> Iterator[Precheck]:
    """The values that do not fit. A server that lacks the time zone converts none of them."""
    dialect, misfit = situation.dialect, found.misfit
    if found.zone not in (None, "UTC") and "unknown_zone" in dialect.functions:
        unknown = dialect.function("unknown_zone", text(found.zone or "", dialect))
        misfit = f"({misfit}) AND NOT ({unknown})"
        message, mend = f"the server has no time zone {found.zone}", "load its time zones with `mysql_tzinfo_to_sql`"
        yield Precheck(f"SELECT CASE WHEN {unknown} THEN 1 ELSE 0 END AS n", message, mend, told=False)
    yield Precheck(
        f"SELECT count(*) FROM {table(situation.live.name)} WHERE {misfit}",
        f"{{count}} rows hold a `{was.name}` that is no {now.type}",
        f"mend them, or keep the type {was.type}",
    )


def _set_not_null(alteration: kinds.SetNotNull, situation: Situation) -> Change:
    was, now = alteration.was.name, alteration.name
    check = null_check((was,), situation.live, f"{{count}} rows have no `{now}`")
    summary = f"make {now} NOT NULL"
    return _change(situation, now, Risk.DATA_DEPENDENT, summary, before="NULL", after="NOT NULL", prechecks=(check,))


def null_check(columns: tuple[str, ...], live: Table, message: str) -> Precheck:
    """The rows in which one of the columns is NULL."""
    missing = " OR ".join(f"{ident(name)} IS NULL" for name in columns)
    return Precheck(
        f"SELECT count(*) FROM {table(live.name)} WHERE {missing}", message, "fill them, or keep the column nullable"
    )


def _drop_not_null(alteration: kinds.DropNotNull, situation: Situation) -> Change:
    name = alteration.name
    return _change(situation, name, Risk.WIDENING, f"let {name} be NULL", before="NOT NULL", after="NULL")


def _set_default(alteration: kinds.SetDefault, situation: Situation) -> Change:
    now = alteration.now
    summary = f"set default of {now.name} to {now.default}"
    return _change(situation, now.name, Risk.ADDITIVE, summary, before=alteration.was.default, after=now.default)


def _drop_default(alteration: kinds.DropDefault, situation: Situation) -> Change:
    was = alteration.was
    note = f"writers that leave `{alteration.name}` out store NULL from then on"
    summary = f"drop default of {alteration.name}"
    return _change(situation, alteration.name, Risk.INCOMPATIBLE, summary, before=was.default, notes=(note,))


def _alter_generation(alteration: kinds.AlterGeneration, situation: Situation) -> Change:
    was, now = alteration.was.default, alteration.now.default
    name, risk, notes = _generated(alteration.name, was, now)
    summary = f"make {name} {now}" if now else f"let {name} no longer be {was}"
    old = alteration.was.name
    check = null_check((old,), situation.live, f"{{count}} rows have no `{name}`")
    checks = (check,) if alteration.was.nullable and way(now) == "numbered" else ()
    return _change(situation, name, risk, summary, before=was, after=now, notes=notes, prechecks=checks)


def _generated(name: str, was: str | None, now: str | None) -> tuple[str, Risk, tuple[str, ...]]:
    """The column's name, and what it means that its values come otherwise."""
    if way(was) == "computed":
        what = "its values are computed anew, in every row" if now else "its values stay as they are from then on"
        return name, Risk.INCOMPATIBLE, (what,)
    if now is None:
        return name, Risk.INCOMPATIBLE, (f"writers that leave `{name}` out get no number from then on",)
    return name, Risk.WIDENING, ()


def _add_key(alteration: kinds.AddKey, situation: Situation) -> Change:
    key, old = alteration.key, tuple(map(situation.old_name, alteration.key))
    shown = ", ".join(key)
    checks: tuple[Precheck, ...]
    if any(situation.live.column(name) is None for name in old):
        checks = (_no_key_values(shown, situation),)
    else:
        checks = (
            null_check(old, situation.live, f"{{count}} rows have NULL in the key ({shown})"),
            repeat_check(old, situation, f"{{count}} values of the key ({shown}) are there more than once"),
        )
    summary = f"add primary key ({shown})"
    return _change(situation, "", Risk.DATA_DEPENDENT, summary, after=f"({shown})", prechecks=checks)


def _no_key_values(shown: str, situation: Situation) -> Precheck:
    return Precheck(
        f"SELECT count(*) FROM {table(situation.live.name)}",
        f"{{count}} rows have no value for the new key ({shown})",
        "add the column first, fill it, then declare the key",
    )


def _drop_key(alteration: kinds.DropKey, situation: Situation) -> Change:
    shown = ", ".join(alteration.key)
    held = [situation.live.column(situation.old_name(name)) for name in alteration.key]
    notes = ("nothing keeps repeats of the key out from then on", *_unnumbered(*held))
    return _change(situation, "", Risk.WIDENING, f"drop primary key ({shown})", before=f"({shown})", notes=notes)


def _create_index(alteration: kinds.CreateIndex, situation: Situation) -> Change:
    index = alteration.index
    checks = tuple(_repeats(index, situation)) if index.unique else ()
    risk = Risk.DATA_DEPENDENT if checks else Risk.ADDITIVE
    return _change(
        situation, "", risk, f"create {index_words(index)}", after=index_words(index), prechecks=checks,
        blocked=_taken(index, situation),
    )  # fmt: skip


def _repeats(index: Index, situation: Situation) -> Iterator[Precheck]:
    """The values that would be in a unique index more than once: a new column is the same in all rows, or NULL."""
    live, shown = situation.live, ", ".join(index.columns)
    old = tuple(name for name in map(situation.old_name, index.columns) if live.column(name) is not None)
    new = [column for column in situation.wanted.columns if column.name in index.columns]
    added = [c.default or "NULL" for c in new if live.column(situation.old_name(c.name)) is None]
    if any(not is_constant(default) or default.strip(" ()").upper() == "NULL" for default in added):
        return
    if old:
        yield repeat_check(
            old, situation, f"{{count}} values of ({', '.join(old) if added else shown}) are there more than once"
        )
    else:
        rows = f"SELECT CASE WHEN count(*) > 1 THEN count(*) ELSE 0 END AS n FROM {table(live.name)}"
        message = f"{{count}} rows would have the same value of ({shown}), their default"
        yield Precheck(rows, message, "add the columns first, fill them, then declare the index")


def _taken(index: Index, situation: Situation) -> str | None:
    """Why an index cannot have its name: another one has it, which does not do the same and is not flowc's to drop."""
    if building := [i.name for i in situation.renamed_live.indexes if i.building and i.identity == index.identity]:
        return f"another session is building `{building[0]}`, which does the same: plan again when that has ended"
    name = situation.dialect.names.fold(index.name or index_name(situation.live.name, index.columns))
    for other in situation.live.indexes:
        if not other.declarable and not situation.whole and situation.dialect.names.fold(other.name or "") == name:
            return (
                f"`{other.name}` is there, an {index_words(other)}, which is not the same: give this one another name"
            )
    return None


def index_words(index: Index, *, named: bool = False) -> str:
    """An index as people say it; with `named`, by its name too, where the engine tells it one."""
    called = f"`{index.name}` " if named and index.name else ""
    by = f", {', '.join(index.beyond)}" if index.beyond else ""
    where = f" where {index.where}" if index.where else ""
    return f"{'unique ' if index.unique else ''}index {called}on ({', '.join(index.columns)}){by}{where}"


def _drop_index(alteration: kinds.DropIndex, situation: Situation) -> Change:
    index = alteration.index
    broken = "" if index.valid else f", which was left unfinished as `{index.name}`"
    summary = f"drop {index_words(index)}{broken}"
    lost = (words for words in situation.live.remarks if words == f"the comment of index {index.name}")
    notes = tuple(f"{words} goes with it" for words in lost)
    return _change(situation, "", Risk.WIDENING, summary, before=index_words(index), notes=notes)


def _rename_index(alteration: kinds.RenameIndex, situation: Situation) -> Change:
    before, after = alteration.index.name, alteration.name
    return _change(situation, "", Risk.WIDENING, f"rename index {before} to {after}", before=before, after=after)


def _alter_partitions(alteration: kinds.AlterPartitions, situation: Situation) -> Change:
    before, after = (
        f"({', '.join(names)})" if names else None for names in (situation.live.partition_by, alteration.columns)
    )
    summary = f"partition the table by {after}" if after else "partition the table no more"
    checks = tuple(_empty_parts(alteration.columns, situation))
    risk = Risk.DATA_DEPENDENT if checks else Risk.WIDENING
    return _change(situation, "", risk, summary, before=before, after=after, prechecks=checks)


def _empty_parts(columns: tuple[str, ...], situation: Situation) -> Iterator[Precheck]:
    """A partition of an empty text is read back as NULL."""
    for name in columns:
        was = situation.live.column(situation.old_name(name))
        if was is not None and was.type.kind is Kind.TEXT and was.name not in situation.live.partition_by:
            yield Precheck(
                f"SELECT count(*) FROM {table(situation.live.name)} WHERE {ident(was.name)} = ''",
                f"{{count}} rows hold an empty `{name}`, which a partition reads as NULL",
                "make them NULL, or give them a value",
            )


def _comment_column(alteration: kinds.CommentColumn, situation: Situation) -> Change:
    name = alteration.name
    before = alteration.was.comment if alteration.was else None
    return _change(situation, name, Risk.ADDITIVE, f"comment on {name}", before=before, after=alteration.comment)


def _comment_table(alteration: kinds.CommentTable, situation: Situation) -> Change:
    before, after = situation.live.comment, alteration.comment
    return _change(situation, "", Risk.ADDITIVE, "comment on the table", before=before, after=after)


def written(column: Column) -> str:
    """A column as people write it."""
    parts = [column.name, column.kind]
    parts += ["not null"] if not column.nullable else []
    parts += [f"default {column.default}"] if column.default is not None else []
    return " ".join(parts)


def _drop_leftovers(situation: Situation) -> Change:
    shown = ", ".join(f"{entry.kind} `{entry.name}`" for entry in situation.live.leftovers)
    return _change(situation, "", Risk.WIDENING, f"drop what an apply that did not end has left: {shown}", before=shown)
