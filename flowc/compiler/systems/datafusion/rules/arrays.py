"""Arrays on DataFusion as PostgreSQL has them: their NULLs, their texts, and the zeros and NaNs in them."""

from __future__ import annotations

import re

from sqlglot import exp
from sqlglot.optimizer.annotate_types import annotate_types

from flowc.compiler.sql.rewrite.core import (
    INTEGERS,
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
from flowc.compiler.sql.rewrite.numbers import Number, number_of

_TYPE = exp.DataType.Type
_ONE_OF_EACH = "nanvl(:a + 0.0, CAST('NaN' AS DOUBLE))"
_ELEMENT = re.compile(r'\s*(?:"((?:[^"\\]|\\.)*)"|([^",{}\\]*?))\s*(,|$)')
_BOTH = "CASE WHEN :a IS NOT NULL AND :b IS NOT NULL THEN {} END"
_KEPT = {
    _TYPE.DECIMAL: frozenset({_TYPE.DECIMAL, _TYPE.DOUBLE, _TYPE.FLOAT}),
    _TYPE.DOUBLE: frozenset({_TYPE.DOUBLE}),
    _TYPE.FLOAT: frozenset({_TYPE.FLOAT, _TYPE.DOUBLE}),
}
"""What DataFusion makes of elements of a type as PostgreSQL does."""


def is_array(node: exp.Expression) -> bool:
    """Whether a value is known to be an array."""
    return type_of(node) in exp.DataType.ARRAY_TYPES or isinstance(node.unnest(), exp.Array)


def _elements_type(node: exp.Expression) -> exp.DataType.Type | None:
    """The type of an array's elements, None where it is not known."""
    kind = node.unnest().args.get("to") or node.unnest().type
    inner = kind.expressions[0] if isinstance(kind, exp.DataType) and kind.expressions else None
    return exp.DataType.Type(inner.this) if isinstance(inner, exp.DataType) else None


def _has_floats(node: exp.Expression) -> bool:
    bare = node.unnest()
    if isinstance(bare, exp.Array):
        return any(number_of(each) is Number.FLOAT for each in bare.expressions)
    return _elements_type(bare) in exp.DataType.FLOAT_TYPES


def plain_floats(*values: exp.Expression) -> list[exp.Expression]:
    """Arrays, and what may be in them, with one zero and one NaN where any of them has floats."""
    if not any(map(_has_floats, values)) and not any(number_of(value) is Number.FLOAT for value in values):
        return [value.copy() for value in values]
    return [_of_each("array_transform", value, _ONE_OF_EACH) if is_array(value) else build(_ONE_OF_EACH, a=value)
            for value in values]  # fmt: skip


def _of_each(function: str, array: exp.Expression, what: str, /, **parts: exp.Expression) -> exp.Expression:
    """A function of the engine that takes an expression of each element, `:a` in its text."""
    element = exp.to_identifier("e")
    made = build(what, a=exp.column(element.copy()), **parts)
    new = call(function, array, exp.Lambda(this=made, expressions=[element]))
    new.type = array.unnest().type
    return new


def _has_null(node: exp.Expression) -> bool:
    """Whether an array may be NULL, or have a NULL in it or no element, as far as its text tells."""
    bare = node.unnest()
    written = isinstance(bare, exp.Array) and bool(bare.expressions)
    return not written or not all(isinstance(each.unnest(), exp.Literal | exp.Neg) for each in bare.expressions)


def _contains(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """`@>`: no NULL is in an array."""
    return _all_of(node.this, node.expression)


def _contained(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    return _all_of(node.expression, node.this)


def _all_of(whole: exp.Expression, part: exp.Expression) -> exp.Expression | None:
    if not is_array(whole) and not is_array(part):
        return None
    a, b = plain_floats(whole, part)
    found = call("array_has_all", a, b)
    if not _has_null(part):
        return found
    return build(_BOTH.format("(:f AND array_position(:b, NULL) IS NULL)"), a=a, b=b, f=found)


def _overlaps(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    a, b = plain_floats(node.this, node.expression)
    if not _has_null(node.expression):
        return call("array_has_any", a, b)
    known = _of_each("array_filter", b, "NOT :a IS NULL")
    return build(_BOTH.format("array_has_any(:a, :k)"), a=a, b=b, k=known)


def _removed(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """All elements that are equal to a value, NULL being one."""
    value = node.expression
    if isinstance(value.unnest(), exp.Literal) and not _has_floats(node.this):
        return call("array_remove_all", node.this, value)
    (value,) = plain_floats(value) if _has_floats(node.this) and number_of(value) is Number.FLOAT else (value.copy(),)
    return _of_each("array_filter", node.this, "(:a IS DISTINCT FROM :b)", b=value)


def _position(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    if not _has_floats(node.this):
        return None
    new, (array, value) = node.copy(), plain_floats(node.this, node.expression)
    new.set("this", array)
    new.set("expression", value)
    return new


def _equal(node: exp.Expression, pair: Pair) -> None:
    """Arrays of floats."""
    if is_array(node.left) and is_array(node.right) and (_has_floats(node.left) or _has_floats(node.right)):
        left, right = plain_floats(node.left, node.right)
        node.left.replace(left)
        node.right.replace(right)


def _size(node: exp.Expression, pair: Pair) -> None:
    if node.args.get("expression") is not None and integer_value(node.expression) != 1:
        raise Untranslatable("the length of an array in another dimension than the first")


def _ordered(node: exp.Expression, pair: Pair) -> None:
    """The engine has NULL before other elements."""
    if is_array(node.left) and is_array(node.right) and (_has_null(node.left) or _has_null(node.right)):
        raise Untranslatable("an order of arrays, in which NULL comes after other elements")


def _cast(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """A text as an array, of which DataFusion makes one element; elements that it casts otherwise are refused."""
    to, value = node.args["to"], node.this
    if not isinstance(to, exp.DataType) or to.this not in exp.DataType.ARRAY_TYPES or not to.expressions:
        return None
    if (text := text_value(value)) is not None:
        return exp.Cast(this=_read(text, to.expressions[0]), to=to.copy())
    if type_of(value) in exp.DataType.TEXT_TYPES:
        raise Untranslatable("a text as an array", "use string_to_array(text, ',')")
    bare, wanted = value.unnest(), to.expressions[0].this
    written = bare.expressions if isinstance(bare, exp.Array) else ()
    given = {type_of(each) for each in written} or {_elements_type(value)}
    if any(not _is_kept(kind, wanted) for kind in given):
        raise Untranslatable(f"an array of other values as one of {wanted.value.lower()}", "CAST each of its elements")
    return None


def _is_kept(kind: exp.DataType.Type | None, wanted: exp.DataType.Type) -> bool:
    if (
        kind is None
        or kind is wanted
        or (kind in exp.DataType.TEXT_TYPES and wanted not in exp.DataType.TEMPORAL_TYPES)
    ):
        return True
    if kind in INTEGERS:
        return wanted is not _TYPE.DECIMAL
    return wanted in _KEPT.get(kind, ())


def _read(text: str, kind: exp.Expression) -> exp.Expression:
    """The elements that a text has in PostgreSQL's form, without arrays in it."""
    inner = text.strip()
    if not (inner.startswith("{") and inner.endswith("}")) or kind.this in (*exp.DataType.ARRAY_TYPES, *_UNREAD):
        raise _unread(text)
    inner, at, found = inner[1:-1], 0, []
    while inner.strip() and at <= len(inner):
        match = _ELEMENT.match(inner, at)
        if match is None or not (match[1] is not None or match[2]):
            raise _unread(text)
        quoted = match[1] is not None
        word = re.sub(r"\\(.)", r"\1", match[1]) if quoted else match[2]
        found.append(exp.null() if not quoted and word.upper() == "NULL" else exp.Literal.string(word))
        if not match[3]:
            break
        at = match.end()
    return exp.Array(expressions=found)


_UNREAD = (*exp.DataType.TEMPORAL_TYPES, *exp.DataType.FLOAT_TYPES, _TYPE.DECIMAL, _TYPE.JSON, _TYPE.JSONB)


def _unread(text: str) -> Untranslatable:
    return Untranslatable(f"`{text}` as an array", "write it as ARRAY[…]")


def _chosen(node: exp.Expression, pair: Pair) -> None:
    if any(is_array(value) for value in (node.this, *node.expressions)):
        raise Untranslatable("an order of arrays, in which NULL comes after other elements")


def _beside_text(node: exp.Expression, pair: Pair) -> None:
    """A text between quotes beside an array is one."""
    for side, other in (("this", "expression"), ("expression", "this")):
        if is_array(node.args[side]) and (text := text_value(node.args[other].unnest())) is not None:
            kind = node.args[side].unnest().type or exp.DataType.build("text[]")
            to = kind if kind.expressions else exp.DataType.build("text[]")
            made = exp.Cast(this=_read(text, to.expressions[0]), to=to.copy())
            made.type = to.copy()
            node.args[other].replace(made)


def _rows_of_rows(node: exp.Expression, pair: Pair) -> None:
    given = (node.expressions[0] if isinstance(node, exp.Unnest) else node.this).unnest()
    if isinstance(given, exp.Array) and any(isinstance(each, exp.Array) for each in given.expressions):
        raise Untranslatable("the elements of an array of arrays")


def _indexed(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """A place that is computed: the engine counts from the end below one, and the library may have counted it less."""
    index = node.expressions[0] if len(node.expressions) == 1 and not node.args.get("offset") else None
    if index is None or integer_value(index) is not None or text_value(index) is not None:
        return None
    new = node.copy()
    if isinstance(index, exp.Slice):
        for key, least in (("this", 1), ("expression", 0)):
            bound = index.args.get(key)
            if bound is not None and integer_value(bound) is None:
                new.expressions[0].set(key, build(f"CASE WHEN :i < {least} THEN {least} ELSE :i END", i=bound))
        return new
    place = build(":i + 1", i=index) if _is_read_as_integer(index) else index
    new.set("expressions", [build("CASE WHEN :i > 0 THEN :i END", i=place)])
    new.set("offset", 1)
    return new


def _is_read_as_integer(index: exp.Expression) -> bool:
    """Whether the library saw a whole number when it read it, from which it takes one."""
    bare = index.copy()
    for part in bare.walk():
        part.type = None
    return type_of(annotate_types(bare, dialect="postgres")) in INTEGERS


def _distinct(node: exp.Expression, pair: Pair) -> None:
    """Values that are gathered once each: PostgreSQL sorts them for it, where the engine has them in any order."""
    value = _once(node)
    if value is not None and not (isinstance(value, exp.Anonymous) and value.name == "named_struct"):
        node.set("this", _sorted(value))


def _distinct_text(node: exp.Expression, pair: Pair) -> None:
    """The same of texts: by way of an array, since the engine has one order for all texts that it joins."""
    value, mark = _once(node), node.args.get("separator")
    if value is None or text_value(mark) is None:
        return
    around = node.parent if isinstance(node.parent, exp.Filter) else None
    known = exp.Not(this=exp.Is(this=value.copy(), expression=exp.null()))
    kept = known if around is None else exp.and_(around.expression.this.copy(), known)
    gathered = exp.Filter(this=exp.ArrayAgg(this=_sorted(value)), expression=exp.Where(this=kept))
    (around or node).replace(typed(call("array_to_string", gathered, mark), "text"))


def _once(node: exp.Expression) -> exp.Expression | None:
    """What is gathered once each; intervals are ordered by what they are not told apart by, so they have no order."""
    values = node.this.expressions if isinstance(node.this, exp.Distinct) else []
    return values[0] if len(values) == 1 and type_of(values[0]) is not exp.DataType.Type.INTERVAL else None


def _sorted(value: exp.Expression) -> exp.Expression:
    key = exp.Ordered(this=value.copy(), nulls_first=False)
    return exp.Order(this=exp.Distinct(expressions=[value.copy()]), expressions=[key])


INDEXES: Rules = {
    exp.Bracket: (_indexed,),
    exp.ArrayAgg: (_distinct,),
    exp.GroupConcat: (_distinct_text,),
}
"""Before anything is reworded."""

ARRAYS: Rules = {
    exp.ArrayContainsAll: (_beside_text, _contains),
    exp.ArrayContainedBy: (_beside_text, _contained),
    exp.ArrayOverlaps: (_beside_text, _overlaps),
    exp.ArrayRemove: (_removed,),
    exp.ArrayPosition: (_position,),
    exp.ArraySize: (_size,),
    **dict.fromkeys((exp.EQ, exp.NEQ), (_beside_text, _equal)),
    **dict.fromkeys((exp.GT, exp.GTE, exp.LT, exp.LTE), (_ordered,)),
    **dict.fromkeys((exp.Greatest, exp.Least, exp.Max, exp.Min), (_chosen,)),
    exp.Cast: (_cast,),
    exp.DPipe: (_beside_text,),
    **dict.fromkeys((exp.Unnest, exp.Explode), (_rows_of_rows,)),
}
