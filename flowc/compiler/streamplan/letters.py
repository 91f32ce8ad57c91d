"""How the dead letters of a stream are counted, shown, replayed and purged in the table that keeps them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from flowc.catalog import TableName
from flowc.compiler.dialect import Dialect
from flowc.compiler.dialects import DIALECTS
from flowc.compiler.quote import ident, idents, instant, table, text
from flowc.compiler.tables.ddl import cast
from flowc.stream import DEAD_LETTER, LettersSql
from flowc.types import TIMESTAMPTZ

_ORDER = ("partition_name", "message_position")


@dataclass(frozen=True, slots=True)
class Chosen:
    """Which dead letters of a stream are meant: those of some codes, or any; those that failed before an instant."""

    codes: tuple[str, ...] = ()
    before: datetime | None = None


def rename_letters(was: str, now: str, of: TableName, dialect: Dialect) -> str:
    """Gives the letters of a stream to another name under which it is kept."""
    names = (text(name, dialect) for name in (now, was))
    return f"UPDATE {table(of)} SET {ident('stream')} = {next(names)} WHERE {ident('stream')} = {next(names)}"


def letters_sql(
    stream: str, of: TableName, kind: str, sources: Sequence[str], chosen: Chosen | None = None
) -> LettersSql:
    """The statements on the dead letters of a stream in one dialect; `stream` is its name there."""
    dialect, letters = DIALECTS[kind], table(of)
    every = f"{ident('stream')} = {_literal(stream, dialect)}"
    some = " AND ".join((every, *_conditions(chosen or Chosen(), dialect)))
    of_source, columns = f"{ident('source')} = {{source}}", idents(column.name for column in DEAD_LETTER)
    partition, position = (ident(name) for name in _ORDER)
    place = ", ".join(map(_sorted, (partition, position)))
    behind = f"({place}) > ({_sorted('{partition}')}, {_sorted('{position}')})"
    of_partition = f"{of_source} AND {partition} = {{partition}}"
    from_start, to_end = (
        f"({_sorted(position)}) {sign} ({_sorted(at)})" for sign, at in ((">=", "{start}"), ("<", "{end}"))
    )
    between = f"{some} AND {of_partition} AND {from_start} AND {to_end}"
    within = f"{ident('attempt')} <= {{attempts}}"
    at = f"{every} AND {of_partition} AND {position} IN ({{positions}})"
    parked = f"SUM(CASE WHEN {ident('attempt')} > {{attempts}} THEN 1 ELSE 0 END) AS {ident('parked')}"
    failed, code, headers = ident("failed_at"), ident("error_code"), ident("headers")
    times = f"MIN({failed}) AS {ident('oldest')}, MAX({failed}) AS {ident('newest')}"
    return LettersSql(
        of,
        f"SELECT {code}, COUNT(*) AS {ident('letters')}, {times}, {parked} FROM {letters} WHERE {some} "
        f"GROUP BY {code} ORDER BY {code}",
        shown=f"SELECT {columns} FROM {letters} WHERE {some} ORDER BY {idents(('failed_at', 'source'))}, {place} "
        "LIMIT {limit}",
        following=f"SELECT {columns} FROM {letters} WHERE {some} AND {of_source} AND {behind} AND {within} "
        f"ORDER BY {place} LIMIT {{limit}}",
        at=f"SELECT {columns} FROM {letters} WHERE {at}", delete=f"DELETE FROM {letters} WHERE {at}",
        overtaken=f"DELETE FROM {letters} WHERE {between}",
        overtaking=f"SELECT COUNT(*) AS {ident('letters')} FROM {letters} WHERE {between}",
        positions=f"SELECT {position} FROM {letters} WHERE {every} AND {of_partition}",
        unjudged=f"UPDATE {letters} SET {headers} = REPLACE({headers}, '{{note}}', '{{by}}') WHERE {every}",
        purge=f"DELETE FROM {letters} WHERE {some}",
        purged=f"SELECT COUNT(*) AS {ident('letters')} FROM {letters} WHERE {some}",
        sources=tuple((source, text(source, dialect)) for source in sources),
    )  # fmt: skip


def _sorted(text: str) -> str:
    """The keys by which texts are sorted: shorter ones come first, so numbers stand in their order."""
    return f"LENGTH({text}), {text}"


def _conditions(chosen: Chosen, dialect: Dialect) -> Iterator[str]:
    if chosen.codes:
        codes = ", ".join(_literal(code, dialect) for code in chosen.codes)
        yield f"{ident('error_code')} IN ({codes})"
    if chosen.before is not None:
        yield f"{ident('failed_at')} < {_instant(chosen.before, dialect)}"


def _instant(moment: datetime, dialect: Dialect) -> str:
    written = instant(moment) if dialect.literals.zoned else instant(moment).removesuffix("+00:00")
    quoted = text(written, dialect)
    return cast(quoted, TIMESTAMPTZ, dialect) if dialect.literals.typed else quoted


def _literal(value: str, dialect: Dialect) -> str:
    """A literal inside a template, where braces stand for what is filled in."""
    return text(value, dialect).replace("{", "{{").replace("}", "}}")
