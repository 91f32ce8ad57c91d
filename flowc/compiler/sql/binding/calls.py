"""Calls and operators of a query in PostgreSQL's SQL, resolved on its catalog."""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot import exp

from flowc.compiler.sql.binding import literals
from flowc.compiler.sql.binding.catalog import UNKNOWN, Catalog, Signature
from flowc.compiler.sql.binding.frame import Judge
from flowc.compiler.sql.binding.resolve import Type, common, function, operator
from flowc.compiler.sql.binding.strangers import POSTGRES, report_unknown

Given = Sequence[tuple[exp.Expression, Type]]
"""Arguments, each with its type."""
_BY_GRAMMAR = ("coalesce", "greatest", "least", "nullif", "grouping", "row", "array")
_POSTGIS = ("st_", "postgis_", "h3_")


def call(judge: Judge, catalog: Catalog, node: exp.Expression, name: str, given: Given) -> Type:
    """The type that a function gives; reports one that PostgreSQL does not have, or not for such arguments."""
    if name not in catalog.names:
        if len(given) == 1 and name in catalog.titles:
            return name  # a type's name is a cast
        if name not in catalog.extensions and not name.startswith(_POSTGIS):
            report_unknown(judge, node, name, {*catalog.names, *_BY_GRAMMAR}, POSTGRES)
        return None
    types = tuple(kind for _, kind in given)
    match = function(catalog, name, types) or ("jsonb" in types and function(catalog, name, _json(types))) or None
    if match is None:
        if len(given) == 1 and catalog.coerces(given[0][1], name, "e") and name in catalog.titles:
            return name
        candidates = catalog.functions(name)
        judge.kinds[id(node)] = candidates[0].kind
        _refuse_call(judge, catalog, node, name, given, candidates)
        return None
    judge.kinds[id(node)] = match.kind
    check_literals(judge, catalog, list(zip((n for n, _ in given), match.args, strict=True)))
    return match.result


def _json(given: tuple[Type, ...]) -> tuple[Type, ...]:
    """A JSON column is declared in one word, and may be of either of PostgreSQL's two types."""
    return tuple("json" if kind == "jsonb" else kind for kind in given)


def _refuse_call(
    judge: Judge, catalog: Catalog, node: exp.Expression, name: str, given: Given, candidates: Sequence[Signature]
) -> None:
    types = ", ".join(catalog.title(kind) if kind is not None else "?" for _, kind in given)
    counts = [c for c in candidates if c.takes(len(given)) is not None]
    shown = dict.fromkeys(f"{name}({', '.join(map(catalog.title, c.args))})" for c in counts or candidates)
    helps = [f"it has `{'`, `'.join(list(shown)[:4])}`{', …' if len(shown) > 4 else ''}"]
    if counts and (one := _castable(catalog, counts, given)) is not None:
        helps.append(f"cast it: `{one}`")
    message = f"PostgreSQL has no function `{name}({types})`"
    if not counts:
        message += f": it takes no {len(given)} argument{'' if len(given) == 1 else 's'}"
    judge.refuse(message, node, helps)


def _castable(catalog: Catalog, candidates: Sequence[Signature], given: Given) -> str | None:
    """The one argument that a cast would make fit, cast."""
    for candidate in candidates:
        wanted = candidate.takes(len(given)) or ()
        wrong = [(n, w) for (n, g), w in zip(given, wanted, strict=True) if not catalog.coerces(g, w)]
        if len(wrong) == 1 and isinstance(wrong[0][0], exp.Column) and not wrong[0][1].startswith("any"):
            kind = "numeric" if catalog.category(wrong[0][1]) == "N" else wrong[0][1]
            return f"CAST({wrong[0][0].sql('postgres')} AS {catalog.title(kind)})"
    return None


def operate(judge: Judge, catalog: Catalog, node: exp.Expression, symbol: str, given: Given) -> Type:
    """The type that an operator gives; reports operands that PostgreSQL has none for."""
    types = tuple(kind for _, kind in given)
    match = operator(catalog, symbol, types) or ("jsonb" in types and operator(catalog, symbol, _json(types))) or None
    if match is None:
        titles = [catalog.title(kind) if kind is not None else "?" for kind in types]
        shown = f"{titles[0]} {symbol} {titles[1]}" if len(titles) == 2 else f"{symbol} {titles[0]}"
        helps = _operand_help(catalog, symbol, given)
        judge.refuse(f"PostgreSQL has no operator `{shown}`", node, helps)
        return None
    check_literals(judge, catalog, list(zip((n for n, _ in given), match.args, strict=True)))
    return match.result


_DAYS = ("date", "timestamp", "timestamptz")


def _operand_help(catalog: Catalog, symbol: str, given: Given) -> list[str]:
    kinds = [kind or "" for _, kind in given]
    if len(kinds) == 2 and symbol in "+-" and any(k in _DAYS for k in kinds) and "numeric" in map(_number, kinds, [catalog] * 2):
        return ["add an interval: `… + n * INTERVAL '1 day'`; a whole number of days fits a date alone"]
    if len(kinds) == 2 and "text" in kinds and symbol in ("=", "<>", "<", ">", "<=", ">=", "+", "-", "*", "/"):
        other = next((kind for kind in kinds if kind != "text"), "numeric")
        place = kinds.index("text")
        node = given[place][0].sql("postgres")
        return [f"cast one side: `CAST({node} AS {catalog.title(other)})`"] if len(node) < 60 else []
    return ["cast one side to the type of the other"] if len(kinds) == 2 else []


def _number(kind: str, catalog: Catalog) -> str:
    return "numeric" if catalog.category(kind) == "N" else kind


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
