"""What becomes of each case on each engine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache

from sqlglot import exp

from flowc.compiler.sql.relations import Relation
from flowc.compiler.sql.text.sqltext import SqlTree, parse_query
from flowc.compiler.sql.translate import translate
from flowc.compiler.sql.types.infer import infer
from flowc.compiler.sql.types.inferfrom import Find
from flowc.diagnostics import Reporter
from flowc.source import MappedText, SourceFile
from tests.translation.compare import same_rows
from tests.translation.corpus import Case, cases
from tests.translation.engines import LOOSE, Failed, Run
from tests.translation.tables import ROWS

RELATIONS = {table.name: Relation.of_table(table.name, table.columns, f"`{table.name}`") for table in ROWS}
"""The corpus' tables, as the compiler knows them."""


class Verdict(StrEnum):
    """What a translation did."""

    PASS = "pass"
    DIAGNOSED = "diagnosed"
    REFUSED = "refused by the engine"
    WRONG = "wrong result"


@dataclass(frozen=True)
class Outcome:
    """A verdict, what proves it, and the translated text."""

    verdict: Verdict
    detail: str = ""
    text: str = ""


Outcomes = Mapping[tuple[Case, str], Outcome]


def parsed(case: Case) -> SqlTree | str:
    """The case's tree, or why it cannot be read."""
    reporter = Reporter()
    tree = parse_query(MappedText.whole(SourceFile("case.sql", case.sql)), case.dialect, reporter)
    return tree if tree is not None else reporter.found[0].message


def translated(case: Case, engine: str, find: Find = RELATIONS.get) -> tuple[str | None, str]:
    """The case's query for an engine; None and the reason where it cannot be kept. `find` gives declared tables."""
    tree = parsed(case)
    if isinstance(tree, str):
        return None, tree
    reporter = Reporter()
    infer(tree, engine, find, reporter)
    text = translate(tree, engine, reporter)
    return text, "; ".join(d.message for d in reporter.found)


@cache
def translated_once(case: Case, engine: str) -> tuple[str | None, str]:
    """The same, of which what was found before is remembered."""
    return translated(case, engine)


def outcome(case: Case, engine: str, run: Run) -> Outcome:
    """Translates a case to an engine, runs it there and judges the rows."""
    text, message = translated_once(case, engine)
    if text is None:
        return Outcome(Verdict.DIAGNOSED, message)
    try:
        rows = run(text)
    except Failed as failure:
        return Outcome(Verdict.REFUSED, str(failure), text)
    if same_rows(case.rows, rows, ordered=is_ordered(case), loose=LOOSE.get(engine, frozenset())):
        return Outcome(Verdict.PASS, "", text)
    return Outcome(Verdict.WRONG, f"it gave {rows!r}", text)


def outcomes_of(runs: Mapping[str, Run]) -> Outcomes:
    """What becomes of every case on every engine."""
    return {(case, engine): outcome(case, engine, run) for case in cases() for engine, run in runs.items()}


@cache
def is_ordered(case: Case) -> bool:
    """Whether the query says in which order its rows come."""
    tree = parsed(case)
    return not isinstance(tree, str) and isinstance(tree.tree, exp.Query) and tree.tree.args.get("order") is not None
