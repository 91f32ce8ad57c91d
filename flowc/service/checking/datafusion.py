"""DataFusion, flowc's own engine: each query is planned over empty tables, with stand-ins for the project's functions.

Its optimizer is part of what judges, for it reads literals as the types that they have to be.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from flowc.compiler.sql.checker import NamedTable, Refusal, Statement
from flowc.diagnostics import did_you_mean
from flowc.plan import FunctionPlan
from flowc.runtime.engine import engine_schema
from flowc.runtime.enginecontext import new_context
from flowc.runtime.enginewords import spoken
from flowc.runtime.functions import Function, nulls
from flowc.service.checking.places import place_of

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


def engine() -> Callable[[Statement], Refusal | None]:
    """Judges statements in the SQL of flowc's own engine."""
    return _Engine().refusal


def syntax() -> Callable[[Statement], Refusal | None]:
    """Judges the syntax of statements alone."""
    return _Engine().unparsed


@dataclass(frozen=True, slots=True)
class _StandIn(FunctionPlan):
    """A function of the project under the name that its author calls it by."""

    @property
    def called(self) -> str:
        return self.name.lower()


class _Engine:
    def __init__(self) -> None:
        self._context: Any = new_context()
        self._tables: dict[str, NamedTable] = {}

    def refusal(self, statement: Statement) -> Refusal | None:
        """Why the engine does not take a statement."""
        if not statement.typed:
            return self.unparsed(statement)
        for table in statement.tables:
            self._register(table)
        for plan in statement.functions:
            self._stand_in(plan)
        return self._planned(statement)

    def unparsed(self, statement: Statement) -> Refusal | None:
        """Why the engine cannot read a statement."""
        try:
            self._context.sql(statement.text.text)
        except Exception as error:
            return _syntax(statement, str(error))
        return None

    def _planned(self, statement: Statement) -> Refusal | None:
        try:
            self._context.sql(statement.text.text).optimized_logical_plan()
        except Exception as error:
            found = _syntax(statement, str(error))
            return found or _unbound(statement, error)
        return None

    def _register(self, table: NamedTable) -> None:
        name = table.name.name
        if self._tables.get(name) != table:
            self._context.deregister_table(name)
            empty = pa.RecordBatch.from_pylist([], schema=engine_schema(table.columns or ()))
            self._context.register_record_batches(name, [[empty]])
            self._tables[name] = table

    def _stand_in(self, plan: FunctionPlan) -> None:
        own = _StandIn(plan.name, plan.python, plan.aggregate, plan.args, plan.returns, plan.state)
        Function(own, object if plan.aggregate else nulls).register(self._context, lambda failure: None)


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


def _unbound(statement: Statement, error: Exception) -> Refusal | None:
    said = _RULE.sub("", str(error)).removeprefix("DataFusion error: ")
    if not _SURE.match(said) or _OF_ELSEWHERE.search(said):
        return None
    if any(f"'{plan.name.lower()}'" in said for plan in statement.functions) or (
        statement.functions and said.startswith("Execution error")
    ):
        return None  # what a function of the project takes, and gives for literals, is known when it is loaded
    if missing := _MISSING.search(said):
        place = place_of(statement, missing[1], call=True)
        helps = did_you_mean(missing[1], [missing[2]]) if missing[2] else ()
        return Refusal("function", f"the engine has no function `{missing[1]}`", place, helps=helps)
    named = _NAMED.search(said)
    name = next((part for part in named.groups() if part), None) if named else None
    return Refusal("binding", _words(error), place_of(statement, name) if name else None)


def _words(error: Exception) -> str:
    words = spoken(error)
    while (shorter := _NOISE.sub("", words)) != words:
        words = shorter
    return _END.split(words)[0].rstrip(".")
