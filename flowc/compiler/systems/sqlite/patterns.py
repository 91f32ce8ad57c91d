"""Regular expressions on SQLite, by flowc's functions."""

from __future__ import annotations

from sqlglot import exp

from flowc.compiler.sql.rewrite.core import Pair, Rules, Untranslatable, call, integer_value, negated, text_value
from flowc.compiler.sql.rewrite.patterns import Pattern, python_pattern, python_replacement
from flowc.compiler.sql.rewrite.texts import unmatched


def _literal(node: exp.Expression | None, what: str) -> str:
    text = text_value(node)
    if text is None:
        raise Untranslatable(f"{what} that is not a literal on SQLite")
    return text


def _flags(node: exp.Expression) -> str:
    given = node.args.get("flag") or node.args.get("parameters") or node.args.get("modifiers")
    return "" if given is None else _literal(given, "flags of a pattern")


def _pattern(node: exp.Expression, pair: Pair, allowed: str, *, any_case: bool = False) -> Pattern:
    """The node's pattern; `allowed` are the flags that it may have beside `i`."""
    flags = _flags(node)
    if not set(flags) <= {*allowed, "i"}:
        raise Untranslatable("such flags of a pattern, which SQLite lacks")
    return python_pattern(_literal(node.expression, "a pattern"), pair.source, any_case=any_case or "i" in flags)


def _from_start(node: exp.Expression) -> None:
    if node.args.get("position") is not None and integer_value(node.args["position"]) != 1:
        raise Untranslatable("a pattern from a position on, which SQLite lacks")


def like(node: exp.Expression, pair: Pair) -> exp.Expression:
    """Whether a pattern matches somewhere in a text."""
    pattern = _pattern(node, pair, "", any_case=isinstance(node, exp.RegexpILike))
    return negated(node, call("flowc_regexp_like", node.this, exp.Literal.string(pattern.text)))


def extract(node: exp.Expression, pair: Pair) -> exp.Expression:
    """The n-th match of a pattern, or one of its groups."""
    _from_start(node)
    group, nth = integer_value(node.args.get("group")) or 0, integer_value(node.args.get("occurrence")) or 1
    pattern = _pattern(node, pair, "e")
    if not pattern.first or (nth > 1 and not pattern.shortest):
        raise Untranslatable("such a match of a pattern, which SQLite lacks")
    if group > pattern.groups or (group and not pattern.plain):
        raise Untranslatable("a group that not every match has, which SQLite lacks")
    places = (exp.Literal.number(group), exp.Literal.number(nth))
    return unmatched(node, pair, call("flowc_regexp_extract", node.this, exp.Literal.string(pattern.text), *places))


def replace(node: exp.Expression, pair: Pair) -> exp.Expression:
    """A text with the matches of a pattern replaced, all or the first."""
    _from_start(node)
    if integer_value(node.args.get("occurrence")):
        raise Untranslatable("the replacement of one match of a pattern, which SQLite lacks")
    pattern = _pattern(node, pair, "g")
    if not pattern.first or not pattern.shortest:
        raise Untranslatable("the replacement of such a match of a pattern, which SQLite lacks")
    given = node.args.get("replacement")
    new = python_replacement(_literal(given, "a replacement") if given is not None else "", pair.source, pattern.groups)
    is_one = node.args.get("single_replace") and "g" not in _flags(node)
    name = "flowc_regexp_replace_first" if is_one else "flowc_regexp_replace"
    return call(name, node.this, exp.Literal.string(pattern.text), exp.Literal.string(new))


PATTERNS: Rules = {
    exp.RegexpLike: (like,),
    exp.RegexpILike: (like,),
    exp.RegexpExtract: (extract,),
    exp.RegexpReplace: (replace,),
}
