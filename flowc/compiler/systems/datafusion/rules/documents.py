"""Documents in DataFusion: what casts to JSON, operators and functions of `json` and `jsonb` are there.

Whatever is `jsonb` is kept in the one form that PostgreSQL shows it in, from where it is made on, so that its parts are
in that form too. What is only taken apart is brought into it afterwards, part by part.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sqlglot import exp

from flowc.compiler.sql import marks
from flowc.compiler.sql.rewrite.core import INTEGERS, Untranslatable, call, text_value, type_of, typed
from flowc.compiler.systems.datafusion.rules.texts import no_chosen_digits_within

_TYPE = exp.DataType.Type
JSON = (_TYPE.JSON, _TYPE.JSONB)
TEXTS = (*JSON, *exp.DataType.TEXT_TYPES)
READ = "flowc_document"
GIVE_DOCUMENTS = (
    "flowc_json", "flowc_jsonb", "flowc_json_get", "flowc_jsonb_get", "flowc_jsonb_of", "flowc_json_valid",
    "flowc_jsonb_set",
)  # fmt: skip
_FORMED = ("flowc_jsonb", "flowc_jsonb_get", "flowc_jsonb_of", "flowc_jsonb_set", "flowc_json_valid")
"""Functions whose documents have their form; text that a cast made `json` keeps its own."""
TEXT_OPERATORS = (exp.JSONExtractScalar, exp.JSONBExtractScalar)
OPERATORS = (exp.JSONExtract, exp.JSONBExtract, *TEXT_OPERATORS)
PATHS = ("json_extract_path", "jsonb_extract_path", "json_extract_path_text", "jsonb_extract_path_text")
_OF_OTHERS = ("_text", "_keys", "_typeof", "_length", "_exists")
"""How the names of functions of `jsonb` end that give something else."""
_KEYS = {
    exp.JSONBContainsTopKey: "flowc_jsonb_has",
    exp.JSONBContainsAnyTopKeys: "flowc_jsonb_has_any",
    exp.JSONBContainsAllTopKeys: "flowc_jsonb_has_all",
}
_CONTAIN = (exp.ArrayContainsAll, exp.ArrayContainedBy)
_MEASURES = {
    **dict.fromkeys(("json_typeof", "jsonb_typeof"), "flowc_json_typeof"),
    **dict.fromkeys(("json_array_length", "jsonb_array_length"), "flowc_json_length"),
}
_ROWS = {
    **dict.fromkeys(("json_array_elements", "jsonb_array_elements"), "flowc_json_elements"),
    **dict.fromkeys(("json_array_elements_text", "jsonb_array_elements_text"), "flowc_json_element_texts"),
    **dict.fromkeys(("json_object_keys", "jsonb_object_keys"), "flowc_json_keys"),
}
"""Functions that give rows."""
_JOINED = (exp.Concat, exp.ConcatWs, exp.Format)
_LOOKS = (*OPERATORS, *_KEYS, *_CONTAIN)
_DIALECT = "postgres"
_REBUILD = "make what is left with `jsonb_build_object`, of parts such as `doc -> 'key'`"


def named(node: exp.Expression) -> str:
    """The name of a function that is called by its very name; nothing for any other node."""
    return str(node.this).lower() if isinstance(node, exp.Anonymous) else ""


def is_jsonb(node: exp.Expression) -> bool:
    """Whether a node gives `jsonb`, as far as its text says so."""
    bare = node.unnest()
    kind = bare.to if isinstance(bare, exp.Cast) else bare.type
    if isinstance(bare, exp.JSONBObjectAgg) or (isinstance(kind, exp.DataType) and kind.this is _TYPE.JSONB):
        return True
    if isinstance(bare, OPERATORS):
        return is_jsonb(bare.this)
    return named(bare).startswith(("jsonb_", "to_jsonb")) and not named(bare).endswith(_OF_OTHERS)


def shown(value: exp.Expression) -> exp.Expression | None:
    """A document that becomes a text, in the form of `jsonb`, which flowc's own type of JSON is in PostgreSQL.

    None where it has that form already, or is no document.
    """
    bare = value.unnest()
    name = named(bare)
    if name == "flowc_jsonb":
        no_chosen_digits_within(bare.expressions[0])
    if type_of(bare) not in JSON or name in _FORMED or (isinstance(bare, exp.Cast) and bare.to.this in JSON):
        return None
    if name == "flowc_json":
        raise Untranslatable(
            "the text of `json` that is made, whose spaces differ: make it with the function of `jsonb`"
        )
    return call("flowc_jsonb_of", value)


def is_taken_apart(node: exp.Expression) -> bool:
    """Whether a document is only looked into, so that its form does not matter."""
    around = node.parent
    while isinstance(around, exp.Paren):
        node, around = around, around.parent
    return isinstance(around, _LOOKS) or (around is not None and named(around) in (*PATHS, *_MEASURES))


def document_of(value: exp.Expression) -> exp.Expression:
    """JSON text of what is taken apart."""
    known = type_of(value) in TEXTS or named(value.unnest()) in GIVE_DOCUMENTS
    return value.copy() if known else call(READ, value)


OWN = (*_KEYS, exp.JSONBDeleteAtPath, exp.JSONBExists)
_DOCUMENTS = (exp.Cast, *_JOINED, *OWN, *_CONTAIN, exp.Sub)
_CALLED = frozenset((*_MEASURES, *_ROWS, "jsonb_set"))


def is_of_documents(node: exp.Expression) -> bool:
    """Whether a node is an operator or a function that takes documents alone."""
    return isinstance(node, OWN) or named(node) in _CALLED


def with_document(node: exp.Expression, dialect: str) -> bool:
    """Puts what the engine has into the place of a node; False where it is nothing of documents."""
    if dialect != _DIALECT or not (isinstance(node, _DOCUMENTS) or named(node) in _CALLED):
        return False
    new = _FUNCTIONS[named(node)](node) if named(node) else _operator(node)
    if new is not None:
        node.replace(new)
    return new is not None


def _operator(node: exp.Expression) -> exp.Expression | None:
    if isinstance(node, exp.Cast):
        return _cast(node)
    if isinstance(node, _JOINED):
        with_shown(list(node.expressions))
        return None
    if isinstance(node, exp.JSONBExists):
        return call("flowc_jsonb_has", document_of(node.this), node.args["path"])
    if type(node) in _KEYS:
        return call(_KEYS[type(node)], document_of(node.this), node.expression)
    if isinstance(node, exp.JSONBDeleteAtPath):
        raise Untranslatable("`#-` of JSON", _REBUILD)
    sides = (node.this, node.expression)
    if not any(type_of(side) in JSON or is_jsonb(side) for side in sides):
        return None
    if isinstance(node, exp.Sub):
        raise Untranslatable("`-` of JSON", _REBUILD)
    whole, part = sides if isinstance(node, exp.ArrayContainsAll) else sides[::-1]
    return call("flowc_jsonb_contains", document_of(whole), document_of(part))


def _settled(side: exp.Expression) -> exp.Expression:
    return call("flowc_jsonb_of", side) if text_value(side) is not None else document_of(side)


def _cast(node: exp.Cast) -> exp.Expression | None:
    if isinstance(node.to, exp.DataType) and node.to.this in exp.DataType.TEXT_TYPES:
        with_shown([node.this])
        return None
    if isinstance(node.to, exp.DataType) and node.to.this in _EXACT and type_of(node.this) in JSON:
        return _number(node)
    if not isinstance(node.to, exp.DataType) or node.to.this not in JSON or isinstance(node.this, exp.Null):
        return None
    value, binary = node.this, node.to.this is _TYPE.JSONB
    new = document_of(value)
    formed = is_jsonb(value) if binary else type_of(value) in JSON
    if not formed and not is_taken_apart(node):
        new = call("flowc_jsonb_of" if binary else "flowc_json_valid", new)
    return typed(new, "jsonb" if binary else "json")


_EXACT = (*INTEGERS, _TYPE.DECIMAL)


def _number(node: exp.Cast) -> exp.Expression:
    """A number of a document: in a form without an exponent; a whole one of a decimal, which is rounded."""
    form = call("flowc_jsonb_of", document_of(node.this))
    form.type = exp.DataType.build("jsonb")
    value = form if node.to.this is _TYPE.DECIMAL else exp.cast(form, "DECIMAL(76, 50)")
    new = exp.cast(value, node.to.copy())
    new.type = node.to.copy()
    return new


def with_shown(parts: list[exp.Expression]) -> None:
    """Puts documents that become texts into their form."""
    for part in parts:
        if (new := shown(part)) is not None:
            part.replace(new)


def _measured(node: exp.Expression) -> exp.Expression:
    return call(_MEASURES[named(node)], document_of(node.expressions[0]))


def _with_value(node: exp.Expression) -> exp.Expression:
    document, path, value, *create = node.expressions
    new = call("flowc_jsonb_set", document_of(document), _path(path), _settled(value), *(create or [exp.true()]))
    return typed(new, "jsonb")


def _path(path: exp.Expression) -> exp.Expression:
    steps = steps_of(path)
    return path if steps is None else exp.cast(exp.Array(expressions=steps), "varchar[]")


def steps_of(path: exp.Expression) -> list[exp.Expression] | None:
    """The steps of a path that is written out, as a text or as an array; None for any other."""
    bare = path.unnest()
    bare = bare.this.unnest() if isinstance(bare, exp.Cast) else bare
    if isinstance(bare, exp.Array):
        return list(bare.expressions)
    if (text := text_value(bare)) is None:
        return None
    inner = text[1:-1].strip()
    steps = [step.strip() for step in inner.split(",")] if inner else []
    plain = text.startswith("{") and text.endswith("}") and not any(mark in inner for mark in '{}"\\')
    if not plain or any(step.upper() in ("", "NULL") for step in steps):
        raise Untranslatable("a JSON path that is neither an ARRAY nor a plain text such as '{a,0}'")
    return [exp.Literal.string(step) for step in steps]


def _in_select(node: exp.Expression) -> exp.Expression | None:
    around = node.parent.parent if isinstance(node.parent, exp.Alias) else node.parent
    if not isinstance(around, exp.Select):
        raise Untranslatable("elements or keys of JSON inside an expression")
    return exp.Explode(this=call(_ROWS[named(node)], document_of(node.expressions[0])))


_FUNCTIONS: Mapping[str, Callable[[exp.Expression], exp.Expression | None]] = {
    **dict.fromkeys(_MEASURES, _measured),
    **dict.fromkeys(_ROWS, _in_select),
    "jsonb_set": _with_value,
}


def rows_of_documents(root: exp.Expression, dialect: str) -> None:
    """Elements and keys in FROM as the rows of an array; what names them whole gets the name of their column."""
    ordered = False
    for node in list(root.find_all(exp.Table, exp.Lateral)) if dialect == _DIALECT else []:
        if named(node.this) in _ROWS and isinstance(node.parent, exp.From | exp.Join):
            ordered = ordered or bool(node.args.get("ordinality"))
            _as_array(node, named(node.this))
    if ordered:  # told once all are arrays, so that nothing else is said of them
        raise Untranslatable("elements of JSON with ordinality", "an element at a place is `doc -> 0`")


def _as_array(node: exp.Expression, function: str) -> None:
    alias, plain = node.args.get("alias"), function.endswith(("_text", "_keys"))
    table = alias.this.name if alias is not None and alias.this is not None else function
    given = alias.args.get("columns") if alias is not None else None
    column = given[0].name if given else table if function.endswith("_keys") else "value"
    select = node.find_ancestor(exp.Select)
    kind = exp.DataType.build("text" if plain else "jsonb" if function.startswith("jsonb") else "json")
    for used in list(select.find_all(exp.Column)) if select is not None else []:
        if _names_values(used, table, column, function):
            _as_column(used, column, kind)
    array = exp.Unnest(
        expressions=[call(_ROWS[function], node.this.expressions[0])],
        alias=exp.TableAlias(this=exp.to_identifier(table), columns=[exp.to_identifier(column)]),
    )
    node.replace(array)


def _names_values(used: exp.Column, table: str, column: str, function: str) -> bool:
    """Whether a name is that of the values: their column's, or their row's, for a function of scalars gives no other.

    What is a column of another table is no row.
    """
    name, table = used.name.lower(), table.lower()
    row = not used.table and name == table and (marks.WHOLE_ROW.has(used) or table == function)
    return row or (used.table.lower() in ("", table) and name == column.lower())


def _as_column(used: exp.Column, column: str, kind: exp.DataType) -> None:
    named_before = used.this.copy()
    marks.WHOLE_ROW.clear(used)
    used.set("this", exp.to_identifier(column))
    used.type = kind
    if isinstance(used.parent, exp.Select) and used.arg_key == "expressions" and named_before.name != column:
        used.replace(exp.alias_(used.copy(), named_before))
