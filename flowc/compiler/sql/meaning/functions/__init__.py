"""The functions that each engine has, one name a line, as the engine itself lists them.

sqlglot writes a function that it does not know how to say as it stands; this finds it before the engine does.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from importlib.resources import files

from sqlglot import exp
from sqlglot.dialects.dialect import Dialect
from sqlglot.tokens import TokenType

_OWN = "flowc_"
_WORDS = frozenset(("group", "exclude", "materialized", "replace", "except"))
"""Words before a parenthesis that call nothing."""


@cache
def known_functions(engine: str) -> frozenset[str] | None:
    """The names of an engine's functions in lower case; None for an engine of which no list is kept."""
    path = files(__name__) / f"{engine}.txt"
    return frozenset(path.read_text("utf-8").split()) if path.is_file() else None


def missing_functions(text: str, tree: exp.Expression, engine: str) -> Iterator[str]:
    """Names that a text calls and its engine does not have."""
    known = known_functions(engine)
    if known is None:
        return
    named = {
        e.alias.lower() for e in tree.find_all(exp.CTE, exp.Subquery, exp.Table, exp.Unnest, exp.Lateral, exp.Values)
    }
    named |= {a.this.name.lower() for a in tree.find_all(exp.TableAlias) if a.this is not None}
    tokens = Dialect.get_or_raise(engine).tokenize(text)
    for before, token, following in zip([None, *tokens], tokens, tokens[1:], strict=False):
        name = token.text.lower()
        if before is not None and before.token_type is TokenType.ALIAS:
            continue
        if (
            token.token_type is TokenType.VAR
            and following.token_type is TokenType.L_PAREN
            and name not in known
            and name not in named
            and name not in _WORDS
            and not name.startswith(_OWN)
        ):
            yield name
