"""Queries that a checker is asked about: noted as they are lowered, and what it refuses reported at its place."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from sqlglot import exp

from flowc.catalog import Column, TableName, names_word
from flowc.compiler.dialects import dialect_of
from flowc.compiler.lowering.context import Lowering
from flowc.compiler.quote import ident
from flowc.compiler.sql import marks
from flowc.compiler.sql.binding.unknownfunctions import is_of_some_engine
from flowc.compiler.sql.checks.checker import NamedTable, Refusal, Statement
from flowc.compiler.sql.relations import Relation
from flowc.compiler.sql.text.sqltext import SqlTree
from flowc.compiler.sql.types.inferfrom import Find
from flowc.loadplan import FunctionPlan
from flowc.source import MappedText, Segment, Span
from flowc.types import UNKNOWN

_CODES = {"syntax": "sql-syntax", "function": "unknown-function", "binding": "query-refused", "depth": "sql-too-deep"}
_SHORT = 4
"""Shorter values are in words of every kind."""
_LAST = re.compile(r"(?:\w+|\S)\Z")
_TOKEN = re.compile(r"\"(?:[^\"]|\"\")*\"|'(?:[^']|'')*'|`[^`]*`|\w+|\S")
_GUARDS = (exp.Case, exp.If, exp.Coalesce, exp.TryCast, exp.Lambda)
"""What may keep a literal from being read."""


def note_query(
    lowering: Lowering,
    query: SqlTree,
    reads: Iterable[TableName],
    find: Find,
    engine: str,
    *,
    place: str = "",
    functions: tuple[FunctionPlan, ...] = (),
    runs: str | None = None,
) -> None:
    """Remembers a query over the tables that it names; `runs` is what flowc's own engine gets of it."""
    if lowering.checker is not None:
        tables = tuple(_named(name, find(name)) for name in reads)
        statement = Statement(
            query.dialect, engine, place=place, text=query.text, tables=tables, functions=functions,
            constants=tuple(_constants(query)), start=query.start, runs=runs,
        )  # fmt: skip
        lowering.statements.append(statement)


def note_part(lowering: Lowering, part: SqlTree, relation: Relation, engine: str) -> None:
    """Remembers a condition or an order over one relation, as a query of that."""
    if lowering.checker is None:
        return
    name = TableName(None, relation.table.name if relation.table else "rows")
    word = "WHERE" if "WHERE" in part.text.text[: part.start] else "ORDER BY"
    opening, closing = ("(", ")") if word == "WHERE" else ("", "")
    prefix = f"SELECT 1 FROM {ident(name.name)} {word} {opening}"
    size = len(part.written)
    segment = Segment(len(prefix), len(prefix) + size, part.start, part.start + size)
    text = part.text.derive(prefix + part.written + closing, [segment])
    tables = (_named(name, relation),)
    found = tuple((sql, at - part.start + len(prefix)) for sql, at in _constants(part))
    lowering.statements.append(Statement(
        part.dialect, engine, place="", text=text, tables=tables, functions=(), constants=found, start=len(prefix),
    ))  # fmt: skip


def note_hook(lowering: Lowering, text: MappedText, dialect: str) -> None:
    """Remembers statements around a load: of their tables nothing is known, for they may make some."""
    if lowering.checker is not None:
        unknown = (NamedTable(TableName(None, "elsewhere"), None),)
        lowering.statements.append(Statement(dialect, dialect, "", text, unknown))


def _named(name: TableName, relation: Relation | None) -> NamedTable:
    if relation is None or relation.fields is None:
        return NamedTable(name, None)
    columns = tuple(Column(field.name, field.type, field.nullable) for field in relation.fields)
    return NamedTable(name, columns, not relation.inferred and all(column.type != UNKNOWN for column in columns))


def report_refusals(lowering: Lowering) -> None:
    """Asks the checker about all that was noted."""
    if lowering.checker is not None and lowering.statements:
        for statement, refusal in lowering.checker(lowering.statements):
            if refusal.kind != "function" or not _may_be_made(refusal.name, lowering):
                message = _masked(refusal.message, statement.text, lowering.readable)
                helps = [_masked(text, statement.text, lowering.readable) for text in refusal.helps]
                span = _span(statement, refusal)
                own = refusal.kind == "function" and _may_be_own(statement, refusal)
                report = lowering.reporter.warning if own else lowering.reporter.error
                report(_CODES[refusal.kind], message, span, helps=helps)


def _may_be_own(statement: Statement, refusal: Refusal) -> bool:
    """Whether a function may be a macro of the database's own: no slip of the pen, and no other engine's."""
    is_slip = any(text.startswith("did you mean") for text in refusal.helps)
    return dialect_of(statement.engine).stored_functions and not is_slip and not is_of_some_engine(refusal.name)


def _may_be_made(function: str, lowering: Lowering) -> bool:
    """Whether a statement around a load makes a function, or loads what has it."""
    specs = (pipeline.spec for pipeline in lowering.checked.pipelines.values())
    texts = (text.text for spec in specs for text in (*spec.before, *spec.after))
    return any(names_word(text, function) or names_word(text, "load") for text in texts)


def _masked(message: str, text: MappedText, env: Mapping[str, str | None]) -> str:
    """What an engine says, without the values of the environment that templates put into the text."""
    for value in filter(None, env.values()):
        if len(value) >= _SHORT and value in text.text and value not in text.file.text:
            message = message.replace(value, "***")
    return message


def _span(statement: Statement, refusal: Refusal) -> Span:
    """The place of a refusal in the spec; the whole query where the engine tells none."""
    text: MappedText = statement.text
    end = len(text.text.rstrip())
    if refusal.offset is None:
        return text.span(statement.start, end)
    last = _LAST.search(text.text, 0, end)
    offset = max(min(refusal.offset, last.start() if last else end), statement.start)
    token = _TOKEN.match(text.text, offset)
    length = refusal.length or (len(token[0]) if token else 1)
    return text.span(offset, min(offset + length, end))


def _constants(query: SqlTree) -> Iterator[tuple[str, int]]:
    """(expression, offset) of each text that the author casts to a type and that is read whatever the rows are."""
    for cast in query.tree.find_all(exp.Cast):
        literal = cast.this
        if isinstance(cast, exp.TryCast) or not isinstance(literal, exp.Literal) or not literal.is_string:
            continue
        if cast.find_ancestor(*_GUARDS) is None and marks.START.has(literal):
            yield cast.sql(query.dialect), marks.START.of(literal)
