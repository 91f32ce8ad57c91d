"""Texts, patterns and JSON, in terms that more than one engine has."""

from __future__ import annotations

import re

from sqlglot import exp

from flowc.compiler.sql.rewrite.core import (
    Pair,
    Rules,
    Untranslatable,
    build,
    call,
    integer_value,
    negated,
    refused,
    text_value,
    type_of,
    with_part,
)

_SPECIAL = re.compile(r"[\\^$.|?*+()\[\]{}]")


def raw_string(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """BigQuery's raw text is a text like any other once it is read."""
    return exp.Literal.string(node.this)


def escaped_string(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """PostgreSQL's E'…'."""
    if pair.source != "postgres":
        return None
    text = re.sub(r"\\([ntr'\\])", lambda m: {"n": "\n", "t": "\t", "r": "\r"}.get(m[1], m[1]), node.this)
    if re.search(r"\\[^\\]", node.this) and re.search(r"\\[^ntr'\\]", node.this):
        raise Untranslatable("such an escape in a text")
    return exp.Literal.string(text)


def similar(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """SIMILAR TO: SQL's patterns in PostgreSQL, regular expressions in DuckDB; both match the whole text."""
    pattern = text_value(node.expression)
    if pattern is None:
        raise Untranslatable("SIMILAR TO with a pattern that is not a literal")
    if pair.source == "postgres":
        if "\\" in pattern:
            raise Untranslatable("an escape in a pattern of SIMILAR TO")
        pattern = re.sub(r"[.^$]", r"\\\g<0>", pattern).replace("%", ".*").replace("_", ".")
    return negated(node, exp.RegexpLike(this=node.this.copy(), expression=exp.Literal.string(f"^({pattern})$")))


def matching(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """A test of a pattern: one that must match the whole text, one with flags."""
    whole = isinstance(node, exp.RegexpFullMatch) or node.args.get("full_match")
    given = node.args.get("flag") or node.args.get("options")
    if not whole and given is None:
        return None
    if given is not None and (flags := text_value(given)) not in ("", "c", "i"):
        raise Untranslatable("such flags of a pattern" if flags else "flags of a pattern that are not a literal")
    kind = exp.RegexpILike if text_value(given) == "i" else exp.RegexpLike
    return negated(node, kind(this=node.this.copy(), expression=_whole(node.expression) if whole else node.expression))


def _whole(pattern: exp.Expression) -> exp.Expression:
    text = text_value(pattern)
    return build("'^(' || :p || ')$'", p=pattern) if text is None else exp.Literal.string(f"^({text})$")


def regexp_extract(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """Groups and matches by numbers that are known; flags and places only where the engine has them."""
    for part in ("group", "occurrence", "position"):
        if (value := node.args.get(part)) is not None and integer_value(value) is None:
            raise Untranslatable(f"the {part} of a pattern that is not a number")
    return None


from_start = refused(
    "a match of a pattern from a position or with flags",
    lambda n: (
        integer_value(n.args.get("position")) not in (None, 1)
        or text_value(n.args.get("parameters")) not in (None, "", "c", "e")
    ),
)
"""For engines that have no others."""


no_limit = refused(
    "a split into a number of parts", lambda n: n.args.get("limit") and integer_value(n.args["limit"]) not in (0, -1)
)


def regexp_substr(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """The first match of a pattern."""
    return exp.RegexpExtract(this=node.this.copy(), expression=node.expression.copy(), nullable=exp.true())


def unmatched(node: exp.Expression, pair: Pair, found: exp.Expression) -> exp.Expression:
    """The match of a pattern, `found`; where there is none NULL, or the empty text in Spark and DuckDB."""
    if pair.source in ("spark", "databricks", "duckdb") and not node.args.get("nullable"):
        return build("CASE WHEN NOT :a IS NULL THEN COALESCE(:r, '') END", a=node.this, r=found)
    return found


def regexp_replace(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    r"""Groups in the replacement: `$1` in Java's patterns, `\1` elsewhere."""
    replacement = node.args.get("replacement")
    if pair.source not in ("spark", "databricks") or replacement is None:
        return None
    text = text_value(replacement)
    if text is None:
        return None
    if "\\" in text:
        raise Untranslatable("a backslash in the replacement of a pattern")
    if not re.search(r"\$\d", text):
        return None
    return with_part(node, replacement=exp.Literal.string(re.sub(r"\$(\d)", r"\\\1", text)))


def any_pattern(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """`LIKE ANY (…)` as conditions joined by OR."""
    right = node.expression
    if not isinstance(right, exp.Any | exp.All) or not isinstance(right.this.unnest(), exp.Tuple | exp.Array):
        return None
    tests = [type(node)(this=node.this.copy(), expression=e.copy()) for e in right.this.unnest().expressions]
    if not tests or any(isinstance(test.expression, exp.Query) for test in tests):
        return None
    if pair.source == "postgres" and node.args.get("negate"):
        tests = [exp.Not(this=test) for test in tests]
        return exp.paren(exp.or_(*tests) if isinstance(right, exp.Any) else exp.and_(*tests))
    return negated(node, exp.paren(exp.or_(*tests) if isinstance(right, exp.Any) else exp.and_(*tests)))


def position(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """A search that starts behind the first character."""
    start = integer_value(node.args.get("position"))
    if node.args.get("position") is None:
        return None
    if start is None or start < 1 or node.args.get("occurrence"):
        raise Untranslatable("a search from a position that is not a number")
    found = exp.StrPosition(
        this=exp.Substring(this=node.this.copy(), start=exp.Literal.number(start)), substr=node.args["substr"].copy()
    )
    return build("CASE WHEN :p = 0 THEN 0 ELSE :p + :n END", p=found, n=start - 1)


def ends_with(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """Does a text end with another."""
    return build("RIGHT(:a, LENGTH(:b)) = :b", a=node.this, b=node.expression)


def contains(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """Does a text hold another."""
    found = exp.StrPosition(this=node.this.copy(), substr=node.expression.copy())
    return exp.paren(exp.GT(this=found, expression=exp.Literal.number(0)))


def slice_of_text(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """`text[a:b]`, DuckDB's substring."""
    part = node.expressions[0] if len(node.expressions) == 1 else None
    if pair.source != "duckdb" or not isinstance(part, exp.Slice) or type_of(node.this) not in exp.DataType.TEXT_TYPES:
        return None
    start, end = integer_value(part.this) if part.this else 1, integer_value(part.expression)
    if start is None or start < 1 or end is None or end < 0:
        raise Untranslatable("a slice of a text by positions that are not positive numbers")
    return exp.Substring(
        this=node.this.copy(), start=exp.Literal.number(start), length=exp.Literal.number(max(0, end - start + 1))
    )


def hexadecimal(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """A number in base sixteen, in small letters where the author's dialect has those."""
    return call("LOWER" if pair.source == "postgres" else "UPPER", call("TO_HEX", unsigned(node.this, pair)))


def unsigned(value: exp.Expression, pair: Pair) -> exp.Expression:
    """The integer that is written in base sixteen: PostgreSQL's of 32 bits have eight digits when negative."""
    number, kind = integer_value(value), type_of(value)
    if kind not in exp.DataType.INTEGER_TYPES and number is None:
        raise Untranslatable("HEX of what is not known to be an integer")
    if pair.source != "postgres":
        return value
    if number is not None:
        return exp.Literal.number(number % 2**32) if -(2**31) <= number < 0 else value
    return build("(CAST(:a AS BIGINT) & 4294967295)", a=value) if kind in _SMALL_INTEGERS else value


_SMALL_INTEGERS = (exp.DataType.Type.INT, exp.DataType.Type.SMALLINT, exp.DataType.Type.TINYINT)
_MARK = re.compile(r"%(?:(\d+)\$)?(.)", re.DOTALL)


def formatted(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """PostgreSQL's format() of texts: the pieces put together."""
    if pair.source != "postgres":
        return None
    text = text_value(node.this)
    if text is None or "%" in _MARK.sub("", text):
        raise Untranslatable("format() of a text that is not a literal")
    parts: list[exp.Expression] = []
    at = given = 0
    for mark in _MARK.finditer(text):
        parts.append(exp.Literal.string(text[at : mark.start()] + ("%" if mark[2] == "%" else "")))
        at = mark.end()
        if mark[2] != "%":
            given = int(mark[1]) if mark[1] else given + 1
            parts.append(_argument(node, mark[2], given))
    parts.append(exp.Literal.string(text[at:]))
    kept = [part for part in parts if text_value(part) != ""]
    return exp.Concat(expressions=kept or [exp.Literal.string("")], safe=True, coalesce=True)


def _argument(node: exp.Expression, kind: str, place: int) -> exp.Expression:
    if kind != "s" or not 1 <= place <= len(node.expressions):
        raise Untranslatable("format() with anything but `%s`")
    return bit_words(node.expressions[place - 1])


def bit_words(value: exp.Expression) -> exp.Expression:
    """A value as concat() and format() of PostgreSQL write it, whose booleans are `t` and `f`."""
    if type_of(value) is exp.DataType.Type.BOOLEAN or isinstance(value, exp.Boolean | exp.Predicate):
        return build("CASE WHEN :a THEN 't' WHEN NOT :a THEN 'f' END", a=value)
    return value.copy()


def concatenated(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """concat() of booleans."""
    if pair.source != "postgres":
        return None
    for value in node.expressions:
        if (new := bit_words(value)) != value:
            value.replace(new)
    return None


def character(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """MySQL's CHAR with the character set, which is UTF-8 everywhere else."""
    return exp.Chr(expressions=[e.copy() for e in node.expressions]) if node.args.get("charset") else None


def text_group(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """Texts put together: numbers cast where the engine insists, a comma where the dialect has it by default."""
    value = node.this
    inner = value.this if isinstance(value, exp.Order) else value
    if isinstance(inner, exp.Distinct) and len(inner.expressions) == 1:
        inner = inner.expressions[0]
    if not pair.engine.joins_numbers and type_of(inner) in exp.DataType.NUMERIC_TYPES:
        inner.replace(exp.cast(inner.copy(), "text"))
    if node.args.get("separator") is None:
        node.set("separator", exp.Literal.string("" if pair.source == "snowflake" else ","))
    return None


def json_value(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """A scalar at a path, as text."""
    return exp.JSONExtractScalar(this=node.this.copy(), expression=node.args["path"].copy(), scalar_only=True)


def text_of_variant(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """A cast of a value inside JSON reads the value, not its JSON text."""
    value = node.this.unnest()
    if pair.source not in ("snowflake", "databricks", "mysql", "duckdb") or not isinstance(value, exp.JSONExtract):
        return None
    to = node.args["to"]
    if pair.source == "duckdb" and isinstance(to, exp.DataType) and to.this in exp.DataType.TEXT_TYPES:
        return None
    return with_part(node, this=exp.JSONExtractScalar(this=value.this.copy(), expression=value.expression.copy()))


def json_arithmetic(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """MySQL counts with numbers inside JSON."""
    if pair.source != "mysql":
        return None
    for side in ("this", "expression"):
        value = node.args[side].unnest()
        if isinstance(value, exp.JSONExtract):
            scalar = exp.JSONExtractScalar(this=value.this.copy(), expression=value.expression.copy())
            node.set(side, exp.cast(scalar, "double"))
    return None


def map_element(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """`MAP {…}[key]`, which sqlglot reads as the map of an element."""
    inner = node.this
    if not isinstance(inner, exp.Bracket):
        return None
    return exp.Bracket(this=exp.ToMap(this=inner.this.copy()), expressions=[e.copy() for e in inner.expressions])


def is_plain(pattern: str | None) -> bool:
    """Whether a pattern is a text without special characters."""
    return pattern is not None and not _SPECIAL.search(pattern)


_ESCAPING = ("postgres", "redshift", "spark", "databricks", "hive", "bigquery", "mysql", "clickhouse", "datafusion")
"""Dialects of authors in which a backslash in LIKE escapes by itself."""


def backslash(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """A pattern that may hold a backslash, between dialects that do not agree on it."""
    escapes, pattern = pair.source in _ESCAPING, text_value(node.expression)
    if escapes == pair.engine.escapes_like or isinstance(node.parent, exp.Escape):
        return None
    if pattern is not None and "\\" not in pattern:
        return None
    if escapes:
        return exp.Escape(this=node.copy(), expression=exp.Literal.string("\\"))
    return with_part(node, expression=_doubled(node.expression, pattern))


def _doubled(node: exp.Expression, pattern: str | None) -> exp.Expression:
    """The pattern with each backslash written twice."""
    if pattern is not None:
        return exp.Literal.string(pattern.replace("\\", "\\\\"))
    return call("REPLACE", node, exp.Literal.string("\\"), exp.Literal.string("\\\\"))


TEXTS: Rules = {
    exp.RawString: (raw_string,),
    exp.Hex: (hexadecimal,),
    exp.LowerHex: (hexadecimal,),
    exp.Format: (formatted,),
    exp.Concat: (concatenated,),
    exp.ConcatWs: (concatenated,),
    exp.ToMap: (map_element,),
    exp.ByteString: (escaped_string,),
    exp.SimilarTo: (similar,),
    exp.RegexpLike: (matching,),
    exp.RegexpFullMatch: (matching,),
    exp.RegexpExtract: (regexp_extract,),
    exp.RegexpSplit: (no_limit,),
    exp.Split: (no_limit,),
    exp.RegexpSubstr: (regexp_substr,),
    exp.RegexpReplace: (regexp_replace,),
    exp.Like: (any_pattern,),
    exp.ILike: (any_pattern,),
    exp.StrPosition: (position,),
    exp.EndsWith: (ends_with,),
    exp.Contains: (contains,),
    exp.Bracket: (slice_of_text,),
    exp.GroupConcat: (text_group,),
    exp.Chr: (character,),
    exp.JSONValue: (json_value,),
    exp.Cast: (text_of_variant,),
    exp.TryCast: (text_of_variant,),
    exp.Add: (json_arithmetic,),
    exp.Sub: (json_arithmetic,),
    exp.Mul: (json_arithmetic,),
    exp.Div: (json_arithmetic,),
}
LIKES: Rules = {exp.Like: (backslash,), exp.ILike: (backslash,)}
"""Applied after `TEXTS` has written the patterns: a backslash escapes in some dialects and is a letter in others."""
