r"""Regular expressions of PostgreSQL in the syntax that DataFusion reads.

A pattern is read in PostgreSQL's syntax and written anew, since `.` matches a line's end there, `$` in a replacement is
a letter like any other, and what DataFusion lacks (looking ahead, back references) is an error only when it runs.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from sqlglot import exp

from flowc.compiler.sql.rewrite.core import Pair, Rewrite, Untranslatable, text_value
from flowc.compiler.sql.rewrite.patterns import python_replacement, rust_pattern

_SOURCE = "postgres"
_NAMED = ("regexp_match", "regexp_count", "regexp_instr", "regexp_like")
_MOST = {"regexp_instr": 4}
"""How many arguments mean the same in both."""


def as_postgres(rewrite: Rewrite | None, *, match: bool = False) -> Rewrite:
    """A rewrite of a node whose pattern is first written anew. `match` says that the text it takes matters."""

    def rewritten(node: exp.Expression, pair: Pair) -> exp.Expression | None:
        if pair.source == _SOURCE:
            flags = node.args.get("flag") or node.args.get("parameters") or node.args.get("modifiers")
            _check_flags(flags)
            node.set("expression", _anew(node.expression, match=match))
        return rewrite(node, pair) if rewrite is not None else None

    return rewritten


def _anew(pattern: exp.Expression, *, match: bool) -> exp.Expression:
    text = text_value(pattern)
    return pattern if text is None else exp.Literal.string(rust_pattern(text, match=match))


def _check_flags(flags: exp.Expression | None) -> None:
    if flags is not None and not set(text_value(flags) or "?") <= set("gic"):
        raise Untranslatable("such flags of a pattern")


def replace(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """REGEXP_REPLACE: what takes the place of a match, in the words of DataFusion."""
    if pair.source != _SOURCE or node.args.get("replacement") is None:
        return None
    text, new = text_value(node.args["replacement"]), node.copy()
    if text is None:
        raise Untranslatable("a replacement of a pattern that is not a literal")
    words = python_replacement(text, _SOURCE, 9)
    if "\\\\" in words:
        raise Untranslatable("a backslash in the replacement of a pattern")
    written = re.sub(r"\\g<(\d)>", r"${\1}", words.replace("$", "$$"))
    new.set("replacement", exp.Literal.string(written))
    return new


def named(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """The functions of patterns that sqlglot does not know."""
    name, arguments = node.name.lower(), node.expressions
    if pair.source != _SOURCE or name not in _NAMED or len(arguments) < 2:
        return None
    if len(arguments) > _MOST.get(name, len(arguments)):
        raise Untranslatable(f"{name} with so many arguments")
    _set_pattern(arguments, match=name != "regexp_like")
    return None


def _set_pattern(arguments: Sequence[exp.Expression], *, match: bool) -> None:
    anew = _anew(arguments[1], match=match)
    if anew is not arguments[1]:
        arguments[1].replace(anew)
