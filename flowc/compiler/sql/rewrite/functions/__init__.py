"""The functions that each engine has, one name a line, as the engine itself lists them.

sqlglot writes a function that it does not know how to say as it stands; this finds it before the engine does.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from functools import cache
from importlib.resources import files

from sqlglot import exp
from sqlglot.dialects.dialect import Dialect
from sqlglot.tokens import TokenType

_OWN = "flowc_"
_WORDS = frozenset(("group", "exclude", "materialized", "replace", "except"))
"""Words before a parenthesis that call nothing."""
_NAMED = (exp.CTE, exp.Subquery, exp.Table, exp.Unnest, exp.Lateral, exp.Values)


@cache
def known_functions(engine: str) -> frozenset[str] | None:
    """The names of an engine's functions in lower case; None for an engine of which no list is kept."""
    path = files(__name__) / f"{engine}.txt"
    return frozenset(path.read_text("utf-8").split()) if path.is_file() else None


def names_of_relations(tree: exp.Expression) -> frozenset[str]:
    """The names that a query gives to what it reads, in lower case: columns in parentheses may follow them."""
    named = tree.find_all(exp.TableAlias, *_NAMED)
    return frozenset((node.name if isinstance(node, exp.TableAlias) else node.alias).lower() for node in named)


def missing_functions(text: str, named: Collection[str], engine: str) -> Iterator[str]:
    """Names that a text calls and its engine does not have; `named` are those of relations."""
    known = known_functions(engine)
    if known is None:
        return
    tokens = Dialect.get_or_raise(engine).tokenize(text)
    for before, token, following in zip([None, *tokens], tokens, tokens[1:], strict=False):
        if following.token_type is not TokenType.L_PAREN or token.token_type is not TokenType.VAR:
            continue
        name = token.text.lower()
        if (
            (before is None or before.token_type is not TokenType.ALIAS)
            and name not in known
            and name not in named
            and name not in _WORDS
            and not name.startswith(_OWN)
        ):
            yield name
