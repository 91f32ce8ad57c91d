"""JSON in DataFusion, which has none: calls of flowc's own functions, which `runtime/engine/json` gives to the engine.

JSON is text there. What is made of rows stays structs and lists, so that one call writes all of a column; names that
begin with `flowc_` say what in them is no plain object: see `runtime/text/json`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

from sqlglot import exp

from flowc.compiler.sql import marks
from flowc.compiler.sql.rewrite.core import Untranslatable, call, integer_value, text_value, type_of, typed
from flowc.compiler.sql.rewrite.numbers import EXACT
from flowc.compiler.sql.text.sqltext import SqlTree, copied
from flowc.compiler.systems.datafusion.rules.documents import (
    JSON,
    OPERATORS,
    OWN,
    PATHS,
    READ,
    TEXT_OPERATORS,
    document_of,
    is_jsonb,
    is_of_documents,
    is_taken_apart,
    named,
    rows_of_documents,
    shown,
    steps_of,
    with_document,
    with_shown,
)
from flowc.compiler.systems.datafusion.rules.equality import with_comparison
from flowc.compiler.systems.datafusion.rules.places import mark_free_numbers
from flowc.compiler.systems.datafusion.rules.texts import no_chosen_digits_within
from flowc.diagnostics import Reporter
from flowc.types import Kind

_AGGREGATES = (exp.JSONArrayAgg, exp.JSONObjectAgg, exp.JSONBObjectAgg)
_AROUND = (exp.Filter, exp.Window, exp.WithinGroup)
_DIALECTS = ("postgres", "datafusion", "duckdb")
"""Those whose operators these are; in others `->` and `->>` mean other things."""

_MADE, _MADE_B = "flowc_json", "flowc_jsonb"
_OF_ANY = (
    _MADE, _MADE_B, READ, "flowc_text", "flowc_joined", "flowc_output", "flowc_outputs", "flowc_whole", "flowc_numeric",
    "flowc_round",
    *(f"flowc_interval{part}" for part in ("", "_span", "_epoch", "_months", "_days", "_clock")),
)  # fmt: skip
_PUT = "put a value under a key with `jsonb_set`, or make the whole with `jsonb_build_object` or `jsonb_build_array`"
_STRUCT, _RAW = "named_struct", "flowc_json"

Make = Callable[[Sequence[exp.Expression]], exp.Expression]


def is_json(node: exp.Expression) -> bool:
    """Whether a node makes JSON of rows or reads it, in a way that DataFusion is given."""
    return isinstance(node, _FORMS) or named(node) in _CALLS


def gives_json(node: exp.Expression) -> bool | None:
    """Whether such a node gives JSON (else text); None for any other node."""
    if not is_json(node):
        return None
    return not isinstance(node, TEXT_OPERATORS) and not named(node).endswith("_text")


def gathers(node: exp.Expression) -> bool:
    """Whether a node makes JSON of many rows."""
    return isinstance(node, _AGGREGATES) or named(node) in ("json_agg", "jsonb_agg")


def with_json(parsed: SqlTree, reporter: Reporter) -> SqlTree:
    """The query with its JSON as calls of flowc's functions; what they do not have is reported."""
    if not any(map(_tells_of_json, parsed.tree.walk())):
        return parsed
    root = exp.Paren(this=copied(parsed.tree))
    mark_free_numbers(root, parsed.dialect)
    try:
        rows_of_documents(root, parsed.dialect)
    except Untranslatable as refusal:
        _refuse(refusal, root, parsed, reporter)
    for node in reversed(list(root.walk())):
        try:
            if parsed.dialect == "postgres":
                with_comparison(node)
            if not with_document(node, parsed.dialect) and (is_json(node) or _may_hold(node)):
                _reword(node, parsed.dialect)
        except Untranslatable as refusal:
            _refuse(refusal, node, parsed, reporter)
    tree = root.this
    tree.parent = None
    return replace(parsed, tree=tree)


def _refuse(refusal: Untranslatable, node: exp.Expression, parsed: SqlTree, reporter: Reporter) -> None:
    message = f"{refusal} (from {parsed.dialect} to datafusion)"
    reporter.error("untranslatable-sql", message, parsed.span(node), helps=[refusal.fix] if refusal.fix else ())


def numbered(tree: exp.Expression) -> exp.Expression:
    """The query with a name of its own for each call of a function that takes values of any type."""
    names = dict[tuple[str, str], str]()
    for node in tree.find_all(exp.Anonymous):
        if (kind := str(node.this)) in _OF_ANY:
            # Alike calls are one function, or a query could not group by what it selects.
            key = (kind, node.sql("postgres"))
            node.set("this", names.setdefault(key, f"{kind}_{len(names) + 1}"))
    return tree


def _tells_of_json(node: exp.Expression) -> bool:
    """Whether a node is JSON, or makes or reads it: a query without one has none."""
    kind = node.to if isinstance(node, exp.Cast) else node.type
    if isinstance(kind, exp.DataType) and kind.this in JSON:
        return True
    form: Any = type(node)
    if not _may_tell(form):
        return False
    return bool(marks.JSON_COLUMNS.get(node)) or is_json(node) or is_of_documents(node) or named(node) == _STRUCT


@cache
def _may_tell(form: type[exp.Expression]) -> bool:
    """Whether nodes of a kind can tell of JSON by more than their type."""
    return issubclass(form, (exp.Select, exp.SetOperation, exp.Join, exp.Anonymous, *_FORMS, *OWN))


def _may_hold(node: exp.Expression) -> bool:
    """Whether JSON in a node would be taken for a text."""
    return isinstance(node, exp.DPipe) or named(node) == _STRUCT


def _has_text(node: exp.DPipe) -> bool:
    """Whether one side is known to be a text, which a text between quotes beside JSON is not."""
    sides = (node.this, node.expression)
    return any(type_of(side) in exp.DataType.TEXT_TYPES and text_value(side) is None for side in sides)


def _reword(node: exp.Expression, dialect: str) -> None:
    if named(node) == _STRUCT:
        parts = node.expressions
        node.set("expressions", [_inside(part) if place % 2 else part for place, part in enumerate(parts)])
        return
    if isinstance(node, exp.DPipe):
        if any(type_of(side) in JSON for side in (node.this, node.expression)) and not _has_text(node):
            raise Untranslatable("`||` of JSON", _PUT)
        with_shown([node.this, node.expression])
        return
    if isinstance(node, OPERATORS) or named(node) in PATHS:
        if dialect not in _DIALECTS:
            raise Untranslatable("a part of JSON by a path")
        node.replace(_extracted(node))
        return
    if dialect in EXACT:
        no_chosen_digits_within(node)
    whole, value = node, _made(node)
    while isinstance(whole.parent, _AROUND) and whole.arg_key == "this":
        whole = whole.parent
    binary = is_jsonb(node)
    if whole is node:
        node.replace(_json(value, binary=binary))
    else:
        node.replace(value)
        whole.replace(_json(whole.copy(), binary=binary))


def _json(value: exp.Expression, *, binary: bool) -> exp.Expression:
    """Values of the engine as JSON text."""
    return typed(call(_MADE_B if binary else _MADE, value), "jsonb" if binary else "json")


def _inside(value: exp.Expression) -> exp.Expression:
    """A value as it stands inside of JSON: what is JSON already is no text in it."""
    bare = value.unnest()
    if named(bare) in (_MADE, _MADE_B):
        return bare.expressions[0].copy()
    if marks.WHOLE_ROW.has(bare):
        return _whole_row(bare)
    if type_of(value) in JSON or _gives_json_text(bare):
        return call(_STRUCT, exp.Literal.string(_RAW), value)
    return value.copy()


def _whole_row(row: exp.Expression) -> exp.Expression:
    """All columns of a table, named by its name alone."""
    columns = marks.WHOLE_ROW.of(row)
    if columns is None:
        raise Untranslatable("a whole row as JSON, whose columns are not known: declare them, or name each")
    pairs: list[tuple[str, exp.Expression]] = []
    for name, kind in columns:
        column = exp.column(exp.to_identifier(name, quoted=True), table=row.this.copy())
        column.type = exp.DataType.build("json") if kind is Kind.JSON else None
        pairs.append((name, _inside(column)))
    return _fields(pairs)


def _gives_json_text(node: exp.Expression) -> bool:
    return named(node) in ("flowc_json_get", "flowc_jsonb_get")


def _fields(pairs: Sequence[tuple[str, exp.Expression]]) -> exp.Expression:
    if not pairs:
        return call(_STRUCT, exp.Literal.string(_RAW), exp.Literal.string("{}"))
    return call(_STRUCT, *(part for name, value in pairs for part in (exp.Literal.string(name), value)))


def _object(parts: Sequence[exp.Expression]) -> exp.Expression:
    if len(parts) % 2:
        raise Untranslatable("an object of keys that have no values")
    keys, values = parts[::2], [_inside(value) for value in parts[1::2]]
    names = [text_value(key.unnest()) for key in keys]
    if all(name is not None and not name.startswith("flowc_") for name in names) and len({*names}) == len(names):
        return _fields([(str(name), value) for name, value in zip(names, values, strict=True)])
    pairs = enumerate(zip(keys, values, strict=True))
    return _fields([
        each for place, (key, value) in pairs
        for each in ((f"flowc_key_{place}", key.copy()), (f"flowc_value_{place}", value))
    ])  # fmt: skip


def _array(parts: Sequence[exp.Expression]) -> exp.Expression:
    if not parts:
        return call(_STRUCT, exp.Literal.string(_RAW), exp.Literal.string("[]"))
    return _fields([(f"flowc_item_{place}", _inside(value)) for place, value in enumerate(parts)])


def _row(parts: Sequence[exp.Expression]) -> exp.Expression:
    """The one value of `to_json`; of a ROW, its parts under the names that PostgreSQL gives them."""
    if len(parts) != 1:
        raise Untranslatable("JSON of anything but one value")
    if named(parts[0]) == "row":
        return _fields([(f"f{place}", _inside(part)) for place, part in enumerate(parts[0].expressions, 1)])
    if isinstance(parts[0], exp.Tuple):
        return _fields([(f"f{place}", _inside(part)) for place, part in enumerate(parts[0].expressions, 1)])
    return _inside(parts[0])


def _gathered(parts: Sequence[exp.Expression]) -> exp.Expression:
    (value,) = (part.copy() for part in parts)
    bare = value
    while isinstance(bare, exp.Order | exp.Distinct):
        bare = bare.this if isinstance(bare, exp.Order) else bare.expressions[0]
    inside = _inside(bare)
    if bare is value:
        value = inside
    else:
        bare.replace(inside)
    return exp.ArrayAgg(this=value)


def _gathered_object(parts: Sequence[exp.Expression]) -> exp.Expression:
    if len(parts) != 2 or isinstance(parts[0], exp.Distinct):
        raise Untranslatable("an object of rows in this form")
    value = parts[1].copy()
    bare = value.this if isinstance(value, exp.Order) else value
    pair = call(_STRUCT, *map(exp.Literal.string, ("flowc_key",)), parts[0],
                exp.Literal.string("flowc_value"), _inside(bare))  # fmt: skip
    if isinstance(value, exp.Order):
        value.set("this", pair)
        return exp.ArrayAgg(this=value)
    return exp.ArrayAgg(this=pair)


_MAKERS: Mapping[str, Make] = {
    **dict.fromkeys(("json_build_object", "jsonb_build_object"), _object),
    **dict.fromkeys(("json_build_array", "jsonb_build_array"), _array),
    **dict.fromkeys(("to_json", "to_jsonb", "row_to_json"), _row),
    **dict.fromkeys(("json_agg", "jsonb_agg"), _gathered),
    **dict.fromkeys(("json_object_agg", "jsonb_object_agg"), _gathered_object),
}
_CALLS = frozenset((*_MAKERS, *PATHS))
_FORMS = (*OPERATORS, *_AGGREGATES, exp.JSONObject)


def _made(node: exp.Expression) -> exp.Expression:
    if isinstance(node, exp.JSONArrayAgg):
        return _gathered([node.this])
    if isinstance(node, exp.JSONBObjectAgg):
        return _gathered_object([node.this, node.expression])
    if isinstance(node, exp.JSONObjectAgg):
        return _gathered_object(node.expressions)
    if isinstance(node, exp.JSONObject):
        if node.args.get("null_handling") or not all(isinstance(e, exp.JSONKeyValue) for e in node.expressions):
            raise Untranslatable("an object in this form")
        return _object([part for pair in node.expressions for part in (pair.this, pair.expression)])
    return _MAKERS[named(node)](node.expressions)


def _extracted(node: exp.Expression) -> exp.Expression:
    document, *rest = node.expressions if isinstance(node, exp.Anonymous) else (node.this, node.expression)
    binary, declared = is_jsonb(node), _is_column(document)
    place = "j" if binary or declared else "i"
    steps = [_element(each) for each in rest] if isinstance(node, exp.Anonymous) else list(_steps(node, place))
    if not gives_json(node) and named(document.unnest()) == _MADE_B:
        shown(document)
    document = document_of(document)
    for number, step in enumerate(steps, 1):
        last = number == len(steps) and not is_taken_apart(node)
        kind = "text" if not gives_json(node) and number == len(steps) else "get"
        formed = last and (binary or (declared and kind == "text"))
        document = call(f"flowc_{'jsonb' if formed else 'json'}_{kind}", document, step)
    if not steps and not gives_json(node):
        document = call(
            "flowc_jsonb_text" if binary or declared else "flowc_json_text", document, exp.Literal.string(".")
        )
    return typed(document, "text" if not gives_json(node) else "jsonb" if binary else "json")


def _is_column(document: exp.Expression) -> bool:
    """Whether a document is a column's, or a part of one: of flowc's own type, which is `jsonb` in PostgreSQL."""
    bare = document.unnest()
    while named(bare) == "flowc_json_get":
        bare = bare.expressions[0].unnest()
    return isinstance(bare, exp.Column)


def _steps(node: exp.Expression, place: str) -> Iterator[exp.Expression]:
    """The steps of a path: `k` and a key, `i` (or `j`) and a position, or `e` and what may be either."""
    path = node.expression
    elements = not node.args.get("only_json_types") and _is_path_function(node)
    if isinstance(path, exp.JSONPath):
        for part in path.expressions[1:]:
            if not isinstance(part, exp.JSONPathKey | exp.JSONPathSubscript) or not isinstance(part.this, str | int):
                raise Untranslatable("a JSON path of anything but keys and positions")
            kind = "e" if elements else "k" if isinstance(part, exp.JSONPathKey) else place
            yield exp.Literal.string(f"{kind}{part.this}")
    elif isinstance(node, exp.JSONBExtract | exp.JSONBExtractScalar):
        yield from map(_element, _listed(path))
    elif (position := integer_value(path)) is not None:
        yield exp.Literal.string(f"{place}{position}")
    else:
        yield _computed(path, place)


def _is_path_function(node: exp.Expression) -> bool:
    """Whether it was written as `json_extract_path`, for `->` says that it takes JSON alone."""
    return node.args.get("only_json_types") is False


def _computed(path: exp.Expression, place: str) -> exp.Expression:
    kind = type_of(path.unnest())
    if kind in exp.DataType.INTEGER_TYPES:
        return exp.DPipe(this=exp.Literal.string(place), expression=exp.cast(path.copy(), "varchar"))
    if kind in exp.DataType.TEXT_TYPES or isinstance(path.unnest(), exp.DPipe):
        return exp.DPipe(this=exp.Literal.string("k"), expression=exp.paren(path.copy(), copy=False))
    raise Untranslatable("a part of JSON by what is not known to be a text or a whole number: CAST it")


def _element(value: exp.Expression) -> exp.Expression:
    text = text_value(value.unnest())
    if text is not None:
        return exp.Literal.string(f"e{text}")
    return exp.DPipe(this=exp.Literal.string("e"), expression=exp.cast(value.copy(), "varchar"))


def _listed(path: exp.Expression) -> Sequence[exp.Expression]:
    if (steps := steps_of(path)) is None:
        raise Untranslatable("a JSON path that is neither an ARRAY nor a plain text such as '{a,0}'")
    return steps
