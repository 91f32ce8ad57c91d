"""Texts of values on DataFusion: what a cast, `||`, `concat` and `array_to_string` make of them in PostgreSQL.

Values whose text is another in DataFusion, or whose type is not known, go through functions of flowc's own, which the
engine is given for the types that they get (`runtime/engine/json`). Texts whose digits PostgreSQL chooses by the values
are refused.
"""

from __future__ import annotations

from decimal import Decimal

from sqlglot import exp

from flowc.compiler.sql import marks
from flowc.compiler.sql.rewrite.core import (
    INTEGERS,
    NAIVE_TIMES,
    ZONED_TIMES,
    Pair,
    Rules,
    Untranslatable,
    build,
    call,
    integer_value,
    text_value,
    type_of,
    typed,
)
from flowc.compiler.sql.rewrite.numbers import (
    EXACT,
    MEANS,
    POWERS,
    Number,
    is_wide,
    number_of,
    values_of,
)
from flowc.compiler.systems.datafusion.rules.zones import of_no_type

_TYPE = exp.DataType.Type
_JSON = (_TYPE.JSON, _TYPE.JSONB)
_SAME = frozenset((*exp.DataType.TEXT_TYPES, *INTEGERS, _TYPE.DATE, _TYPE.BOOLEAN, *_JSON))
"""Types whose values have the same text in both."""
_NO_NUMBERS = _SAME - INTEGERS
_CONDITIONS = (exp.Boolean, exp.Predicate, exp.Connector, exp.Not, exp.Null)
_GIVES_DIGITS = (exp.Round, exp.Trunc, exp.Cast, exp.TryCast, exp.Extract)


def text_of(value: exp.Expression, pair: Pair, how: str = "text") -> exp.Expression | None:
    """A value as the text that the author's dialect makes of it; None where DataFusion's is the same.

    `how` is what makes it: a cast (`text`), `||` (`joined`) or `concat` (`output`).
    """
    kind = type_of(value)
    if pair.source in EXACT and kind not in _NO_NUMBERS:
        _no_chosen_within(value)
    if pair.source not in EXACT:
        return _text_of_time(value, kind, zoned=pair.source == "duckdb")
    if kind in _SAME or isinstance(value.unnest(), _CONDITIONS):
        return None
    number = number_of(value)
    if number is None and any(_is_widened(node) or _is_mean(node) for node in value.walk(prune=_settles)):
        _no_chosen_digits(value)
    part = value.unnest()
    if (untyped := _demand_time(part)) is not None:
        return untyped
    if number in (Number.DECIMAL, Number.FRACTION):
        return _of_one(part, pair, how) or _of_decimal(value)
    if number is Number.INTEGER:
        _no_quotient(value)
        return None
    return typed(call(f"flowc_{how}", value), "text")


_MIXED = (
    "the text of what is one of several numbers, whose scales may differ: CAST it, as in `CAST(x AS numeric(10, 2))`"
)
_CHOSEN_WITHIN = (
    "the text of a number that a query within gives, whose digits PostgreSQL chooses by its values: round() it there"
)
_FREE = "the text of a numeric without a scale: CAST it AS numeric(p, s)"
_CHOSEN = (
    "the text of a quotient, mean, power or root of decimals, whose digits PostgreSQL chooses by their values:"
    " round() it"
)


def _of_one(node: exp.Expression, pair: Pair, how: str) -> exp.Expression | None:
    """The text of one of several numbers: one of their texts, which are decimals with the digits of each."""
    exact = (Number.INTEGER, Number.DECIMAL)
    if not isinstance(node, exp.Case | exp.Coalesce) or any(number_of(each) not in exact for each in values_of(node)):
        return None
    new = node.copy()
    for each in values_of(new):
        written = _written(each)
        each.replace(written or text_of(each, pair, how) or exp.cast(each.copy(), "varchar"))
    return typed(new, "text")


def _written(value: exp.Expression) -> exp.Expression | None:
    """The text of a number that is written out."""
    bare = value.unnest()
    digits = bare.this.unnest() if isinstance(bare, exp.Neg) else bare
    if not isinstance(digits, exp.Literal) or digits.is_string:
        return None
    number = Decimal(digits.this)
    return exp.Literal.string(format(-number if digits is not bare and number else number, "f"))


def _of_decimal(value: exp.Expression) -> exp.Expression | None:
    inner = value.unnest()
    if isinstance(inner, exp.Trunc | exp.Round | exp.Floor | exp.Ceil) and inner.args.get("decimals") is None:
        return exp.cast(exp.cast(value.copy(), "DECIMAL(38, 0)"), "varchar")
    _no_chosen_digits(value)
    return None


def has_chosen_digits(value: exp.Expression, source: str) -> bool:
    """Whether an expression gives decimals whose digits PostgreSQL chooses by their values."""
    value = value.unalias()
    if source not in EXACT or type_of(value) in _NO_NUMBERS:
        return False
    try:
        _no_chosen_within(value)
        number = number_of(value)
        if number in (Number.DECIMAL, Number.FRACTION):
            _no_chosen_digits(value)
        elif number is Number.INTEGER:
            _no_quotient(value)
    except Untranslatable:
        return True
    except RecursionError:  # which is told where the query is translated
        return False
    return False


def _no_chosen_within(value: exp.Expression) -> None:
    if any(marks.CHOSEN.has(node) for node in value.walk(prune=_ends)):
        raise Untranslatable(_CHOSEN_WITHIN)


def _ends(node: exp.Expression) -> bool:
    """Whether the numbers in a node are not what it gives."""
    return _settles(node) or isinstance(node, exp.Predicate | exp.Connector | exp.Count)


def _no_chosen_digits(value: exp.Expression) -> None:
    for node in value.walk(prune=_settles):
        _demand_time(node)
        if isinstance(node, (exp.Div, *MEANS, *POWERS)):
            raise Untranslatable(_CHOSEN)
        if _is_mixed(node):
            raise Untranslatable(_MIXED)
        if _is_unbounded(node):
            raise Untranslatable(_FREE)


def no_chosen_digits_within(values: exp.Expression) -> None:
    """Raises Untranslatable where a document is made of a number whose digits PostgreSQL chooses."""
    for node in values.walk(prune=_ends):
        if number_of(node) in (Number.DECIMAL, Number.FRACTION) or _is_widened(node):
            _no_chosen_digits(node)
    _no_chosen_within(values)


def _demand_time(node: exp.Expression) -> exp.Expression | None:
    """In the place of the seconds of what may be a date, which alone have no places; None for another node."""
    if not isinstance(node, exp.Extract) or node.name.upper() != "EPOCH" or type_of(node.expression) is not None:
        return None
    what = "the text of the part epoch of what is not known to be a timestamp"
    return of_no_type(node, what, "say what it is: `CAST(… AS timestamp)`")


def _is_mean(node: exp.Expression) -> bool:
    """Whether what nobody declares is a decimal of such digits, if it is a whole number."""
    return isinstance(node, MEANS) or (isinstance(node, exp.Div) and is_wide(node.left, node.right))


def _no_quotient(value: exp.Expression) -> None:
    """What whole numbers give that are quotients of sums of bigints are decimals."""
    for node in value.walk(prune=_settles):
        if isinstance(node, exp.Div) and is_wide(node.left, node.right):
            raise Untranslatable(_CHOSEN)


def _settles(node: exp.Expression) -> bool:
    """Whether the digits that a node gives do not depend on those that it is given."""
    return isinstance(node, _GIVES_DIGITS) and not _is_unbounded(node)


def _is_mixed(node: exp.Expression) -> bool:
    if isinstance(node, exp.Nullif):
        # The engine gives what it compares as many places as both have.
        return Number.INTEGER not in (number_of(node.this), number_of(node.expression)) or (
            number_of(node) is Number.DECIMAL and number_of(node.this) is Number.INTEGER
        )
    if not isinstance(node, exp.Case | exp.Coalesce | exp.Greatest | exp.Least):
        return False
    known = {value.to.sql() if isinstance(value, exp.Cast) else value.sql() for value in values_of(node)}
    return len(known - {"NULL"}) > 1


def _is_widened(node: exp.Expression) -> bool:
    known = type_of(node)
    return marks.WIDENED.has(node) and known in (None, _TYPE.DECIMAL, _TYPE.ARRAY)


def _is_unbounded(node: exp.Expression) -> bool:
    to = node.args.get("to")
    if _is_widened(node):
        return True
    free = isinstance(to, exp.DataType) and to.this is _TYPE.DECIMAL and not to.expressions
    return free and number_of(node.this) not in (Number.INTEGER, Number.DECIMAL)


def _text_of_time(value: exp.Expression, kind: object, *, zoned: bool) -> exp.Expression | None:
    """The digits of a second only where there are some, and without zeros at their end."""
    if kind not in NAIVE_TIMES and not (zoned and kind in ZONED_TIMES):
        return None
    whole = call("to_char", value, exp.Literal.string("%Y-%m-%d %H:%M:%S"))
    exact = call("to_char", value, exp.Literal.string("%Y-%m-%d %H:%M:%S%.6f"))
    is_whole = "EXTRACT(MICROSECOND FROM :a) % 1000000 = 0"
    text = build(f"CASE WHEN {is_whole} THEN :w ELSE rtrim(:e, '0') END", a=value, w=whole, e=exact)
    return build(":t || '+00'", t=exp.paren(text, copy=False)) if kind in ZONED_TIMES else text


def cast_to_text(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """A cast to a text, cut to a length where it has one; None for any other cast."""
    to, value = node.args["to"], node.this
    if not isinstance(to, exp.DataType) or to.this not in exp.DataType.TEXT_TYPES:
        return None
    fixed = pair.source in EXACT and to.this in (_TYPE.CHAR, _TYPE.NCHAR)
    if fixed and (_is_filled(value, to) or _is_beside_blanks(node)):
        raise Untranslatable("char(n), whose texts PostgreSQL fills with blanks", "CAST it AS varchar(n), or AS text")
    text = text_of(value, pair)
    length = _length(to) if pair.source in EXACT or to.expressions else None
    if length is not None:
        whole = exp.cast(value.copy(), "varchar") if text is None else text
        return exp.Left(this=whole, expression=length)
    return text


def _is_filled(value: exp.Expression, to: exp.DataType) -> bool:
    """Whether a `char(n)` may end in blanks, which are no part of it."""
    text, length = text_value(value.unnest()), integer_value(_length(to))
    if length == 1 and type_of(value) not in (None, *exp.DataType.TEXT_TYPES):
        return False  # no number and no date is an empty text
    return text is None or length is None or len(text) < length or text[:length].endswith(" ")


def _is_beside_blanks(node: exp.Expression) -> bool:
    """Whether a `char(n)` is compared with a text that ends in blanks, which count for nothing there."""
    around = node.parent
    beside = around.iter_expressions() if isinstance(around, exp.Predicate) else ()
    return any((text_value(each.unnest()) or "").endswith(" ") for each in beside)


def _length(to: exp.DataType) -> exp.Expression | None:
    """How many characters a cast leaves; one where `char` says no number."""
    if to.expressions:
        return to.expressions[0].this.copy() if isinstance(to.expressions[0], exp.DataTypeParam) else None
    return exp.Literal.number(1) if to.this in (_TYPE.CHAR, _TYPE.NCHAR) else None


def _concatenated(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    return _each(node, list(node.expressions), pair, "output")


def _joined(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """What stands beside a text; two values of which neither is known to be one may be lists."""
    sides = [node.this, node.expression]
    if any(_is_list(side) for side in sides) or not any(_is_text(side) for side in sides):
        return None
    return _each(node, sides, pair, "joined")


def _each(node: exp.Expression, parts: list[exp.Expression], pair: Pair, how: str) -> exp.Expression | None:
    for part in parts:
        if (text := text_of(part, pair, how)) is not None:
            part.replace(text)
    return None


def _is_list(node: exp.Expression) -> bool:
    return type_of(node) in exp.DataType.ARRAY_TYPES or isinstance(node.unnest(), exp.Array)


def _is_text(node: exp.Expression) -> bool:
    inner = node.unnest()
    return type_of(node) in exp.DataType.TEXT_TYPES or (
        isinstance(inner, exp.DPipe) and any(map(_is_text, (inner.this, inner.expression)))
    )


def _elements(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """array_to_string: the elements as `concat` writes them."""
    if pair.source in EXACT:
        no_chosen_digits_within(node.this)
    given = node.this.unnest()
    plain = isinstance(given, exp.Array) and all(type_of(each) in _PLAIN for each in given.expressions)
    if pair.source not in EXACT or plain or isinstance(given, exp.Split):
        return None
    if any(map(_is_widened, given.walk(prune=_settles))):
        _no_chosen_digits(given)
    given.replace(call("flowc_outputs", given))
    return None


_PLAIN = frozenset((*exp.DataType.TEXT_TYPES, *INTEGERS))

TEXTS: Rules = {
    **dict.fromkeys((exp.Cast, exp.TryCast), (cast_to_text,)),
    exp.ArrayToString: (_elements,),
    exp.DPipe: (_joined,),
    **dict.fromkeys((exp.Concat, exp.ConcatWs), (_concatenated,)),
}
