"""Defaults of declared columns that no engine takes: names of columns, and literals that are no value of their type.

A default is SQL that the database runs for each row, so it calls nothing that is denied to SQL of a spec, except for a
sequence: that is what gives numbers to rows.
"""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

from sqlglot import exp
from sqlglot.dialects.dialect import Dialect
from sqlglot.errors import TokenError
from sqlglot.tokens import TokenType

from flowc.compiler.dialects import DIALECTS
from flowc.compiler.front.reach import Reach
from flowc.compiler.front.spec import ColumnSpec, TableSpec
from flowc.compiler.lowering.context import sqlglot_name
from flowc.compiler.quote import text as literal
from flowc.compiler.sql.checks.deniedcalls import only_allowed
from flowc.compiler.sql.text.readonly import as_run
from flowc.compiler.sql.text.sqltext import SqlTree, parse_condition
from flowc.compiler.tables.made import way
from flowc.diagnostics import Reporter
from flowc.source import Located, MappedText, Segment
from flowc.types import Kind

_WORDS = frozenset(
    {
        "current_user", "session_user", "user", "system_user", "current_role", "current_catalog", "current_schema",
        "current_database", "current_date", "current_time", "current_timestamp", "localtime", "localtimestamp",
        "rowid", "default", "null", "true", "false",
    }
)  # fmt: skip
"""Words without parentheses that are no columns."""
_COUNTERS = frozenset({"nextval"})
_TIMES = (Kind.DATE, Kind.TIME, Kind.TIMESTAMP, Kind.TIMESTAMPTZ, Kind.UUID)


def check_defaults(spec: TableSpec, kind: str, reach: Reach, reporter: Reporter) -> None:
    """Reports the defaults of a table in a kind of database that it cannot have."""
    if kind not in DIALECTS:
        return
    known = (
        {column.name.value.lower() for column in spec.columns} if DIALECTS[kind].tables.defaults_read_columns else set()
    )
    for column in spec.columns:
        if column.default is None:
            continue
        if not _is_closed(column.default.value, sqlglot_name(kind)):
            message = f"the default of column `{column.name.value}` is not one expression"
            helps = ("write one value or expression, and close each parenthesis, quote and comment in it",)
            reporter.error("bad-column-definition", message, column.default.span, helps=helps)
            continue
        written = _written(column.default, sqlglot_name(kind))
        is_value = only_allowed(written, kind, reach, reporter, _COUNTERS) and column.own is None
        if is_value and not way(column.default.value):
            _check(column, written.tree, kind, known, reporter)


def _is_closed(written: str, dialect: str) -> bool:
    """Whether a text cannot end the parentheses, or the statement, that it is written into."""
    try:
        tokens = Dialect.get_or_raise(dialect).tokenize(as_run(written, dialect))
    except TokenError:
        return False
    depth = 0
    for token in tokens:
        depth += (token.token_type is TokenType.L_PAREN) - (token.token_type is TokenType.R_PAREN)
        if depth < 0 or token.token_type is TokenType.SEMICOLON:
            return False
    return depth == 0


def _written(default: Located[str], dialect: str) -> SqlTree:
    """A default as SQL; without a tree where a database alone can read it, as the words for numbered columns."""
    size, span = len(default.value), default.span
    text = MappedText(default.value, span.file, (Segment(0, size, span.start, span.end),))
    return parse_condition(text, dialect, Reporter()) or SqlTree(exp.Placeholder(), text, dialect)


def _check(column: ColumnSpec, tree: exp.Expression, kind: str, known: set[str], reporter: Reporter) -> None:
    default = column.default
    assert default is not None
    wrong = _column(tree, known) or _value(tree, column, kind)
    if wrong is not None:
        is_word = column.type.value.kind is Kind.TEXT and default.value.isalnum()
        helps = (f"write a text in quotes: `{literal(default.value, DIALECTS[kind])}`",) if is_word else ()
        message = f"the default of column `{column.name.value}` {wrong}"
        reporter.error("bad-column-definition", message, default.span, helps=helps)


def _column(tree: exp.Expression, known: set[str]) -> str | None:
    """A bare word, which is the name of a column."""
    for node in tree.find_all(exp.Column):
        name = node.name
        bare = not node.this.args.get("quoted") and node.table == ""
        if bare and name.lower() not in _WORDS | known and node.find_ancestor(exp.Subquery) is None:
            return f"names `{name}`, a column, and a default has none"
    return None


def _value(tree: exp.Expression, column: ColumnSpec, engine: str) -> str | None:
    """A literal that is no value of the type, where the engine has types."""
    kind = column.type.value
    literal = tree.this if isinstance(tree, exp.Neg) else tree
    rules = DIALECTS[engine].literals
    if not rules.typed or not isinstance(literal, exp.Literal):
        return None
    if literal.is_string:
        wrong = kind.is_number and not _is_number(literal.this)
    else:
        wrong = kind.kind in _TIMES and not rules.numeric_times
    return f"is no value of type `{kind}`" if wrong else None


def _is_number(written: str) -> bool:
    try:
        Decimal(written.strip())
    except InvalidOperation:
        return False
    return True
