"""What an engine says of a query, a quality check or a statement around a load, shown at its place in the spec."""

from __future__ import annotations

import re
from collections.abc import Iterator

from flowc.compiler.ir import Source, Sql
from flowc.diagnostics import Reporter
from flowc.errors import FlowcError
from flowc.source import MappedText

_LINE = re.compile(r"LINE (\d+): ")
_WORD = re.compile(r"[\w.]+|\S")
_NAMED = re.compile(r"""["`']([^"`'\n]+)["`']|(?:column|named|function|table):? ([\w.]+)""", re.IGNORECASE)
_OF_A_PART = frozenset({"query-refused", "value-refused", "constraint-violated", "access-denied"})
"""What an engine says of a part of the specs that is known: of the query of a load, values tell more than its text."""
_CONTEXT = 24
"""So many characters before the mark of an engine tell one occurrence of a word from another."""


def report_refusal(error: FlowcError, query: Sql | Source | None, reporter: Reporter) -> bool:
    """Reports the refusal of SQL where its author wrote it; False when it is none, or no SQL of the specs.

    What was refused is `query`, or the part of the specs that the error itself knows.
    """
    source = error.written or (query.source if isinstance(query, Sql) else None)
    if source is None or error.code not in (_OF_A_PART if error.written else ("query-refused",)):
        return False
    start, end = _place(error, source)
    message = " ".join(error.message.split())
    reporter.error(error.code, message, source.span(start, end), helps=(error.help,) if error.help else ())
    return True


def _place(error: FlowcError, source: MappedText) -> tuple[int, int]:
    """Where in the query: at the engine's mark, else at the first name that it gives, else all of it.

    What an engine says of values names those, and they may be anywhere.
    """
    names = _names(error.message) if error.code == "query-refused" else ()
    for line, before, word in (*_marked(error.details), *names):
        start = sum(len(each) for each in source.text.splitlines(keepends=True)[:line])
        pattern = re.compile(rf"(?<!\w){re.escape(before)}(?P<word>{re.escape(word)})(?!\w)", re.IGNORECASE)
        if (found := pattern.search(source.text, start)) is not None:
            return found.span("word")
    return 0, len(source.text.rstrip())


def _marked(details: tuple[str, ...]) -> Iterator[tuple[int, str, str]]:
    """The word above the engine's mark: in its line with what stands before it, and anywhere alone."""
    if len(details) < 2 or not (head := _LINE.match(details[0])):
        return
    at, line = details[1].find("^"), int(head[1]) - 1
    word = _WORD.match(details[0], max(at, head.end()))
    if word is not None:
        yield line, details[0][max(at - _CONTEXT, head.end()) : at], word[0]
        yield line, "", word[0]
        yield 0, "", word[0]


def _names(message: str) -> Iterator[tuple[int, str, str]]:
    for match in _NAMED.finditer(message):
        name = (match[1] or match[2]).strip(".")
        yield from ((0, "", part) for part in (name, name.rpartition(".")[2]) if part)
