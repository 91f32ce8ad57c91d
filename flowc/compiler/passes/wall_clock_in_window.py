"""`wall-clock-in-window`: the clock of the moment in the query of a window, which goes by the time of its rows."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from sqlglot.dialects.dialect import Dialect
from sqlglot.tokens import Token, TokenType

from flowc.compiler.checked import CheckedSpec
from flowc.compiler.ir import Ir, Sql, Window
from flowc.diagnostics import Reporter
from flowc.source import MappedText

_CALLED = frozenset(
    ("now", "transaction_timestamp", "statement_timestamp", "clock_timestamp", "timeofday", "getdate", "sysdate")
)
_NAMED = frozenset(("current_timestamp", "current_date", "current_time", "localtimestamp", "localtime"))


def wall_clock_in_window(_checked: CheckedSpec, ir: Ir | None, reporter: Reporter) -> None:
    """Warns, once for each stream, of a clock in a query that has windows."""
    for stream in ir.streams if ir is not None else ():
        node, windowed = stream.input, any(isinstance(each, Window) for each in stream.nodes)
        if not windowed or not isinstance(node, Sql) or node.source is None:
            continue
        token = next(_clocks(node.source, node.dialect), None)
        if token is not None:
            message = (
                f"`{token.text}` is the time of the run, and the windows of stream `{stream.name}` go by event time"
            )
            helps = ("use `_event_ts`, so that the same rows give the same result when they are read again",)
            reporter.warning("wall-clock-in-window", message, node.source.span(token.start, token.end + 1), helps=helps)


def _clocks(text: MappedText, dialect: str) -> Iterator[Token]:
    for token, following in pairwise(Dialect.get_or_raise(dialect).tokenize(text.text)):
        word, quoted = token.text.lower(), token.token_type in (TokenType.IDENTIFIER, TokenType.STRING)
        called = word in _CALLED and following.token_type is TokenType.L_PAREN
        if (called or word in _NAMED) and not quoted:
            yield token
