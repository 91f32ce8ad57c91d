r"""Regular expressions on MySQL: ICU's in MySQL, PCRE's in MariaDB. Only what both read alike is written.

A pattern is read in the author's dialect and written anew, with cases told apart unless it says otherwise. Groups in a
replacement are `$1` for one and `\1` for the other.
"""

from __future__ import annotations

import re

from sqlglot import exp

from flowc.compiler.sql.meaning.core import Pair, Rules, Untranslatable, integer_value, negated, text_value
from flowc.compiler.sql.meaning.mysql_words import said
from flowc.compiler.sql.meaning.patterns import Pattern, engine_pattern, python_replacement
from flowc.compiler.sql.meaning.texts import unmatched


def _literal(node: exp.Expression | None, what: str) -> str:
    text = text_value(node)
    if text is None:
        raise Untranslatable(f"{what} that is not a literal on MySQL")
    return text


def _pattern(node: exp.Expression, pair: Pair, allowed: str, *, any_case: bool = False) -> tuple[Pattern, str]:
    given = node.args.get("flag") or node.args.get("parameters") or node.args.get("modifiers")
    flags = "" if given is None else _literal(given, "flags of a pattern")
    if not set(flags) <= {*allowed, "i", "c"}:
        raise Untranslatable("such flags of a pattern, which MySQL lacks")
    pattern = engine_pattern(_literal(node.expression, "a pattern"), pair.source, any_case=any_case or "i" in flags)
    return pattern, flags


def _written(pattern: Pattern) -> str:
    return "(?-i)" + pattern.text


def like(node: exp.Expression, pair: Pair) -> exp.Expression:
    """Whether a pattern matches somewhere in a text."""
    pattern, _ = _pattern(node, pair, "", any_case=isinstance(node, exp.RegexpILike))
    return negated(node, said("(REGEXP_INSTR(:a, :p) > 0)", a=node.this, p=_written(pattern)))


def extract(node: exp.Expression, pair: Pair) -> exp.Expression:
    """The first match of a pattern, or a group of it where the rest can be cut away."""
    pattern, _ = _pattern(node, pair, "e")
    group = integer_value(node.args.get("group")) or 0
    if (integer_value(node.args.get("occurrence")) or 1) > 1 or (integer_value(node.args.get("position")) or 1) > 1:
        raise Untranslatable("a match of a pattern that is not its first, which MariaDB lacks")
    if not pattern.first or group > pattern.groups or (group and not pattern.plain):
        raise Untranslatable("such a match of a pattern, which MySQL lacks")
    found = "REGEXP_SUBSTR(:a, :p)"
    if group:
        found = f"REGEXP_REPLACE({found}, :p, IF(VERSION() LIKE '%MariaDB%', '\\\\{group}', '${group}'))"
        if "(?<" in pattern.text:
            raise Untranslatable("a group of a pattern with `\\b`, which MySQL lacks")
    match = said(f"CASE WHEN REGEXP_INSTR(:a, :p) > 0 THEN {found} END", a=node.this, p=_written(pattern))
    return unmatched(node, pair, match)


def replace(node: exp.Expression, pair: Pair) -> exp.Expression:
    """A text with all matches of a pattern replaced."""
    pattern, flags = _pattern(node, pair, "g")
    single = node.args.get("single_replace") and "g" not in flags
    if integer_value(node.args.get("occurrence")) or single or (integer_value(node.args.get("position")) or 1) > 1:
        raise Untranslatable("the replacement of one match of a pattern, which MariaDB lacks")
    if not pattern.first or not pattern.shortest:
        raise Untranslatable("the replacement of such a match of a pattern, which MySQL lacks")
    given = node.args.get("replacement")
    new = python_replacement(_literal(given, "a replacement") if given is not None else "", pair.source, pattern.groups)
    if not re.search(r"[\\$]", new):
        return said("REGEXP_REPLACE(:a, :p, :r)", a=node.this, p=_written(pattern), r=new)
    maria, icu = re.sub(r"\\g<(\d)>", r"\\\1", new), _icu(new)
    text = "REGEXP_REPLACE(:a, :p, IF(VERSION() LIKE '%MariaDB%', :m, :i))"
    return said(text, a=node.this, p=_written(pattern), m=maria, i=icu)


def _icu(new: str) -> str:
    return re.sub(r"\\g<(\d)>|\$", lambda m: f"${m[1]}" if m[1] else r"\$", new)


PATTERNS: Rules = {
    exp.RegexpLike: (like,),
    exp.RegexpILike: (like,),
    exp.RegexpExtract: (extract,),
    exp.RegexpReplace: (replace,),
}
