"""SQL of the databases that are not at hand, judged by what their catalogs say.

PostgreSQL's names, functions, operators and types are resolved as it does itself; of MySQL and MariaDB, functions and
syntax. What cannot be known stays silent: a table that no spec declares, a parameter, a function of the database's own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress

from sqlglot import exp

from flowc.catalog import TableName
from flowc.compiler.sql.binding.catalog import postgres
from flowc.compiler.sql.binding.frame import Frame, Judge, Source
from flowc.compiler.sql.binding.mysql import MysqlQueries
from flowc.compiler.sql.binding.queries import Queries
from flowc.compiler.sql.binding.text import literal
from flowc.compiler.sql.binding.types import declared
from flowc.compiler.sql.relations import Relation
from flowc.compiler.sql.text.sqltext import SqlTree
from flowc.diagnostics import Reporter
from flowc.types import DataType

_JUDGES: Mapping[str, type[Queries]] = {"postgres": Queries, "mysql": MysqlQueries}
"""What judges the SQL of the engines whose catalogs are kept."""


def judge_query(parsed: SqlTree, engine: str, find: Callable[[TableName], Relation | None], reporter: Reporter) -> None:
    """Reports what the engine would refuse of a query that is written in its own words."""
    tree = _own(parsed, engine)
    if tree is None:
        return
    queries = _JUDGES[engine](Judge(tree, find, reporter), postgres())
    queries.check_words(tree)
    with suppress(RecursionError):  # reported where columns are inferred
        queries.check_clauses(tree.tree)
        queries.query(tree.tree, None)


def judge_expression(parsed: SqlTree, engine: str, relation: Relation, reporter: Reporter) -> None:
    """The same of an expression over one relation."""
    tree = _own(parsed, engine)
    if tree is None:
        return
    queries = _JUDGES[engine](Judge(tree, lambda _: None, reporter), postgres())
    where, order = tree.tree.args.get("where"), tree.tree.args.get("order")
    parts = [where.this] if where is not None else order.expressions if order is not None else []
    fields = [(f.name, declared(f.type) if queries.typed else None) for f in relation.fields or ()]
    frame = Frame(None, {"": Source(fields, relation.fields is None, None)})
    queries.check_words(tree)
    with suppress(RecursionError):
        for part in parts:
            queries.type(part, frame)


def catalogued(engine: str) -> frozenset[str]:
    """The functions of an engine and its extensions, as far as its catalog is kept."""
    return _JUDGES[engine].functions() if engine in _JUDGES else frozenset()


def has_cast(engine: str, source: DataType, target: DataType) -> bool:
    """Whether an engine may have a cast between two types; it may have any where no catalog says so."""
    return engine not in _JUDGES or _JUDGES[engine].has_cast(declared(source), declared(target))


def _own(parsed: SqlTree, engine: str) -> SqlTree | None:
    if engine not in _JUDGES or parsed.dialect != engine:
        return None
    tree = literal(parsed)
    return tree if tree is not None and isinstance(tree.tree, exp.Expression) else None
