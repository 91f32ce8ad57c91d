"""The names that PostgreSQL gives to outputs without an alias: by the function, or what is cast or chosen."""

from __future__ import annotations

import re

from sqlglot import exp

from flowc.compiler.sql import marks
from flowc.compiler.sql.text.clocks import is_date_part

_AROUND = (exp.Window, exp.Filter, exp.IgnoreNulls, exp.RespectNulls, exp.WithinGroup, exp.Paren, exp.Cast, exp.Collate)
_FORMS: dict[type[exp.Expression], str] = {
    exp.Exists: "exists", exp.Array: "array", exp.AtTimeZone: "timezone", exp.Coalesce: "coalesce",
    exp.CurrentDate: "current_date", exp.CurrentTimestamp: "current_timestamp", exp.Substring: "substring",
    exp.StrPosition: "position", exp.Overlay: "overlay", exp.GroupConcat: "string_agg", exp.Floor: "floor",
    exp.Extract: "extract",
}  # fmt: skip
_TRIMS = {"LEADING": "ltrim", "TRAILING": "rtrim"}


def called(node: exp.Expression, text: str) -> str:
    """The name of an output in PostgreSQL; empty where it has none of its own. `text` is what positions count in."""
    while isinstance(node, _AROUND):
        if is_date_part(node):
            return "date_part"
        node = node.this
    if isinstance(node, exp.Column):
        return str(node.name)
    if isinstance(node, exp.Subquery) and isinstance(node.this, exp.Select) and len(node.this.selects) == 1:
        return _of_item(node.this.selects[0], text)
    if isinstance(node, exp.Case):
        default = node.args.get("default")
        return (called(default, text) if default is not None else "") or "case"
    if not isinstance(node, exp.Func | exp.AtTimeZone):
        return ""
    if isinstance(node, exp.Trim):
        return _TRIMS.get(str(node.args.get("position") or "").upper(), "btrim")
    return _written(node, text) or _FORMS.get(type(node), "")


def _of_item(item: exp.Expression, text: str) -> str:
    return str(item.alias) if isinstance(item, exp.Alias) else called(item, text)


def _written(node: exp.Expression, text: str) -> str:
    """The word with which a function is called where it stands."""
    if isinstance(node, exp.Anonymous):
        return str(node.name).lower()
    word = text[slice(*marks.position(node))] if marks.START.has(node) else ""
    return word.lower() if re.fullmatch(r"[A-Za-z_]\w*", word) else ""
