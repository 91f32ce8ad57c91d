"""Functions with another result each time, in streams that compute an epoch again after a crash."""

from __future__ import annotations

from itertools import pairwise

from sqlglot.dialects.dialect import Dialect
from sqlglot.tokens import TokenType

from flowc.compiler.changelog import remembering
from flowc.compiler.checked import CheckedSpec
from flowc.compiler.front.streamspec import StreamSpec
from flowc.compiler.ir import Ir, Sql
from flowc.compiler.passes.chance import CHANCE
from flowc.diagnostics import Reporter

_REMEMBERING = ("state", "window", "join")


def not_repeatable(checked: CheckedSpec, ir: Ir | None, reporter: Reporter) -> None:
    """Warns of chance in the SQL of streams that have state or several targets."""
    for stream in ir.streams if ir is not None else ():
        spec, node = checked.project.streams[stream.name], stream.input
        if not isinstance(node, Sql) or node.source is None or not (_repeats(spec) or remembering(stream.nodes)):
            continue
        tokens = Dialect.get_or_raise(node.dialect).tokenize(node.source.text)
        for token, following in pairwise(tokens):
            if token.text.lower() in CHANCE and following.token_type is TokenType.L_PAREN:
                message = f"`{token.text}()` gives something else when the stream reads an epoch again after a crash"
                helps = ["compute it from the row, for instance with `md5`"]
                span = node.source.span(token.start, token.end + 1)
                reporter.warning("not-repeatable", message, span, helps=helps)


def _repeats(spec: StreamSpec) -> bool:
    return any(key in spec.given for key in _REMEMBERING) or len(spec.to) > 1
