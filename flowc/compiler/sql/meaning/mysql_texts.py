"""Texts on MySQL."""

from __future__ import annotations

from sqlglot import exp

from flowc.compiler.sql.meaning.core import (
    Pair,
    Rewrite,
    Rules,
    Untranslatable,
    call,
    integer_value,
    negated,
    text_value,
    type_of,
)
from flowc.compiler.sql.meaning.likes import ESCAPING
from flowc.compiler.sql.meaning.mysql_casts import as_text
from flowc.compiler.sql.meaning.mysql_words import Kind, exactly, kind_of, lacking, said, saying


def joined(node: exp.Expression, pair: Pair) -> exp.Expression:
    """`||`: NULL where one is."""
    return call("CONCAT", as_text(node.left, pair), as_text(node.right, pair))


def concat(node: exp.Expression, pair: Pair) -> exp.Expression:
    """CONCAT, which skips NULL in some dialects."""
    texts = [as_text(v, pair) if not isinstance(v, exp.Null) else v for v in node.expressions]
    if node.args.get("coalesce"):
        texts = [said("COALESCE(:a, '')", a=t) for t in texts]
    return call("CONCAT", *texts)


def concat_ws(node: exp.Expression, pair: Pair) -> exp.Expression:
    """CONCAT_WS skips NULL, but in Snowflake."""
    separator, *values = node.expressions
    texts = [as_text(v, pair) if not isinstance(v, exp.Null) else v for v in values]
    joined = call("CONCAT_WS", separator, *texts)
    if pair.source != "snowflake":
        return joined
    nulls = exp.or_(*[exp.Is(this=v.copy(), expression=exp.null()) for v in values])
    return exp.Case(ifs=[exp.If(this=exp.not_(exp.paren(nulls)), true=joined)])


def length(node: exp.Expression, pair: Pair) -> exp.Expression:
    """Characters, or bytes where MySQL counts them."""
    if type_of(node.this) in exp.DataType.ARRAY_TYPES or kind_of(node.this) is not Kind.TEXT:
        raise Untranslatable("the length of what is not known to be a text")
    binary = pair.source == "mysql" and node.args.get("binary")
    return said("OCTET_LENGTH(:a)" if binary else "CHAR_LENGTH(:a)", a=node.this)


def substring(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """Positions from the end, which may lie before the start."""
    start, size = integer_value(node.args.get("start")), node.args.get("length")
    if start is None:
        if size is None and node.args.get("start") is None:
            return None
        return _from_anywhere(node, pair)
    if start > 0:
        return None
    if pair.source in ("snowflake", "mysql") and start < 0:
        return None
    if start == 0:
        raise Untranslatable("a substring from 0")
    end = said("RIGHT(:a, :n)", a=node.this, n=-start)
    if size is None:
        return end
    if pair.source == "bigquery":
        return said("LEFT(:a, :m)", a=end, m=size)
    return said("LEFT(:e, GREATEST(0, :m - GREATEST(0, :n - CHAR_LENGTH(:a))))", e=end, m=size, n=-start, a=node.this)


def _from_anywhere(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """A start that is computed: what PostgreSQL counts before the text, MySQL would count from its end."""
    start, size = node.args["start"], node.args.get("length")
    if pair.source not in ("postgres", "datafusion"):
        if not _is_positive(start):
            raise Untranslatable("a substring from a position that may be 0 or negative")
        return None
    if size is None:
        return said("SUBSTRING(:a, GREATEST(1, :s))", a=node.this, s=start)
    return said("SUBSTRING(:a, GREATEST(1, :s), :m + LEAST(0, :s - 1))", a=node.this, s=start, m=size)


def _is_positive(start: exp.Expression) -> bool:
    """Whether it is a place in a text, and more."""
    start = start.unnest()
    if not isinstance(start, exp.Add):
        return False
    left, more = start.left.unnest(), integer_value(start.right) or 0
    found = isinstance(left, exp.StrPosition) or (isinstance(left, exp.Anonymous) and left.name == "LOCATE")
    return (found or isinstance(left, exp.Length)) and more > 0


def cut(name: str) -> Rewrite:
    """LEFT and RIGHT; a negative count leaves so many out in PostgreSQL and DuckDB."""

    def rewrite(node: exp.Expression, pair: Pair) -> exp.Expression | None:
        count = integer_value(node.expression)
        if pair.source not in ("postgres", "duckdb", "datafusion") or (count is not None and count >= 0):
            return None
        text = f"CASE WHEN :n >= 0 THEN {name}(:a, :n) ELSE {name}(:a, GREATEST(0, CHAR_LENGTH(:a) + :n)) END"
        return said(text, a=node.this, n=node.expression)

    return rewrite


def trim(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """A set of characters at the ends, where MySQL takes a whole text."""
    letters, side = node.expression, (node.args.get("position") or "BOTH").upper()
    if letters is None:
        return None
    text = text_value(letters)
    if text is None:
        raise Untranslatable("TRIM of characters that are not a literal")
    if len(text) <= 1:
        return said(f"TRIM({side} :l FROM :a)", l=exactly(letters), a=node.this)
    class_ = "[" + "".join(f"\\{c}" if c in "\\]^-[&" else c for c in text) + "]+"
    parts = {"LEADING": f"^{class_}", "TRAILING": f"{class_}\\z", "BOTH": f"^{class_}|{class_}\\z"}
    return said("REGEXP_REPLACE(:a, :p, '')", a=node.this, p=f"(?-i){parts[side]}")


def position(node: exp.Expression, pair: Pair) -> exp.Expression:
    """Where a text is in another."""
    return said("LOCATE(:x, :a)", a=node.this, x=exactly(node.args["substr"]))


def split_part(node: exp.Expression, pair: Pair) -> exp.Expression:
    """The n-th part between separators, empty where there is none."""
    index = integer_value(node.args["part_index"])
    text, by = node.this, text_value(node.args["delimiter"])
    if not index or not by:
        raise Untranslatable("SPLIT_PART with such a separator or number")
    count = f"(CHAR_LENGTH(:a) - CHAR_LENGTH(REPLACE(:a, :d, ''))) DIV {len(by)}"
    part = f"SUBSTRING_INDEX(SUBSTRING_INDEX(:a, :d, {index}), :d, {-1 if index > 0 else 1})"
    return said(f"CASE WHEN {count} >= {abs(index) - 1} THEN {part} WHEN :a IS NOT NULL THEN '' END", a=text, d=by)


def like(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """LIKE with cases told apart, and the backslash as the dialect has it."""
    if isinstance(node.parent, exp.Escape):
        return None
    return _like(node, None if pair.source in ESCAPING else "")


def escape(node: exp.Expression, pair: Pair) -> exp.Expression:
    """LIKE with a character of the author's to escape."""
    letter = text_value(node.expression)
    if letter is None:
        raise Untranslatable("LIKE with an escape character that is not a literal")
    return _like(node.this, letter)


def _like(node: exp.Expression, letter: str | None) -> exp.Expression:
    """Without a letter the backslash escapes."""
    pattern, text = node.expression, node.this
    if kind_of(pattern) is not Kind.TEXT or kind_of(text) is not Kind.TEXT:
        raise Untranslatable("LIKE of what are not known to be texts")
    given = text_value(pattern)
    if letter is not None and given is None:
        raise Untranslatable("LIKE with an escape character in a pattern that is not a literal")
    if given is not None and letter is not None:
        pattern = exp.Literal.string(_escaped(given, letter))
    if isinstance(node, exp.ILike):
        text, pattern = said("LOWER(:a)", a=text), said("LOWER(:a)", a=pattern)
    return negated(node, said("(:a LIKE :p)", a=exactly(text), p=pattern))


def _escaped(pattern: str, letter: str) -> str:
    out, at = "", 0
    while at < len(pattern):
        if letter and pattern[at] == letter and at + 1 < len(pattern):
            at += 1
            out += f"\\{pattern[at]}"
        else:
            out += "\\\\" if pattern[at] == "\\" else pattern[at]
        at += 1
    return out


def texts_together(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """GROUP_CONCAT of values that MySQL writes as others do, in an order."""
    inner = node.this
    while isinstance(inner, exp.Order | exp.Distinct):
        if isinstance(inner, exp.Distinct) and len(inner.expressions) != 1:
            raise Untranslatable("texts of several values put together")
        inner = inner.this if isinstance(inner, exp.Order) else inner.expressions[0]
    if text_value(node.args.get("separator")) is None:
        raise Untranslatable("a separator that is not a literal")
    if kind_of(inner) is not Kind.TEXT:
        inner.replace(as_text(inner, pair))
    if isinstance(node.parent, exp.Window):
        raise Untranslatable("texts put together over a window, which MySQL lacks")
    return None


def character(node: exp.Expression, pair: Pair) -> exp.Expression:
    """A character by its code point; MySQL's CHAR takes bytes."""
    code = integer_value(node.expressions[0])
    if code is None or not 0 < code < 0xD800:
        raise Untranslatable("a character by a code point that is not a literal")
    return exp.Literal.string(chr(code))


def translate(node: exp.Expression, pair: Pair) -> exp.Expression:
    """Characters replaced one by one, where none comes of another that is replaced later."""
    old, new = text_value(node.args["from_"]), text_value(node.args["to"])
    if old is None or new is None or set(new) & set(old):
        raise Untranslatable("TRANSLATE of such characters")
    value = node.this
    for place, letter in enumerate(old):
        if letter not in old[:place]:
            value = call("REPLACE", value, exp.Literal.string(letter), exp.Literal.string(new[place : place + 1]))
    return value


TEXTS: Rules = {
    exp.DPipe: (joined,),
    exp.Concat: (concat,),
    exp.ConcatWs: (concat_ws,),
    exp.Length: (length,),
    exp.ByteLength: (saying("OCTET_LENGTH(:this)"),),
    exp.Substring: (substring,),
    exp.Left: (cut("LEFT"),),
    exp.Right: (cut("RIGHT"),),
    exp.Trim: (trim,),
    exp.StrPosition: (position,),
    exp.SplitPart: (split_part,),
    exp.StartsWith: (
        lambda n, p: said("(LEFT(:a, CHAR_LENGTH(:b)) = :c)", a=n.this, b=n.expression, c=exactly(n.expression)),
    ),
    exp.Like: (like,),
    exp.ILike: (like,),
    exp.Escape: (escape,),
    exp.GroupConcat: (texts_together,),
    exp.Translate: (translate,),
    exp.Chr: (character,),
    exp.Unicode: (saying("ORD(:this)"),),
    exp.Initcap: (lacking("INITCAP"),),
    exp.SHA2: (lambda n, p: None if n.args.get("length") else said("SHA2(:a, 256)", a=n.this),),
    exp.LowerHex: (saying("LOWER(HEX(:this))"),),
}
