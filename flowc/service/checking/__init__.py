"""Asks the engines that are at hand without a server whether they take the queries of a project.

Each module asks one engine, and is imported when a statement in its dialect comes: engines take time to load. What
depends on more than the statement and its declared tables (extensions, files, settings, tables that nobody declares)
is no refusal.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from importlib import import_module

from flowc.compiler.dialects import RUNNER
from flowc.compiler.sql.checks.checker import Checker, Refusal, Statement

_READERS = ("duckdb", "sqlite", RUNNER, "postgres")
"""The dialects that are judged, each by the module of that name."""
_DEPTH = re.compile(
    "expression depth limit|parser stack overflow|expression tree is too large|too many terms in compound",
    re.IGNORECASE,
)
_PARTS = ("make parts of it in a CTE: `WITH part AS (SELECT …) SELECT …`",)
_MANY = 100
"""From so many statements on, two threads share them, where an engine computes beside Python."""


def checker(*, own: bool = False) -> Checker:
    """What the compiler is handed. In a process that is flowc's own, libraries are kept from loading pandas."""
    return partial(_check, own)


def _check(own: bool, statements: Sequence[Statement]) -> Iterator[tuple[Statement, Refusal]]:
    refused: set[int] = set()
    if own and any(RUNNER in (s.dialect, s.engine) for s in statements):  # its libraries load pandas where it is
        import_module("flowc.runtime.lean").without_pandas()
    sound = [statement for statement in statements if _is_text(statement.text.text)]
    for name in _READERS:
        for statement, refusal in _asked(name, [s for s in sound if s.dialect == name]):
            refused.add(id(statement))
            yield statement, refusal
    translated = [s for s in sound if s.engine == RUNNER and not s.native and id(s) not in refused]
    yield from _asked(RUNNER, translated)


def _is_text(text: str) -> bool:
    """Whether an engine can be given a text: half of a surrogate pair is none."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _asked(name: str, statements: Sequence[Statement]) -> Iterator[tuple[Statement, Refusal]]:
    if statements:
        found = zip(statements, _refusals(name, statements), strict=True)
        yield from ((statement, _of_depth(refusal)) for statement, refusal in found if refusal is not None)


def _of_depth(refusal: Refusal) -> Refusal:
    """What engines say of too much in a row or in each other, with what helps: no spec sets their settings."""
    if not _DEPTH.search(refusal.message):
        return refusal
    said = refusal.message.partition(". Use ")[0]
    return replace(refusal, kind="depth", message=f"too much stands in a row, or in each other: {said}", helps=_PARTS)


def _refusals(name: str, statements: Sequence[Statement]) -> Iterator[Refusal | None]:
    """What an engine says of each statement."""
    engine = import_module(f"{__name__}.{name}").engine
    if name != RUNNER or len(statements) < _MANY:
        yield from map(engine(), statements)
        return
    # Imported when it is needed, which is not in most projects.
    from concurrent.futures import ThreadPoolExecutor

    middle = len(statements) // 2
    with ThreadPoolExecutor(2) as threads:
        for part in threads.map(lambda part: list(map(engine(), part)), (statements[:middle], statements[middle:])):
            yield from part
