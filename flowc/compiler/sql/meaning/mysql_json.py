"""JSON on MySQL, by the functions that MySQL and MariaDB share."""

from __future__ import annotations

from sqlglot import exp

from flowc.compiler.sql.meaning.core import Pair, Untranslatable, call, text_value, type_of
from flowc.compiler.sql.meaning.mysql_words import Kind, kind_of, said
from flowc.compiler.sql.meaning.named import parse_path


def _path(node: exp.Expression) -> exp.Expression:
    path = node.expression
    if not isinstance(path, exp.JSONPath):
        path = parse_path(text_value(path))
    steps = "$"
    for step in path.expressions[1:]:
        if isinstance(step, exp.JSONPathKey) and isinstance(step.this, str):
            key = step.this.replace("\\", "\\\\").replace('"', '\\"')
            steps += f'."{key}"'
        elif isinstance(step, exp.JSONPathSubscript) and isinstance(step.this, int) and step.this >= 0:
            steps += f"[{step.this}]"
        else:
            raise Untranslatable("a JSON path of anything but keys and positions")
    return exp.Literal.string(steps)


def extract(node: exp.Expression, pair: Pair) -> exp.Expression:
    """A value as JSON."""
    new = call("JSON_EXTRACT", node.this, _path(node))
    new.type = exp.DataType.build("JSON")
    return new


def scalar(node: exp.Expression, pair: Pair) -> exp.Expression:
    """A value as text, NULL where JSON has null."""
    value = call("JSON_EXTRACT", node.this, _path(node))
    new = said("CASE WHEN JSON_TYPE(:v) <> 'NULL' THEN JSON_UNQUOTE(:v) END", v=value)
    new.type = exp.DataType.build("TEXT")
    return new


def json_object(node: exp.Expression, pair: Pair) -> exp.Expression:
    """An object of keys and values."""
    parts = [part for kv in node.expressions for part in (kv.this, _value(kv.expression))]
    return call("JSON_OBJECT", *parts)


def json_array(node: exp.Expression, pair: Pair) -> exp.Expression:
    """An array of values, which MySQL has only as JSON."""
    if node.find(exp.Query, exp.Comprehension):
        raise Untranslatable("an array of the rows of a query, which MySQL lacks")
    return call("JSON_ARRAY", *[_value(v) for v in node.expressions])


def _value(node: exp.Expression) -> exp.Expression:
    if isinstance(node.unnest(), exp.Boolean | exp.Null):
        return node
    if kind_of(node) not in (Kind.NUMBER, Kind.TEXT) and not _is_json(node):
        raise Untranslatable("JSON of what is not known to be a number or a text")
    return node


def _is_json(node: exp.Expression) -> bool:
    made = isinstance(node, exp.Anonymous) and node.name in ("JSON_ARRAY", "JSON_OBJECT", "JSON_EXTRACT")
    return made or type_of(node) is exp.DataType.Type.JSON


def array_size(node: exp.Expression, pair: Pair) -> exp.Expression:
    """The number of elements of an array, which is JSON here."""
    _array(node.this)
    null_when_empty = pair.source == "postgres" and node.expression is not None
    new = said("NULLIF(JSON_LENGTH(:a), 0)" if null_when_empty else "JSON_LENGTH(:a)", a=node.this)
    new.type = exp.DataType.build("BIGINT")
    return new


def _array(node: exp.Expression) -> None:
    if type_of(node) not in exp.DataType.ARRAY_TYPES and not _is_json(node):
        raise Untranslatable("an array of what is not known to be one")


def contains(node: exp.Expression, pair: Pair) -> exp.Expression:
    """Whether an array has a text or a number."""
    _array(node.this)
    if kind_of(node.expression) is Kind.TEXT:
        return said("JSON_CONTAINS(:a, JSON_QUOTE(:b))", a=node.this, b=node.expression)
    if kind_of(node.expression) is Kind.NUMBER:
        return said("JSON_CONTAINS(:a, CAST(:b AS CHAR))", a=node.this, b=node.expression)
    raise Untranslatable("the search of an array for what is not known to be a number or a text")
