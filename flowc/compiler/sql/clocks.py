"""The time of day in an interval, `1 day 02:03:04`, by the names of its parts: the parser drops it behind a unit."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

from sqlglot.tokens import Token, TokenType

POSTGRES = ("postgres", "redshift", "materialize", "risingwave")
"""Dialects that write intervals in PostgreSQL's form."""
_CLOCK = re.compile(r"(?<!\S)([+-]?)([0-9]+):([0-9]{2})(?::([0-9]{2}(?:\.[0-9]+)?))?(?!\S)")


def with_named_clock(text: str) -> str:
    """The words of an interval with hours, minutes and seconds in the place of a time of day."""
    return _CLOCK.sub(_named_parts, text)


def name_clocks(tokens: Sequence[Token], dialect: str) -> None:
    """Changes the tokens of the intervals of a query so."""
    for before, token in pairwise(tokens) if dialect in POSTGRES else ():
        if before.token_type is TokenType.INTERVAL and token.token_type is TokenType.STRING and " " in token.text:
            token.text = with_named_clock(token.text)


def _named_parts(clock: re.Match[str]) -> str:
    units = zip(clock.groups()[1:], ("hours", "minutes", "seconds"), strict=True)
    sign = clock[1].replace("+", "")
    return " ".join(f"{sign}{part} {unit}" for part, unit in units if part is not None)
