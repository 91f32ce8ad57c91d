"""Calls and operators of a query in PostgreSQL's SQL, resolved on its catalog."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sqlglot import exp

from flowc.compiler.sql.binding import literals
from flowc.compiler.sql.binding.catalog import UNKNOWN, Catalog
from flowc.compiler.sql.binding.frame import Judge
from flowc.compiler.sql.binding.resolve import Match, Type, common, function, operator
from flowc.compiler.sql.binding.unknownfunctions import POSTGRES, report_unknown

Given = Sequence[tuple[exp.Expression, Type]]
"""Arguments, each with its type."""
_BY_GRAMMAR = ("coalesce", "greatest", "least", "nullif", "grouping", "row", "array")
_PLAIN = (exp.Column, exp.JSONExtractScalar)
"""What a mend casts: what is written again as it was."""
_CASTS = ("numeric", "text", "int4", "timestamp", "date", "jsonb")
_MOMENTS = ("date", "timestamp", "timestamptz")
_POSTGIS = ("st_", "postgis_", "h3_")
_OF_ARRAYS = "all"
"""`x <> ALL (array)` is read as a call."""


def call(judge: Judge, catalog: Catalog, node: exp.Expression, name: str, given: Given) -> Type:
    """The type that a function gives; reports one that PostgreSQL does not have, or not for such arguments."""
    if name not in catalog.names:
        if len(given) == 1 and name in catalog.titles:
            return name  # a type's name is a cast
        if name not in catalog.extensions and name != _OF_ARRAYS and not name.startswith(_POSTGIS):
            report_unknown(judge, node, name, {*catalog.names, *_BY_GRAMMAR}, POSTGRES)
        return None
    types = tuple(kind for _, kind in given)
    match = function(catalog, name, types) or ("jsonb" in types and function(catalog, name, _json(types))) or None
    if match is None:
        if len(given) == 1 and catalog.coerces(given[0][1], name, "e") and name in catalog.titles:
            return name
        judge.kinds[id(node)] = catalog.functions(name)[0].kind
        _refuse_call(judge, catalog, node, name, given)
        return None
    judge.kinds[id(node)] = match.kind
    check_literals(judge, catalog, list(zip((n for n, _ in given), match.args, strict=True)))
    return match.result


def _json(given: tuple[Type, ...]) -> tuple[Type, ...]:
    """A JSON column is declared in one word, and may be of either of PostgreSQL's two types."""
    return tuple("json" if kind == "jsonb" else kind for kind in given)


def _refuse_call(judge: Judge, catalog: Catalog, node: exp.Expression, name: str, given: Given) -> None:
    candidates = catalog.functions(name)
    counts = [c for c in candidates if c.takes(len(given)) is not None]
    shown = dict.fromkeys(f"{name}({', '.join(map(catalog.title, c.args))})" for c in counts or candidates)
    helps = [f"it has `{'`, `'.join(list(shown)[:4])}`{', …' if len(shown) > 4 else ''}"]
    helps += _cast_help(catalog, given, lambda types: function(catalog, name, types))
    message = f"PostgreSQL has no function `{name}({', '.join(_shown(catalog, kind) for _, kind in given)})`"
    if not counts:
        message += f": it takes no {len(given)} argument{'' if len(given) == 1 else 's'}"
    judge.refuse(message, node, helps)


def _shown(catalog: Catalog, kind: Type) -> str:
    """A type in SQL's words; a literal without one is a text between quotes."""
    return "?" if kind is None else "'…'" if kind == UNKNOWN else catalog.title(kind)


def _cast_help(
    catalog: Catalog, given: Given, meant: Callable[[tuple[Type, ...]], Match | None], *wanted: Type
) -> list[str]:
    """The one column that can be cast so that the rest is taken, cast."""
    types = tuple(kind for _, kind in given)
    for place, (node, kind) in enumerate(given):
        if not isinstance(node, _PLAIN) or kind is None:
            continue
        for other in (*wanted, *_CASTS):
            tried = (*types[:place], other, *types[place + 1 :])
            if other in ("", None, kind, UNKNOWN) or not catalog.coerces(kind, str(other), "e"):
                continue
            if (match := meant(tried)) is not None and match.sure and _holds(given, match):
                return [f"cast it: `CAST({node.sql('postgres')} AS {catalog.title(str(other))})`"]
    return []


def _holds(given: Given, match: Match) -> bool:
    """Whether the literals of a call can be of the types that it wants."""
    pairs = [(node.unnest(), kind) for (node, _), kind in zip(given, match.args, strict=True)]
    return not any(isinstance(n, exp.Literal) and n.is_string and literals.refused(str(n.this), k) for n, k in pairs)


def operate(judge: Judge, catalog: Catalog, node: exp.Expression, symbol: str, given: Given) -> Type:
    """The type that an operator gives; reports operands that PostgreSQL has none for."""
    types = tuple(kind for _, kind in given)
    match = operator(catalog, symbol, types) or ("jsonb" in types and operator(catalog, symbol, _json(types))) or None
    if match is None:
        titles = [_shown(catalog, kind) for kind in types]
        shown = f"{titles[0]} {symbol} {titles[1]}" if len(titles) == 2 else f"{symbol} {titles[0]}"
        judge.refuse(f"PostgreSQL has no operator `{shown}`", node, _operand_help(catalog, symbol, given))
        return None
    check_literals(judge, catalog, list(zip((n for n, _ in given), match.args, strict=True)))
    return match.result


def _operand_help(catalog: Catalog, symbol: str, given: Given) -> list[str]:
    kinds = [kind or "" for _, kind in given]
    if symbol in "+-" and any(k in _MOMENTS for k in kinds) and any(catalog.category(k) == "N" for k in kinds):
        return ["add an interval: `… + INTERVAL '1 day'`, or `… + n * INTERVAL '1 day'`"]
    return _cast_help(catalog, given, lambda types: operator(catalog, symbol, types), *reversed(kinds))


def check_literals(judge: Judge, catalog: Catalog, pairs: Sequence[tuple[exp.Expression, Type]]) -> None:
    """Reports texts that cannot be of the type that they have to be."""
    for node, kind in pairs:
        inner = node.unnest()
        if kind is not None and isinstance(inner, exp.Literal) and inner.is_string:
            text = str(inner.this)
            if literals.refused(text, kind):
                helps = ["compare and compute with values of one type"] if catalog.category(kind) != "D" else []
                judge.refuse(f"`'{text}'` is no {catalog.title(kind)}", inner, helps)


def agree(judge: Judge, catalog: Catalog, node: exp.Expression, what: str, given: Given) -> Type:
    """The one type of branches; reports those that no type holds."""
    kinds = [kind for _, kind in given]
    found = common(catalog, kinds)
    if found is False:
        known = list(dict.fromkeys(catalog.title(k) for k in kinds if k not in (None, UNKNOWN)))
        names = " and ".join(known[:2])
        judge.refuse(f"{what} of types {names} have no common type", node, ["cast them to one type"])
        return None
    kind = None if found is True else found
    if kind not in (None, UNKNOWN):
        check_literals(judge, catalog, [(n, kind) for n, given_ in given if given_ == UNKNOWN])
    return kind
