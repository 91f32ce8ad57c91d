"""The types of expressions, by table. What is not in a table has an unknown type: never a guess."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from sqlglot import exp

from flowc.compiler.dialects import RUNNER, dialect_of
from flowc.compiler.sql import marks
from flowc.compiler.sql.rewrite.core import integer_value
from flowc.compiler.sql.types.commontype import DOUBLE, INTEGERS, common_type
from flowc.compiler.sql.types.scope import Value
from flowc.compiler.systems.datafusion.rules.json import gives_json
from flowc.types import BIGINT, BOOLEAN, INTEGER_RANGES, TEXT, TIMESTAMPTZ, UNKNOWN, DataType, Kind

INTEGER = DataType(Kind.INT32)
DATE = DataType(Kind.DATE)
INTERVAL = DataType(Kind.INTERVAL)
_TIMESTAMP = DataType(Kind.TIMESTAMP)

_D = exp.DataType.Type
_CASTS: Mapping[exp.DataType.Type, Kind] = {
    _D.BOOLEAN: Kind.BOOL, _D.TINYINT: Kind.INT8, _D.SMALLINT: Kind.INT16, _D.INT: Kind.INT32,
    _D.MEDIUMINT: Kind.INT32, _D.BIGINT: Kind.INT64, _D.INT128: Kind.INT128, _D.UTINYINT: Kind.UINT8,
    _D.USMALLINT: Kind.UINT16, _D.UINT: Kind.UINT32, _D.UBIGINT: Kind.UINT64, _D.DOUBLE: Kind.FLOAT64,
    _D.TEXT: Kind.TEXT, _D.VARCHAR: Kind.TEXT, _D.NVARCHAR: Kind.TEXT, _D.BINARY: Kind.BINARY,
    _D.VARBINARY: Kind.BINARY, _D.BLOB: Kind.BINARY, _D.DATE: Kind.DATE, _D.TIME: Kind.TIME,
    _D.TIMESTAMP: Kind.TIMESTAMP, _D.TIMESTAMPNTZ: Kind.TIMESTAMP, _D.DATETIME: Kind.TIMESTAMP,
    _D.TIMESTAMPTZ: Kind.TIMESTAMPTZ, _D.TIMESTAMPLTZ: Kind.TIMESTAMPTZ, _D.UUID: Kind.UUID, _D.JSON: Kind.JSON,
    _D.JSONB: Kind.JSON, _D.INTERVAL: Kind.INTERVAL, _D.DECIMAL: Kind.DECIMAL,
}  # fmt: skip

_ANNOTATIONS: Mapping[Kind, exp.DataType.Type] = {
    Kind.BOOL: _D.BOOLEAN, Kind.INT8: _D.TINYINT, Kind.INT16: _D.SMALLINT, Kind.INT32: _D.INT, Kind.INT64: _D.BIGINT,
    Kind.INT128: _D.INT128, Kind.FLOAT32: _D.FLOAT, Kind.FLOAT64: _D.DOUBLE, Kind.DECIMAL: _D.DECIMAL,
    Kind.TEXT: _D.TEXT, Kind.DATE: _D.DATE, Kind.TIMESTAMP: _D.TIMESTAMP, Kind.TIMESTAMPTZ: _D.TIMESTAMPTZ,
    Kind.TIME: _D.TIME, Kind.INTERVAL: _D.INTERVAL, Kind.UUID: _D.UUID, Kind.JSON: _D.JSON, Kind.ARRAY: _D.ARRAY,
    Kind.BINARY: _D.VARBINARY,
}  # fmt: skip

# Result types that do not depend on the arguments; None for "NULL when an argument is".
_FIXED: Mapping[type[exp.Expression], tuple[DataType, bool | None]] = {
    exp.Count: (BIGINT, False), exp.CountIf: (UNKNOWN, False), exp.ApproxDistinct: (BIGINT, False),
    exp.RowNumber: (BIGINT, False), exp.Rank: (BIGINT, False), exp.DenseRank: (BIGINT, False),
    exp.PercentRank: (DOUBLE, False), exp.CumeDist: (DOUBLE, False), exp.Boolean: (BOOLEAN, False),
    exp.Is: (BOOLEAN, False), exp.Exists: (BOOLEAN, False), exp.NullSafeEQ: (BOOLEAN, False),
    exp.NullSafeNEQ: (BOOLEAN, False),
    exp.EQ: (BOOLEAN, None), exp.NEQ: (BOOLEAN, None), exp.LT: (BOOLEAN, None), exp.LTE: (BOOLEAN, None),
    exp.GT: (BOOLEAN, None), exp.GTE: (BOOLEAN, None), exp.And: (BOOLEAN, None), exp.Or: (BOOLEAN, None),
    exp.Not: (BOOLEAN, None), exp.Like: (BOOLEAN, None), exp.ILike: (BOOLEAN, None), exp.Between: (BOOLEAN, None),
    exp.In: (BOOLEAN, True), exp.RegexpLike: (BOOLEAN, None), exp.StartsWith: (BOOLEAN, None),
    exp.Upper: (TEXT, None), exp.Lower: (TEXT, None), exp.Replace: (TEXT, None), exp.ConcatWs: (TEXT, True),
    exp.Initcap: (TEXT, None), exp.MD5: (TEXT, None), exp.GroupConcat: (TEXT, True),
    exp.RegexpReplace: (TEXT, True), exp.TimeToStr: (TEXT, True), exp.ToChar: (TEXT, True),
    exp.CurrentDate: (DATE, False), exp.StrToDate: (DATE, None),
    exp.Sqrt: (DOUBLE, True), exp.Ln: (DOUBLE, True), exp.Exp: (DOUBLE, True),
    exp.JSONExtractScalar: (TEXT, True), exp.Interval: (DataType(Kind.INTERVAL), False),
}  # fmt: skip
_OF_TEXT = (exp.DPipe, exp.Concat, exp.Substring, exp.Trim, exp.Reverse, exp.Left, exp.Right)
"""Text when they are given text: some engines have them for arrays, bytes and JSON too."""
_OF_TIME = (exp.TimestampTrunc, exp.DateTrunc, exp.DateBin, exp.AtTimeZone)
_LEAST = (exp.Greatest, exp.Least)
_AS_ITS_OPERAND = (
    exp.Neg, exp.Abs, exp.BitwiseNot, exp.BitwiseLeftShift, exp.BitwiseRightShift, exp.BitwiseAndAgg,
    exp.BitwiseOrAgg, exp.BitwiseXorAgg, exp.ArrayAppend, exp.ArrayPrepend, exp.ArrayConcat, exp.ArrayRemove,
)  # fmt: skip

COUNTS = (
    exp.StrPosition, exp.Ascii, exp.Unicode, exp.ByteLength, exp.BitLength, exp.ArraySize, exp.ArrayPosition,
    exp.Ntile, exp.WidthBucket, exp.RegexpCount, exp.RegexpInstr, exp.Grouping,
)  # fmt: skip
NAMED_COUNTS = frozenset(
    ("cardinality", "octet_length", "array_ndims", "array_lower", "array_upper", "json_array_length",
     "jsonb_array_length", "get_byte", "get_bit", "num_nulls", "num_nonnulls", "generate_subscripts", "scale",
     "min_scale", "hashtext")
)  # fmt: skip
"""Functions whose result is an `integer` of PostgreSQL, whatever they are given."""
_BY_ENGINE: Mapping[type[exp.Expression], str] = {
    exp.CurrentTimestamp: "now", exp.Length: "length", **dict.fromkeys(COUNTS, "count"),
}  # fmt: skip
"""Functions whose types the records of engines say, by their names there."""

_READ = (Kind.DATE, Kind.TIME, Kind.TIMESTAMP, Kind.TIMESTAMPTZ, Kind.INTERVAL)
"""A text between quotes beside one of them is one."""
_ARITHMETIC = (exp.Add, exp.Sub, exp.Mul, exp.Mod, exp.BitwiseAnd, exp.BitwiseOr, exp.BitwiseXor)


def cast_type(target: exp.DataType, engine: str) -> DataType:
    """The flowc type of a CAST's target; unknown where engines differ in what they mean by it."""
    rules = dialect_of(engine).queries
    if rules.affinities or not isinstance(target, exp.DataType):
        return UNKNOWN
    if target.this is _D.FLOAT and rules.whole:
        return DataType(Kind.FLOAT32)
    kind = _CASTS.get(target.this)
    if kind is None or (target.this is _D.ARRAY):
        return _array_type(target, engine)
    sizes = [p.this.to_py() for p in target.expressions if isinstance(p, exp.DataTypeParam) and p.this.is_int]
    if kind is Kind.DECIMAL:
        if not sizes:
            return DataType(kind) if rules.numerics else UNKNOWN
        return DataType(kind, precision=sizes[0], scale=sizes[1] if len(sizes) > 1 else 0)
    if kind is Kind.TEXT:
        return DataType(kind, length=sizes[0]) if sizes and rules.text_lengths else TEXT
    if kind in (Kind.TIMESTAMP, Kind.TIMESTAMPTZ, Kind.TIME):
        return DataType(kind, precision=sizes[0]) if sizes and sizes[0] != 6 else DataType(kind)
    return DataType(kind)


def _array_type(target: exp.DataType, engine: str) -> DataType:
    if target.this in (_D.ARRAY, _D.LIST) and len(target.expressions) == 1:
        element = cast_type(target.expressions[0], engine)
        return UNKNOWN if element == UNKNOWN else DataType(Kind.ARRAY, element=element)
    return UNKNOWN


def annotate(node: exp.Expression, value: Value) -> None:
    """Leaves the type of an expression on its node, in sqlglot's words, for its generators."""
    kind = _ANNOTATIONS.get(value.type.kind)
    if value.chosen:
        marks.CHOSEN.put(node)
    if value.wide:
        marks.WIDE.put(node)
    if kind is not None:
        element = _ANNOTATIONS.get(value.type.element.kind) if value.type.element is not None else None
        elements = [exp.DataType(this=element)] if element is not None else []
        node.type = exp.DataType(this=kind, nested=kind is _D.ARRAY, expressions=elements)


_LITERALS = [(INTEGER_RANGES[kind][1], DataType(kind)) for kind in INTEGERS[2:]]
"""The greatest number of each type that literals have."""


def literal_type(node: exp.Literal) -> DataType:
    """An integer literal has the least usual type that holds it; a decimal one's type depends on the engine."""
    if node.is_string:
        return TEXT
    if not node.is_int:
        return UNKNOWN
    value = int(node.this)
    return next((kind for most, kind in _LITERALS if value <= most), UNKNOWN)


def _sum(value: Value, engine: str) -> DataType:
    kind, rules = value.type.kind, dialect_of(engine).queries
    if kind is Kind.INTERVAL and rules.whole:
        return INTERVAL
    if kind in (Kind.INT8, Kind.INT16, Kind.INT32, Kind.INT64):
        return rules.sums.get(kind, BIGINT)
    return DOUBLE if kind is Kind.FLOAT64 else rules.sums.get(kind, UNKNOWN)


def _average(value: Value, engine: str) -> DataType:
    rules = dialect_of(engine).queries
    if value.type.kind is Kind.INTERVAL and rules.whole:
        return INTERVAL
    if value.type.is_float or (value.type.is_integer and not rules.numerics):
        return DOUBLE
    return DataType(Kind.DECIMAL) if value.type.is_number and rules.numerics else UNKNOWN


_AGGREGATES: Mapping[type[exp.Expression], Callable[[Value, str], DataType]] = {
    exp.Sum: _sum,
    exp.Avg: _average,
    exp.Min: lambda value, _: value.type,
    exp.Max: lambda value, _: value.type,
    exp.FirstValue: lambda value, _: value.type,
    exp.LastValue: lambda value, _: value.type,
    exp.Lag: lambda value, _: value.type,
    exp.Lead: lambda value, _: value.type,
    exp.NthValue: lambda value, _: value.type,
    exp.AnyValue: lambda value, _: value.type,
}


def function_type(node: exp.Expression, values: Sequence[Value], engine: str) -> tuple[DataType, bool]:
    """Type and nullability of an operator or function from those of its arguments."""
    cls, rules = type(node), dialect_of(engine).queries
    if cls is exp.Anonymous and marks.RETURNS.has(node):
        marks.ARGUMENTS.set(node, tuple(value.type for value in values))
        return marks.RETURNS.of(node), True
    if engine == RUNNER and (json := gives_json(node)) is not None:
        return (DataType(Kind.JSON) if json else TEXT), True
    if cls is exp.Interval and isinstance(node.this, exp.Tuple):
        return BIGINT, False  # MySQL's function of that name
    if cls in _FIXED:
        kind, nullable = _FIXED[cls]
        kind = kind if rules.typed or kind not in (BOOLEAN, DATE) else UNKNOWN
        return kind, any(v.nullable for v in values) if nullable is None else nullable
    if cls in _OF_TEXT:
        is_text = any(v.type.kind is Kind.TEXT for v in values)
        return TEXT if is_text else UNKNOWN, cls is exp.Concat or any(v.nullable for v in values)
    if cls is exp.Nullif and len(values) > 1:
        return _nullif(values, engine), True
    if cls in _AGGREGATES and values:
        return _AGGREGATES[cls](values[0], engine), True
    if cls in _LEAST and (kinds := typed_values(_given(node), values)) and all(kind.is_number for kind in kinds):
        return common_type(kinds), True
    if rules.typed and (time := _time(node, values, engine)) is not None:
        return time, any(v.nullable for v in values)
    if isinstance(node, _ARITHMETIC) and len(values) == 2:
        return _arithmetic(node, values, engine), any(v.nullable for v in values)
    if cls is exp.Div and len(values) == 2:
        return _quotient(node, values, engine), True
    if cls is exp.Neg and rules.whole and integer_value(node) == INTEGER_RANGES[Kind.INT32][0]:
        return INTEGER, False
    if cls in _AS_ITS_OPERAND and values:
        return values[0].type, values[0].nullable
    if rules.whole and (array := _of_array(node, values)) is not None:
        return array, True
    if cls is exp.Anonymous and str(node.this).lower() in NAMED_COUNTS and rules.whole:
        return INTEGER, True
    if cls in _BY_ENGINE:
        return rules.returns.get(_BY_ENGINE[cls], UNKNOWN), any(v.nullable for v in values)
    return UNKNOWN, True


def _nullif(values: Sequence[Value], engine: str) -> DataType:
    """The type of the first value; that of both where PostgreSQL compares a whole number with another."""
    first, second = (value.type for value in values[:2])
    same = second.is_integer or not (second.is_number or second == UNKNOWN)
    if not dialect_of(engine).queries.whole or not first.is_integer or same:
        return first
    return common_type([first, second], engine)


def typed_values(nodes: Sequence[exp.Expression], values: Sequence[Value]) -> list[DataType]:
    """The types of values of which a node gives one; NULL has none of its own, nor has a text beside a time."""
    pairs = [(node, value) for node, value in zip(nodes, values, strict=True) if not isinstance(node, exp.Null)]
    timed = any(value.type.kind in _READ for _, value in pairs)
    return [value.type for node, value in pairs if not (timed and _is_text(node))]


def _given(node: exp.Expression) -> list[exp.Expression]:
    return [node.this, *node.expressions]


def _of_array(node: exp.Expression, values: Sequence[Value]) -> DataType | None:
    """The type of an array that is made, of an element, or of the rows of one; None for anything else."""
    types = [value.type for value in values]
    if isinstance(node, exp.Array) and (element := common_type(types)) != UNKNOWN:
        return DataType(Kind.ARRAY, element=element)
    if isinstance(node, exp.ArrayAgg) and types and types[0] != UNKNOWN:
        return DataType(Kind.ARRAY, element=types[0])
    if isinstance(node, exp.Bracket | exp.Explode) and types and types[0].element is not None:
        sliced = any(isinstance(index, exp.Slice) for index in node.expressions)
        return types[0] if sliced else types[0].element
    return common_type(types[:2]) if isinstance(node, exp.GenerateSeries) else None


def _time(node: exp.Expression, values: Sequence[Value], engine: str) -> DataType | None:
    """The type of a timestamp that is made of another, or of the days between dates; None for anything else."""
    given = next((v.type for v in values if v.type.kind in (Kind.TIMESTAMP, Kind.TIMESTAMPTZ)), None)
    others = [v.type.kind for v in values if v.type is not given]
    moved = isinstance(node, exp.Add | exp.Sub) and (
        isinstance(node.expression, exp.Interval) or others == [Kind.INTERVAL]
    )
    kinds = [v.type.kind for v in values]
    if isinstance(node, exp.Sub) and len(kinds) == 2 and _is_text(node.expression):
        kinds = [kinds[0]] * 2
    if dialect_of(engine).queries.whole and (made := _of_times(node, kinds)) is not None:
        return made
    if given is None or not (moved or isinstance(node, (*_OF_TIME, *_LEAST))):
        return None
    if isinstance(node, _LEAST):
        return common_type(typed_values(_given(node), values), engine)
    if isinstance(node, exp.AtTimeZone):
        return DataType(Kind.TIMESTAMP) if given.kind is Kind.TIMESTAMPTZ else TIMESTAMPTZ
    return given


def _of_times(node: exp.Expression, kinds: Sequence[Kind]) -> DataType | None:
    """The type of what is made of times and intervals; None for anything else."""
    if isinstance(node, exp.Interval) or (isinstance(node, _LEAST) and {*kinds} == {Kind.INTERVAL}):
        return INTERVAL
    if len(kinds) != 2 or not isinstance(node, exp.Add | exp.Sub | exp.Mul | exp.Div):
        return None
    if Kind.INTERVAL in kinds:
        other = kinds[1] if kinds[0] is Kind.INTERVAL else kinds[0]
        moved = {Kind.DATE: _TIMESTAMP, Kind.TIME: DataType(Kind.TIME)}
        return None if other in (Kind.TIMESTAMP, Kind.TIMESTAMPTZ) else moved.get(other, INTERVAL)
    if isinstance(node, exp.Add) and {*kinds} == {Kind.DATE, Kind.TIME}:
        return _TIMESTAMP
    if kinds[0] is Kind.DATE and kinds[1] in INTEGERS and isinstance(node, exp.Add | exp.Sub):
        return DATE
    if not isinstance(node, exp.Sub) or not {*kinds} <= {Kind.DATE, Kind.TIMESTAMP, Kind.TIMESTAMPTZ}:
        return None
    return INTEGER if {*kinds} == {Kind.DATE} else INTERVAL


def _is_text(node: exp.Expression) -> bool:
    inner = node.unnest()
    return isinstance(inner, exp.Literal) and inner.is_string


def _arithmetic(node: exp.Expression, values: Sequence[Value], engine: str) -> DataType:
    rules = dialect_of(engine).queries
    left, right = (value.type for value in values)
    if rules.whole and any(map(_is_text, (node.left, node.right))):
        # A text between quotes beside a number is one of its type.
        left = right = right if _is_text(node.left) else left
    if left.kind in INTEGERS and right.kind in INTEGERS:
        wider = common_type([left, right])
        if rules.one_integer:
            return BIGINT
        return wider if INTEGERS.index(wider.kind) >= (1 if rules.whole else 2) else UNKNOWN
    if left.is_number and right.is_number and (left.is_float or right.is_float):
        return DOUBLE if Kind.FLOAT64 in (left.kind, right.kind) else UNKNOWN
    return UNKNOWN


def _quotient(node: exp.Expression, values: Sequence[Value], engine: str) -> DataType:
    """What a double is divided by, or divides, is a double; what whole numbers and decimals give, engines differ in."""
    if dialect_of(engine).queries.whole and node.args.get("typed") and all(v.type.kind in INTEGERS for v in values):
        return common_type([v.type for v in values])
    is_double = all(v.type.is_number for v in values) and any(v.type.kind is Kind.FLOAT64 for v in values)
    return DOUBLE if is_double else UNKNOWN
