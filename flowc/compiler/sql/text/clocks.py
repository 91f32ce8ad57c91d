"""What the parser loses of times in PostgreSQL's dialects.

The time of day in an interval, `1 day 02:03:04`, is given the names of its parts, for it is dropped behind a unit; and
`date_part` is told from `extract`, for it gives floats.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from sqlglot import exp
from sqlglot.tokens import Token, TokenType

from flowc.compiler.dialects import source_of
from flowc.compiler.sql import marks

_CLOCK = re.compile(r"(?<!\S)([+-]?)([0-9]+):([0-9]{2})(?::([0-9]{2}(?:\.[0-9]+)?))?(?!\S)")


def with_named_clock(text: str) -> str:
    """The words of an interval with hours, minutes and seconds in the place of a time of day."""
    return _CLOCK.sub(_named_parts, text)


def name_clocks(tokens: Sequence[Token], dialect: str) -> None:
    """Changes the tokens of the intervals of a query so."""
    for before, token in pairwise(tokens) if source_of(dialect).postgres else ():
        if before.token_type is TokenType.INTERVAL and token.token_type is TokenType.STRING and " " in token.text:
            token.text = with_named_clock(token.text)


def name_parts(parser: Any, dialect: str) -> None:
    """Has a parser read `date_part` as the float of what EXTRACT gives."""
    if source_of(dialect).postgres:
        parser.FUNCTION_PARSERS["DATE_PART"] = _date_part


def _date_part(parser: Any) -> exp.Expression:
    cast = exp.Cast(this=parser._parse_date_part(), to=exp.DataType.build("double"))
    marks.DATE_PART.put(cast)
    return cast


def is_date_part(node: exp.Expression | None) -> bool:
    """Whether a node is such a float."""
    return isinstance(node, exp.Cast) and marks.DATE_PART.has(node)


def _named_parts(clock: re.Match[str]) -> str:
    units = zip(clock.groups()[1:], ("hours", "minutes", "seconds"), strict=True)
    sign = clock[1].replace("+", "")
    return " ".join(f"{sign}{part} {unit}" for part, unit in units if part is not None)
