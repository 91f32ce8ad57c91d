"""Statements that read or write rows: which table they write, and what they read."""

from __future__ import annotations

import logging

from sqlglot import ErrorLevel, exp
from sqlglot.dialects.dialect import Dialect
from sqlglot.errors import ParseError, TokenError

from flowc.catalog import TableName
from flowc.compiler.migrationlint.facts import CreateTable, Fact, Other, Write
from flowc.compiler.migrationlint.tokens import SQLGLOT, Cursor, UnreadError, words

# What it says of forms that it does not know goes to standard error; here the tokens are read instead.
logging.getLogger("sqlglot").setLevel(logging.CRITICAL)

_QUERIES = words("SELECT VALUES TABLE FROM SUMMARIZE DESCRIBE (")
_WRITES = {"INSERT": "insert", "REPLACE": "insert", "UPDATE": "update", "DELETE": "delete", "MERGE": "merge"}
_BEFORE_TABLE = words("INTO FROM ONLY IGNORE LOW_PRIORITY OR ABORT FAIL ROLLBACK OVERWRITE DELAYED QUICK HIGH_PRIORITY")
_NOT_SQL = (
    ParseError, TokenError, RecursionError, ValueError, TypeError, AttributeError, IndexError, KeyError, AssertionError,
)  # fmt: skip
"""What sqlglot raises for texts that it cannot read."""
_ALL: frozenset[str] = frozenset()


def read_rows(cursor: Cursor, sql: str) -> list[Fact]:
    """Reads a query or a statement that writes rows.

    Raises:
        UnreadError: when it is neither.
    """
    if cursor.at_any(_QUERIES):
        return [_query(cursor)]
    if not cursor.at("WITH") and not cursor.at_any(_WRITES):
        raise UnreadError
    fact = _parsed(sql, cursor.dialect) or _from_tokens(cursor)
    cursor.until(_ALL)
    return [fact]


def _query(cursor: Cursor) -> Fact:
    """A query; SELECT … INTO makes a table."""
    cursor.until(frozenset(("INTO",)))
    made = None
    if cursor.dialect == "postgres" and cursor.take("INTO"):
        temporary = bool(cursor.take_any("TEMPORARY", "TEMP"))
        _ = cursor.take_any("UNLOGGED")
        _ = cursor.take("TABLE")
        made = CreateTable(cursor.name(), temporary=temporary, query=True)
    cursor.until(_ALL)
    return made or Other("select")


def _parsed(sql: str, dialect: str) -> Fact | None:
    """What sqlglot reads; None for the forms that it does not know."""
    try:
        tree = Dialect.get_or_raise(SQLGLOT[dialect]).parse(sql, error_level=ErrorLevel.IMMEDIATE)[0]
    except _NOT_SQL:
        return None
    if isinstance(tree, exp.Insert | exp.Update | exp.Delete | exp.Merge):
        return _write(tree)
    return Other("select") if isinstance(tree, exp.Query | exp.Values) else None


def _write(tree: exp.Expression) -> Fact | None:
    target = tree.find(exp.Table)
    if target is None:
        return None
    columns: list[str] = []
    if isinstance(tree, exp.Update):
        columns = [_folded(e.this.this) for e in tree.expressions if isinstance(e, exp.EQ) and _is_column(e.this)]
    elif isinstance(tree, exp.Insert) and isinstance(tree.this, exp.Schema):
        columns = [_folded(e) for e in tree.this.expressions]
    reads = tuple(_name(t) for t in tree.find_all(exp.Table) if t is not target)
    filtered = tree.key not in ("update", "delete") or tree.args.get("where") is not None
    return Write(_name(target), tree.key, tuple(columns), reads, filtered)


def _is_column(node: exp.Expression) -> bool:
    """Whether a whole column is assigned: not a field of it, nor an element."""
    return isinstance(node, exp.Column) and not node.table


def _name(table: exp.Table) -> TableName:
    return TableName(_folded(table.args.get("db")) or None, _folded(table.this))


def _folded(part: exp.Expression | None) -> str:
    """A name; a bare one in lower case."""
    return "" if part is None else part.name if part.args.get("quoted") else part.name.lower()


def _from_tokens(cursor: Cursor) -> Fact:
    """The verb and the table alone. A WITH is not looked into: the first verb outside of its parentheses counts."""
    cursor.until(frozenset(_WRITES) | {"SELECT", "VALUES"})
    if cursor.at_any(("SELECT", "VALUES")):
        return Other("select")
    word = cursor.take_any(*_WRITES)
    if not word:
        raise UnreadError
    while cursor.take_any(*_BEFORE_TABLE):
        pass
    return Write(cursor.name(), _WRITES[word])
