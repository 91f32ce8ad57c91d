"""Calls that lack what they take, refused before any rule looks at them: rules then find every argument in its place.

sqlglot knows which arguments a function must have, but reads many calls that lack some.
"""

from __future__ import annotations

from collections.abc import Mapping

from sqlglot import exp

from flowc.compiler.sql.text.sqltext import SqlTree, names_in
from flowc.diagnostics import Reporter

_TAKES: Mapping[type[exp.Expression], tuple[str, ...]] = {
    exp.Date: ("this",),
    exp.DateFromParts: ("month", "day"),
    exp.JSONFormat: ("this",),
    exp.StrToUnix: ("this", "format"),
    exp.WidthBucket: ("min_value", "max_value", "num_buckets"),
}
"""Arguments that sqlglot takes for optional, since they are in some other form of the function."""


_FORMS: Mapping[str, type] = {"expressions": list, "params": list, "order": exp.Order}
"""What arguments of these names are, unless they stood in the place of another one."""


def report_arguments(parsed: SqlTree, reporter: Reporter) -> None:
    """Reports each call or other construct that lacks an argument."""
    words = None
    for node in parsed.tree.walk():
        if _lacks(node):
            words = words or names_in(parsed.text.text, parsed.dialect)
            name = _written(node, words)
            message = f"{f'`{name}`' if name else 'this'} lacks an argument, or has another word in its place"
            reporter.error("untranslatable-sql", message, parsed.span(node))


def _lacks(node: exp.Expression) -> bool:
    """Whether an argument is missing, is none, or is a mere mark in the place of a value."""
    needed = [key for key, is_needed in node.arg_types.items() if is_needed]
    if not isinstance(node, exp.Func):
        return any(node.args.get(key) is None for key in needed)
    first = node.args.get("this")
    if isinstance(first, exp.Distinct) and not first.expressions and first.args.get("on") is None:
        return True
    given = {key: value for key, value in node.args.items() if value is not None}
    marks = any(isinstance(given.get(key), bool) for key in ("this", "expression", "path"))
    lacking = any(given.get(key, []) in ([], [None]) for key in (*needed, *_TAKES.get(type(node), ())))
    return marks or lacking or any(not isinstance(given[key], form) for key, form in _FORMS.items() if key in given)


def _written(node: exp.Expression | None, words: frozenset[str]) -> str | None:
    """The name by which a call was written, its own or that of a call around it, of which it is a part."""
    while node is not None and not isinstance(node, exp.Query):
        for name in node.sql_names() if isinstance(node, exp.Func) else ():
            if str(name).lower() in words:
                return str(name).lower()
        node = node.parent
    return None
