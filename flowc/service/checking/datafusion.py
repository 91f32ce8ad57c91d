"""DataFusion, flowc's own engine: each query is planned over empty tables, with stand-ins for the project's functions.

Its optimizer is part of what judges, for it reads literals as the types that they have to be.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pyarrow as pa

from flowc.compiler.sql.checks.checker import NamedTable, Refusal, Statement
from flowc.compiler.systems.datafusion.arithmetic import arithmetic
from flowc.diagnostics import did_you_mean
from flowc.errors import EngineError, FlowcError
from flowc.runtime.engine.arithmetic import Query
from flowc.runtime.engine.context import (
    demand_shallow,
    depth_of,
    frame_of,
    is_too_deep,
    new_context,
    register,
    too_deep,
)
from flowc.runtime.engine.engine import engine_schema
from flowc.runtime.engine.functions import Function, nulls
from flowc.runtime.engine.json import register_json, register_parts
from flowc.runtime.engine.messages import engine_message
from flowc.runtime.formats.shapes import decoded_schema
from flowc.service.checking.places import place_of
from flowc.service.checking.subqueries import may_hold, refused
from flowc.stream import NOW
from flowc.types import DataType, Kind

_UNPARSED = re.compile(
    r'(?:ParserError|TokenizerError)\("(?P<words>.*?)(?: at Line: (?P<line>\d+), Column: (?P<column>\d+))?"\)'
)
_MISSING = re.compile(r"(?:Invalid function|table function) '(\w+)'(?: not found)?(?:\.\s*Did you mean '(\w+)')?")
_SURE = re.compile(
    r"(?:Error during planning|Schema error|This feature is not implemented|Arrow error|Execution error)\b"
)
"""How errors begin that depend on the statement and its tables alone."""
_RULE = re.compile(r"^(?:DataFusion error: )?(?:Optimizer rule '\w+' failed|\w+)\s+caused by\s+")
"""What stands before the words of a part of the engine."""
_OF_ELSEWHERE = re.compile(r"[Tt]able '.*' not found|failed to resolve (schema|catalog)")
_NAMED = re.compile(r"No field named ([\w.\"]+?)\.?(?:\s|$)|column \"([\w.\"]+)\"|[Ff]unction '(\w+)'|'(\w+)\(")
_NOISE = re.compile(r"^(?:Optimizer rule '\w+' failed|\w+) caused by |^(?:Error during planning|(?:\w+) error): ")
_END = re.compile(r"\.? (?:No function matches|Valid fields are|You might need|Candidate functions)|, errors: ")


_JOINED = re.compile(r"\b(?:AS|FROM)\s*\(\s*SELECT\b|(\bJOIN\b|\(\s*SELECT\b)", re.IGNORECASE)
"""Joins, and subqueries among expressions, which become some."""
_ALIAS = re.compile(r"\bAS\b", re.IGNORECASE)
_STAR = re.compile(r"(?:\bSELECT\s+|[,.]\s*)\*", re.IGNORECASE)
_OPERATOR = re.compile(r"\b(?:AND|OR|UNION)\b|[-+*/|]", re.IGNORECASE)
_NESTED = re.compile(r"[()\[\]]|\b(?:CASE|NOT)\b|[-+*]", re.IGNORECASE)
_FEW = 40
"""What has fewer of these is not too deep, whatever it is."""
_WORK, _WORK_PER_CHARACTER = 300_000, 4
"""What the engine is asked for at most, and more for each character that was written; then it is not asked."""
_DEPTH, _GROWTH, _GROWN = 4, 20, 4
"""What levels and characters count, in operators; a text is larger than its author's from so many times on."""
_FOUND, _COMPARED = 4, 40
"""How many columns of tables, and how many names of what comes out, are looked at in the time of one operator."""
_TIME = pa.timestamp("us", "UTC")
_OFFSET = "_offset"
"""A column that messages have beside their own."""


def engine() -> Callable[[Statement], Refusal | None]:
    """Judges statements in the SQL of flowc's own engine."""
    return _Engine().refusal


def syntax() -> Callable[[Statement], Refusal | None]:
    """Judges the syntax of statements alone."""
    return _Engine().unparsed


class _Engine:
    def __init__(self) -> None:
        self._context: Any = new_context()
        self._empty: Any = new_context()
        """Without tables, so that nothing is planned in it."""
        self._tables: dict[str, NamedTable] = {}
        self._left = _WORK
        register(self._context, NOW, _now, [pa.int64()], _TIME)

    def refusal(self, statement: Statement) -> Refusal | None:
        """Why the engine does not take a statement."""
        try:
            demand_shallow(statement.runs or "")
        except EngineError as error:
            return _deep(statement, error)
        runs = statement.runs if self._affords(statement) else None
        if runs is not None and (deep := self._too_deep(statement, runs)) is not None:
            return deep
        if runs is not None and statement.typed and all(map(self._has, statement.tables)):
            for plan in statement.functions:
                stand_in = Function(plan, object if plan.aggregate else nulls)
                stand_in.register(self._context, lambda failure: None)
            register_parts(self._context, runs, lambda failure: None)
            register_json(self._context, runs)
            return self._planned(statement, runs)
        return self.unparsed(statement) if statement.native else None

    def _affords(self, statement: Statement) -> bool:
        """Whether to ask about a statement.

        The engine takes a time that grows with the square of what is in a row, with the cube of what is joined, and
        with the columns of tables, once for each that is named.
        """
        runs, size = statement.runs or "", len(statement.text.text)
        grown = max(0, len(runs) - _GROWN * size)
        rows = sum(len(_OPERATOR.findall(row)) ** 2 for row in runs.split(","))
        joined = sum(bool(found) for found in _JOINED.findall(runs)) ** 3
        commas, stars = runs.count(","), len(_STAR.findall(runs))
        widest = max((len(table.columns or ()) for table in statement.tables), default=0) + commas * (stars > 1)
        named = widest * (commas + stars * widest) // _FOUND + len(_ALIAS.findall(runs)) ** 2 // _COMPARED
        work = rows + joined + named + _DEPTH * depth_of(runs) ** 2 + _GROWTH * grown
        self._left += _WORK_PER_CHARACTER * size
        affords = work <= self._left
        self._left -= work if affords else 0
        return affords

    def _too_deep(self, statement: Statement, sql: str) -> Refusal | None:
        """Why the engine cannot read a statement with all that a run puts around its computations."""
        if len(_NESTED.findall(sql)) < _FEW:
            return None
        try:
            text = Query(sql, arithmetic(sql), lambda *_: None, lambda _: None).nesting()
            demand_shallow(text)
            refused = _error(lambda: self._context.sql(text))
            if refused is None or not is_too_deep(refused):
                return None
            refusal = too_deep("its brackets and calls stand in more levels than it reads")
        except RecursionError:
            refusal = too_deep("more levels than flowc reads itself")
        except EngineError as error:
            refusal = error
        return _deep(statement, refusal)

    def unparsed(self, statement: Statement) -> Refusal | None:
        """Why the engine cannot read a statement."""
        error = _error(lambda: self._empty.sql(statement.text.text))
        return _syntax(statement, str(error)) if error is not None else None

    def _planned(self, statement: Statement, sql: str) -> Refusal | None:
        # Which subqueries the engine can run is known when it has planned how.
        plan = "execution_plan" if may_hold(sql) else "optimized_logical_plan"
        error = _error(lambda: getattr(frame_of(self._context, sql), plan)())
        if error is None:
            return None
        found = self.unparsed(statement) if statement.native and _UNPARSED.search(str(error)) else None
        return found or refused(statement, str(error)) or _unbound(statement, error)

    def _has(self, table: NamedTable) -> bool:
        """Registers a table, empty; False where the engine's types of its columns are not certain."""
        name, columns = table.name.name, table.columns or ()
        if self._tables.get(name) == table:
            return True
        try:
            of_stream = any(column.name == _OFFSET for column in columns)
            schema = decoded_schema(columns) if of_stream else engine_schema(columns)
        except FlowcError:
            return False
        if not of_stream and any(_nests(column.type) for column in columns):
            return False
        self._context.deregister_table(name)
        self._context.register_record_batches(name, [[pa.RecordBatch.from_pylist([], schema=schema)]])
        self._tables[name] = table
        return True


def _error(work: Callable[[], Any]) -> BaseException | None:
    """What the engine raises; a panic of it is no Exception, and says nothing about the statement."""
    try:
        work()
    except (KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except BaseException as error:
        return error
    return None


def _now(asked: pa.Array) -> pa.Array:
    # Not NULL: the engine computes with it when it plans.
    return pa.repeat(pa.scalar(0, _TIME), len(asked))


def _deep(statement: Statement, error: EngineError) -> Refusal:
    return Refusal("depth", str(error), _deepest(statement), helps=(error.help or "",))


def _deepest(statement: Statement) -> int | None:
    """The offset of the bracket that is in most others; None where there is none."""
    depth, deepest, place = 0, 0, None
    for found in _NESTED.finditer(statement.text.text, statement.start):
        depth += (found[0] == "(") - (found[0] == ")")
        if depth > deepest:
            deepest, place = depth, found.start()
    return place


def _nests(kind: DataType) -> bool:
    """Whether values have named parts, which not every reader of files keeps apart."""
    return kind.kind is Kind.STRUCT or (kind.element is not None and _nests(kind.element))


def _syntax(statement: Statement, said: str) -> Refusal | None:
    found = _UNPARSED.search(said)
    if found is None:
        return None
    words = found["words"].replace('\\"', '"')
    return Refusal(
        "syntax", words[:1].lower() + words[1:], _offset(statement.text.text, found["line"], found["column"])
    )


def _offset(text: str, line: str | None, column: str | None) -> int | None:
    """The offset of a line and a column, both counted from 1."""
    if line is None or column is None or line == "0":
        return None
    before = text.split("\n")[: int(line) - 1]
    return sum(len(one) + 1 for one in before) + int(column) - 1


def _unbound(statement: Statement, error: BaseException) -> Refusal | None:
    said = _RULE.sub("", str(error)).removeprefix("DataFusion error: ")
    if not _SURE.match(said) or _OF_ELSEWHERE.search(said):
        return None
    if any(f"'{plan.called}'" in said for plan in statement.functions) or (
        statement.functions and said.startswith("Execution error")
    ):
        return None  # what a function of the project takes, and gives for literals, is known when it is loaded
    if missing := _MISSING.search(said):
        place = place_of(statement, missing[1], call=True)
        helps = did_you_mean(missing[1], [missing[2]]) if missing[2] else ()
        return Refusal(
            "function", f"the engine has no function `{missing[1]}`", place, length=None, helps=helps, name=missing[1]
        )
    named = _NAMED.search(said)
    name = next((part for part in named.groups() if part), None) if named else None
    return Refusal("binding", f"the engine: {_words(error)}", place_of(statement, name) if name else None)


def _words(error: BaseException) -> str:
    words = engine_message(error)
    while (shorter := _NOISE.sub("", words)) != words:
        words = shorter
    return _END.split(words)[0].rstrip(".")
