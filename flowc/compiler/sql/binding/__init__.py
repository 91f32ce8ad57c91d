"""SQL of the databases that are not at hand, judged by what their catalogs say.

PostgreSQL's names, functions, operators and types are resolved as it does itself; of MySQL and MariaDB, functions and
syntax. What cannot be known stays silent: a table that no spec declares, a parameter, a function of the database's own.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from sqlglot import exp

from flowc.catalog import TableName
from flowc.compiler.sql.binding.catalog import postgres
from flowc.compiler.sql.binding.frame import Frame, Judge, Source
from flowc.compiler.sql.binding.mysql import MysqlQueries
from flowc.compiler.sql.binding.mysqltokens import check_words
from flowc.compiler.sql.binding.queries import Queries
from flowc.compiler.sql.binding.text import literal
from flowc.compiler.sql.binding.types import declared
from flowc.compiler.sql.text.sqltext import SqlTree
from flowc.compiler.sql.types.relations import Relation
from flowc.diagnostics import Reporter

JUDGED = ("postgres", "mysql")


def judge_query(parsed: SqlTree, engine: str, find: Callable[[TableName], Relation | None], reporter: Reporter) -> None:
    """Reports what the engine would refuse of a query that is written in its own words."""
    tree = _own(parsed, engine)
    if tree is None:
        return
    judge = Judge(tree, find, reporter)
    if engine == "postgres":
        with suppress(RecursionError):  # reported where columns are inferred
            Queries(judge, postgres()).query(tree.tree, None)
    else:
        check_words(judge, tree)
        with suppress(RecursionError):
            queries = MysqlQueries(judge, postgres())
            queries.check_clauses(tree.tree)
            queries.query(tree.tree, None)


def judge_expression(parsed: SqlTree, engine: str, relation: Relation, reporter: Reporter) -> None:
    """The same of an expression over one relation."""
    tree = _own(parsed, engine)
    if tree is None:
        return
    judge = Judge(tree, lambda _: None, reporter)
    where, order = tree.tree.args.get("where"), tree.tree.args.get("order")
    parts = [where.this] if where is not None else order.expressions if order is not None else []
    fields = [(f.name, declared(f.type) if engine == "postgres" else None) for f in relation.fields or ()]
    frame = Frame(None, {"": Source(fields, relation.fields is None, None)})
    if engine == "mysql":
        check_words(judge, tree)
    queries = Queries(judge, postgres()) if engine == "postgres" else MysqlQueries(judge, postgres())
    with suppress(RecursionError):
        for part in parts:
            queries.type(part, frame)


def _own(parsed: SqlTree, engine: str) -> SqlTree | None:
    if engine not in JUDGED or parsed.dialect != engine:
        return None
    tree = literal(parsed)
    return tree if tree is not None and isinstance(tree.tree, exp.Expression) else None
