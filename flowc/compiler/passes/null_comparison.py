"""`x = NULL` is never true."""

from __future__ import annotations

import re
from itertools import pairwise

from sqlglot.dialects.dialect import Dialect
from sqlglot.tokens import TokenType

from flowc.compiler.checked import CheckedSpec
from flowc.compiler.ir import Ir
from flowc.compiler.passes.sql_texts import sql_texts
from flowc.diagnostics import Reporter

_SUSPECT = re.compile(r"(=|<>)\s*null\b", re.IGNORECASE)
_MEANT = {TokenType.EQ: "IS NULL", TokenType.NEQ: "IS NOT NULL"}


def null_comparison(checked: CheckedSpec, ir: Ir | None, reporter: Reporter) -> None:
    """Warns of comparisons with NULL: `WHERE email = NULL` selects nothing, whatever the email is."""
    for text, dialect in sql_texts(checked, ir):
        if not _SUSPECT.search(text.text):
            continue
        for operator, operand in pairwise(Dialect.get_or_raise(dialect).tokenize(text.text)):
            if operator.token_type in _MEANT and operand.token_type is TokenType.NULL:
                span = text.span(operator.start, operand.end + 1)
                helps = [f"write `{_MEANT[operator.token_type]}`"]
                reporter.warning("null-comparison", "a comparison with NULL is never true", span, helps=helps)
