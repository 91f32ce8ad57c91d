"""PostgreSQL's own parser, where it is installed (`flowc[lint]`): the syntax alone."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import Any

from flowc.compiler.dialects import RUNNER
from flowc.compiler.sql.checks.checker import Refusal, Statement


def engine() -> Callable[[Statement], Refusal | None]:
    """Judges the syntax of statements in PostgreSQL's SQL; none without the parser."""
    try:
        parser = import_module("pgparse")
    except ImportError:
        return lambda statement: None
    return lambda statement: _refusal(statement, parser)


def _refusal(statement: Statement, parser: Any) -> Refusal | None:
    try:
        parser.parse(statement.text.text)
    except RecursionError:
        return None  # it was read, and its tree is too deep for Python
    except parser.PGQueryError as error:
        if statement.engine == RUNNER and _beyond()(statement) is None:
            return None  # what flowc's engine has beyond PostgreSQL is there, too
        return Refusal("syntax", str(error.message), max(int(error.position) - 1, 0))
    return None


@cache
def _beyond() -> Callable[[Statement], Refusal | None]:
    """What reads the syntax that flowc's own engine has."""
    found: Callable[[Statement], Refusal | None] = import_module("flowc.service.checking.datafusion").syntax()
    return found
