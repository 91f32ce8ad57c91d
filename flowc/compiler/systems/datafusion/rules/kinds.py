"""Numbers of several kinds in one place on DataFusion: which of them are decimals, which floats.

What PostgreSQL writes with a point is a decimal, unless it stands beside a float, where all become floats. DataFusion
reads it as a float, and makes decimals of floats that are compared with or chosen among them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from decimal import Decimal

from sqlglot import exp

from flowc.compiler.sql import marks
from flowc.compiler.sql.rewrite.core import COMPARISONS, Pair, Rules, Untranslatable, call, of, text_value, type_of
from flowc.compiler.sql.rewrite.numbers import (
    EXACT,
    MEANS,
    POWERS,
    Number,
    is_real,
    number_of,
    values_of,
)

_MOST_DIGITS, _MOST = 38, 2**63
"""Digits of a decimal, and the greatest whole number that is one of the engine's, with its sign."""
_EXPONENT = re.compile(r"[0-9.][eE][+-]?[0-9]")
_DECIMAL = exp.DataType.Type.DECIMAL
_COMPUTING = (
    exp.Add, exp.Sub, exp.Mul, exp.Div, exp.Mod, exp.Round, exp.Trunc, exp.Ceil, exp.Floor, exp.Abs, exp.Cast,
    exp.TryCast, exp.DPipe, exp.Concat, exp.ConcatWs, exp.Sum, exp.Min, exp.Max, exp.ArrayAgg, *MEANS,
)  # fmt: skip
"""Whose numbers with a point are decimals, whatever is beside them; other functions of the engine take floats."""
_COMPARING = (*COMPARISONS, exp.NullSafeEQ, exp.NullSafeNEQ)
_CHOOSING = (exp.Case, exp.Coalesce, exp.Greatest, exp.Least, exp.Nullif, exp.In, exp.Between, *_COMPARING)


def _literal(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """`1.15` as a decimal of its digits."""
    if node.args.get("is_string"):
        return None
    if int(node.this) <= _MOST if node.is_int else not _is_exact(node):
        return None
    text = format(Decimal(node.this), "f")
    digits, scale = len(text.replace(".", "").lstrip("0")), len(text.partition(".")[2])
    if max(digits, scale) > _MOST_DIGITS:
        return None
    return exp.cast(exp.Literal.string(text), f"DECIMAL({max(digits, scale, 1)}, {scale})")


def _is_exact(literal: exp.Expression) -> bool:
    """Whether a number with a point is a decimal where it stands."""
    value = literal
    while isinstance(value.parent, exp.Paren | exp.Neg):
        value = value.parent
    around = value.parent
    if marks.IN_ROWS.has(literal) or (isinstance(around, exp.Anonymous) and _makes_json(str(around.this))):
        return True
    if isinstance(around, _COMPUTING):
        return not _is_float(around.args.get("to"))
    if isinstance(around, POWERS):
        return number_of(around) is Number.DECIMAL
    around = around.parent if isinstance(around, exp.If | exp.Tuple) else around
    groups = groups_of(around) if isinstance(around, _CHOOSING) else ()
    return any(_are_exact(group) for group in groups if any(each is value for each in group))


def _makes_json(function: str) -> bool:
    return function == "named_struct" or function.startswith("flowc_json")


def _is_float(to: object) -> bool:
    return isinstance(to, exp.DataType) and to.this in exp.DataType.FLOAT_TYPES


def _are_exact(values: Sequence[exp.Expression]) -> bool:
    return {number_of(value) for value in values if not isinstance(value, exp.Null)} <= {
        Number.INTEGER,
        Number.DECIMAL,
    }


def groups_of(node: exp.Expression) -> Iterator[Sequence[exp.Expression]]:
    """The values that a node compares, or gives one of: those of each group become of one kind."""
    if isinstance(node, exp.Case):
        yield values_of(node)
        if node.this is not None:
            yield [node.this, *(branch.this for branch in node.args["ifs"])]
        return
    rows = [value for value in _operands(node) if isinstance(value, exp.Expression)]
    parts = [row.unnest() for row in rows]
    if all(isinstance(part, exp.Tuple) for part in parts):
        yield from zip(*(part.expressions for part in parts), strict=False)
    else:
        yield rows


def _operands(node: exp.Expression) -> list[exp.Expression | None]:
    if isinstance(node, exp.Between):
        return [node.this, node.args["low"], node.args["high"]]
    if isinstance(node, exp.In) and (rows := node.args.get("query")) is not None:
        select = rows.unnest()
        given = select.selects if isinstance(select, exp.Select) else []
        return [node.this, given[0].unalias()] if len(given) == 1 and not given[0].is_star else []
    return [node.this, *node.expressions, node.args.get("expression")]


def _same_kind(node: exp.Expression, pair: Pair) -> None:
    """A float and a decimal that are compared, or are values of one CASE or the like, are floats."""
    for group in groups_of(node):
        if any(number_of(value) is Number.FLOAT for value in group):
            stays_real = isinstance(node, exp.Nullif) and is_real(node.this)
            _as_floats(group, real=not isinstance(node, _COMPARING) and _stay_real(node, group))
            if stays_real:
                node.replace(exp.cast(node.copy(), "FLOAT"))


def _real_list(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """Several values that are written out are of one type in PostgreSQL: beside a float of 32 bits, all are one."""
    written = [value for value in node.expressions if value.find(exp.Column) is None]
    texts = [value for value in written if text_value(value) is not None]
    group = [node.this, *written]
    if pair.source not in EXACT or not any(map(is_real, group)) or len(written) < (1 if texts else 2):
        return None
    if any(number_of(value) is Number.FLOAT and not is_real(value) for value in group):
        return None
    if len(written) < len(node.expressions):
        raise Untranslatable("columns and numbers in one list beside a real", "write two: `x IN (…) OR x IN (…)`")
    items = [_as_real(value) for value in written]
    if is_real(node.this):
        return exp.In(this=node.this.copy(), expressions=items)
    # What is looked for becomes none of them.
    wide = [exp.cast(value, "DOUBLE") for value in (node.this.copy(), *items)]
    return exp.In(this=wide[0], expressions=wide[1:])


def _as_real(value: exp.Expression) -> exp.Expression:
    return value.copy() if is_real(value) else exp.cast(value.copy(), "FLOAT")


def _stay_real(node: exp.Expression, group: Sequence[exp.Expression]) -> bool:
    """Whether what is chosen is a float of 32 bits, which a decimal becomes beside one."""
    return isinstance(node, exp.Case | exp.Coalesce | exp.Greatest | exp.Least) and is_real(node)


def _as_floats(values: Sequence[exp.Expression], *, real: bool) -> None:
    some = any(map(is_real, values))
    for value in values:
        kind, bare = number_of(value), value.unnest()
        if some and is_real(value) != real and not isinstance(bare, exp.Null):
            value.replace(exp.cast(value.copy(), "FLOAT" if real else "DOUBLE"))
        elif kind in (Number.DECIMAL, Number.FRACTION) and not isinstance(bare, exp.Literal):
            value.replace(exp.cast(value.copy(), "DOUBLE"))


def _columns(node: exp.Expression, pair: Pair) -> None:
    """A column of a set operation that is a float in one query is one in all."""
    if isinstance(node.parent, exp.SetOperation):
        return  # the outermost of them judges all
    branches, waiting = list[exp.Select](), [node]
    while waiting:
        part = waiting.pop()
        if isinstance(part, exp.SetOperation | exp.Subquery):
            waiting += reversed(_parts(part))
        elif isinstance(part, exp.Select):
            branches.append(part)
    for column in zip(*(branch.selects for branch in branches), strict=False):
        if any(number_of(value.unalias()) is Number.FLOAT for value in column):
            for value in column:
                if number_of(value.unalias()) in (Number.DECIMAL, Number.FRACTION):
                    _as_double(value)


def _parts(rows: exp.Expression) -> list[exp.Expression]:
    return [rows.left, rows.right] if isinstance(rows, exp.SetOperation) else [rows.unnest()]


def _as_double(value: exp.Expression) -> None:
    bare, name = value.unalias(), value.alias_or_name
    if isinstance(bare, exp.Literal):
        return
    cast = exp.cast(bare.copy(), "DOUBLE")
    quoted = isinstance(bare, exp.Column) and bool(bare.this.quoted)
    if isinstance(value, exp.Alias):
        bare.replace(cast)
    else:
        value.replace(exp.alias_(cast, name, quoted=quoted) if name else cast)


def _wide_float(node: exp.Expression, pair: Pair) -> None:
    """A float of 32 bits beside any other number counts as one of 64."""
    sides = (node.left, node.right)
    if set(map(is_real, sides)) == {True, False}:
        for side in filter(is_real, sides):
            side.replace(exp.cast(side.copy(), "DOUBLE"))


def _wide_whole(node: exp.Expression, pair: Pair) -> None:
    """A float of 32 bits is rounded to one of 64."""
    if is_real(node.this):
        node.this.replace(exp.cast(node.this.copy(), "DOUBLE"))


def _real_sum(node: exp.Expression, pair: Pair) -> None:
    """A sum of floats of 32 bits is one; DataFusion's has 64."""
    given = node.this.expressions[0] if isinstance(node.this, exp.Distinct) else node.this
    if not is_real(given):
        return
    whole = node
    while isinstance(whole.parent, exp.Filter | exp.Window) and whole.parent.this is whole:
        whole = whole.parent
    whole.replace(exp.cast(whole.copy(), "FLOAT"))


def _digits(node: exp.Expression, pair: Pair) -> None:
    """A text of a number with an exponent, which DataFusion reads as no decimal."""
    to, value = node.args["to"], node.this
    kind = to.this if isinstance(to, exp.DataType) else None
    if kind is not _DECIMAL or type_of(value) not in exp.DataType.TEXT_TYPES:
        return
    text = text_value(value)
    if text is None or _EXPONENT.search(text):
        value.replace(call("flowc_text_digits", value))


_EXACT: Rules = {
    exp.Literal: (_literal,),
    exp.Cast: (_digits,),
    exp.Sum: (_real_sum,),
    **dict.fromkeys((exp.Add, exp.Sub, exp.Mul, exp.Div), (_wide_float,)),
    **dict.fromkeys((exp.Round, exp.Trunc, exp.Ceil, exp.Floor), (_wide_whole,)),
    **dict.fromkeys((exp.Union, exp.Intersect, exp.Except), (_columns,)),
}
KINDS: Rules = {
    **of(EXACT, _EXACT),
    **dict.fromkeys(_CHOOSING, (_same_kind,)),
    exp.In: (_real_list, _same_kind),
}
"""First of all, so that what is made of the author's numbers later knows what they are."""
