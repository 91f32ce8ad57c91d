"""SQL of MySQL and MariaDB: functions and their arguments, clauses that they lack, aggregates where none can be.

Types are not judged: both convert what they compare and compute with. What one of the two takes is taken.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlglot import exp

from flowc.compiler.sql.binding.callrules import arguments
from flowc.compiler.sql.binding.expressions import column
from flowc.compiler.sql.binding.frame import Fields, Frame
from flowc.compiler.sql.binding.mysqlcatalog import MysqlFunction, mysql
from flowc.compiler.sql.binding.mysqltokens import check_words, is_reserved, is_unit
from flowc.compiler.sql.binding.queries import Queries
from flowc.compiler.sql.binding.resolve import Type
from flowc.compiler.sql.binding.text import called
from flowc.compiler.sql.binding.unknownfunctions import MYSQL, report_unknown
from flowc.compiler.sql.text.sqltext import SqlTree

_LACKING: Mapping[type[exp.Expression], tuple[str, str]] = {
    exp.ILike: ("ILIKE", "LIKE compares without case, by the column's collation"),
    exp.SimilarTo: ("SIMILAR TO", "write `REGEXP`"),
    exp.Filter: ("FILTER", "write `SUM(CASE WHEN … THEN … END)`"),
    exp.Array: ("arrays", "write `JSON_ARRAY(…)`, or `IN (…)`"),
    exp.Bracket: ("elements of arrays", "write `JSON_EXTRACT(…, '$[0]')`"),
    exp.NullSafeNEQ: ("IS DISTINCT FROM", "write `NOT a <=> b`"),
    exp.Qualify: ("QUALIFY", "ask it around a subquery: `SELECT * FROM (…) AS t WHERE …`"),
    exp.TableSample: ("TABLESAMPLE", "write `ORDER BY RAND() LIMIT …`"),
    exp.TryCast: ("TRY_CAST", "write `CAST(…)`"),
    exp.Unnest: ("UNNEST", "write `JSON_TABLE(…)`"),
    exp.GroupingSets: ("GROUPING SETS", "unite the groupings by UNION ALL"),
    exp.Cube: ("CUBE", "unite the groupings by UNION ALL"),
}  # fmt: skip
_PREFIXES = ("st_", "mbr", "wsrep_", "spider_")
_GRAMMAR_ONLY = frozenset(("row", "values", "exists", "any", "some", "all", "in", "interval", "over"))


@dataclass
class MysqlQueries(Queries):
    """Queries of MySQL. No expression has a type, and one value of a group may stand for it."""

    grouped = False
    typed = False

    @staticmethod
    def functions() -> frozenset[str]:
        """The names of all functions."""
        return frozenset(mysql())

    @staticmethod
    def has_cast(source: Type, target: Type) -> bool:
        """Of casts, nothing is known."""
        return True

    def check_words(self, parsed: SqlTree) -> None:
        """Reports what neighbouring words alone tell."""
        check_words(self.judge, parsed)

    def type(self, node: exp.Expression | None, frame: Frame) -> Type:
        if node is None:
            return None
        if type(node) in _LACKING:
            self._lacks(node, *_LACKING[type(node)])
        rule = _RULES.get(type(node))
        if rule is not None:
            rule(self, node, frame)
        elif isinstance(node, exp.Query):
            self.scalar(node, frame)
        else:
            self.visit(node, frame)
        return None

    def check_clauses(self, tree: exp.Expression) -> None:
        """Reports clauses that neither database has."""
        for node in tree.find_all(exp.Qualify, exp.TableSample):
            self._lacks(node, *_LACKING[type(node)])

    def _lacks(self, node: exp.Expression, what: str, instead: str) -> None:
        span = self.judge.parsed.span(node)
        self.judge.reporter.error("sql-syntax", f"MySQL has no {what}", span, helps=[instead])

    def query(self, node: exp.Expression, outer: Frame | None) -> Fields | None:
        for cte in node.args["with_"].expressions if node.args.get("with_") is not None else ():
            if cte.args.get("materialized") is not None:
                self._lacks(cte.args["alias"], "MATERIALIZED", "leave it out")
        distinct = node.args.get("distinct")
        if isinstance(distinct, exp.Distinct) and distinct.args.get("on") is not None:
            self._lacks(distinct, "DISTINCT ON", "number the rows: `ROW_NUMBER() OVER (PARTITION BY … ORDER BY …)`")
        limit = node.args.get("limit")
        if isinstance(limit, exp.Limit) and isinstance(
            limit.expression, exp.Binary | exp.Neg | exp.Query | exp.Subquery
        ):
            span = self.judge.parsed.span(limit.expression)
            self.judge.reporter.error("sql-syntax", "LIMIT takes a number, and computes none", span)
        group = node.args.get("group")
        for key, what in (("grouping_sets", exp.GroupingSets), ("cube", exp.Cube)):
            for part in (group.args.get(key) or ()) if group is not None else ():
                if isinstance(part, what):
                    self._lacks(part, *_LACKING[what])
        return super().query(node, outer)

    def derived(self, node: exp.Expression, fields: Fields | None) -> None:
        alias = node.args.get("alias")
        if isinstance(node, exp.Subquery) and (alias is None or alias.this is None):
            helps = ["write `(…) AS t`"]
            self.judge.reporter.error(
                "sql-syntax", "a subquery in FROM needs a name", self.judge.parsed.span(node), helps=helps
            )
        names = [name.lower() for name, _ in fields or () if name]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            self.judge.refuse(f"two columns of a subquery in FROM are called `{twice}`", node, ["name one otherwise"])


def _column(self: MysqlQueries, node: exp.Expression, frame: Frame) -> None:
    column(self, node, frame)
    name = node.this
    bare = isinstance(name, exp.Identifier) and not name.args.get("quoted") and node.args.get("table") is None
    if bare and is_reserved(name.name) and not isinstance(node.parent, exp.Anonymous):
        helps = [f"write it in quotes: `` `{name.name}` ``"]
        span = self.judge.parsed.span(node)
        self.judge.reporter.error("sql-syntax", f"`{name.name}` is a word of SQL, not a name", span, helps=helps)


def _many(self: MysqlQueries, node: exp.Expression, frame: Frame) -> None:
    inner = node.this.unnest() if isinstance(node.this, exp.Paren) else node.this
    if isinstance(inner, exp.Query):
        self.query(inner.this if isinstance(inner, exp.Subquery) else inner, frame)
    else:
        self._lacks(node, "ANY of a list", "write `IN (…)`")


def _in(self: MysqlQueries, node: exp.Expression, frame: Frame) -> None:
    width = len(node.this.expressions) if isinstance(node.this, exp.Tuple) else 1
    row = isinstance(node.this, exp.Tuple | exp.Subquery | exp.Anonymous)
    self.type(node.this, frame)
    query = node.args.get("query")
    if query is not None:
        inner = query.this if isinstance(query, exp.Subquery) else query
        if row and not isinstance(node.this, exp.Tuple):
            self.query(inner, frame)
        else:
            self.one_column(inner, frame, width)
    for value in node.expressions:
        self.type(value, frame)


def _exists(self: MysqlQueries, node: exp.Expression, frame: Frame) -> None:
    self.query(node.this.this if isinstance(node.this, exp.Subquery) else node.this, frame)


def _comparison(self: MysqlQueries, node: exp.Expression, frame: Frame) -> None:
    """A row is compared with a row, of one subquery or written."""
    rows = any(
        isinstance(s, exp.Tuple) or (isinstance(s, exp.Anonymous) and called(s)[0] == "row") for s in _sides(node)
    )
    for side in _sides(node):
        inner = side.this if isinstance(side, exp.Subquery) else side
        self.query(inner, frame) if rows and isinstance(inner, exp.Query) else self.type(side, frame)


def _sides(node: exp.Expression) -> tuple[exp.Expression, exp.Expression]:
    return node.this, node.expression


def _call(self: MysqlQueries, node: exp.Expression, frame: Frame) -> None:
    assert isinstance(node, exp.Anonymous)
    self.visit(node, frame)
    name, quoted = called(node)
    known = mysql().get(name)
    if quoted or name in _GRAMMAR_ONLY or name.startswith(_PREFIXES):
        return
    if known is None:
        report_unknown(self.judge, node, name, mysql().keys(), MYSQL)
        return
    self.judge.kinds[id(node)] = known.kind
    _count(self, node, name, known)
    over = isinstance(node.parent, exp.Window | exp.WithinGroup | exp.IgnoreNulls | exp.RespectNulls)
    if known.kind == "w" and not over and name not in ("first_value", "last_value", "nth_value"):
        helps = [f"say over which rows: `{name}(…) OVER (ORDER BY …)`"]
        self.judge.refuse(f"the window function `{name}` needs OVER", node, helps)


def _count(self: MysqlQueries, node: exp.Anonymous, name: str, known: MysqlFunction) -> None:
    given = arguments(node)
    size, most = len(given), known.most
    if any(isinstance(a, exp.Star) for a in given):
        return
    needs_interval = name in ("date_add", "date_sub") and size == 2 and not isinstance(given[1], exp.Interval)
    if needs_interval:
        self.judge.refuse(f"`{name}` takes an interval", node, [f"write `{name}(…, INTERVAL 1 DAY)`"])
    elif size < known.least or (most is not None and size > most):
        wanted = str(known.least) if most == known.least else f"{known.least} or more" if most is None else (
            f"{known.least} to {most}"
        )  # fmt: skip
        self.judge.refuse(f"`{name}` takes {wanted} argument{'' if wanted == '1' else 's'}, and gets {size}", node)


def _window(self: MysqlQueries, node: exp.Expression, frame: Frame) -> None:
    self.visit(node, frame)
    inner = node.this
    if isinstance(inner, exp.Anonymous) and self.judge.kinds.get(id(inner)) == "f":
        name = called(inner)[0]
        self.judge.refuse(f"`{name}` is no window function, and has OVER behind it", node, ["leave out OVER"])


def _dot(self: MysqlQueries, node: exp.Expression, frame: Frame) -> None:
    """A call of a stored function by its database is not judged."""
    if isinstance(node.expression, exp.Anonymous):
        self.visit(node.expression, frame)


def _interval(self: MysqlQueries, node: exp.Expression, frame: Frame) -> None:
    unit = node.args.get("unit")
    if node.this is not None:
        self.type(node.this, frame)
    if unit is None and isinstance(node.this, exp.Tuple):
        return  # the function of that name
    if unit is None:
        helps = ["write `INTERVAL 1 DAY`"]
        self.judge.refuse("an interval of MySQL has its unit behind the number", node, helps)
    elif not _shifts(node):
        helps = ["add it to a time, `t + INTERVAL 1 DAY`, or write what it is made of: a number"]
        self.judge.refuse("an interval of MySQL is no value by itself", node, helps)
    if isinstance(unit, exp.Var) and not is_unit(unit.name):
        helps = [f"write `{unit.name.removesuffix('S')}`"] if is_unit(unit.name.removesuffix("S")) else []
        self.judge.reporter.error(
            "sql-syntax", f"`{unit.name}` is no unit of MySQL", self.judge.parsed.span(node), helps=helps
        )


def _shifts(node: exp.Expression) -> bool:
    """Whether an interval is where it can be: added to a time, given to what adds it, or in the frame of a window."""
    outer = node.parent
    if isinstance(outer, exp.Add | exp.Sub):
        return not (isinstance(outer.this, exp.Interval) and isinstance(outer.expression, exp.Interval))
    return isinstance(outer, exp.WindowSpec) or (isinstance(outer, exp.Anonymous) and called(outer)[0] in _SHIFTING)


def _extract(self: MysqlQueries, node: exp.Expression, frame: Frame) -> None:
    self.type(node.expression, frame)
    if isinstance(node.this, exp.Var) and not is_unit(node.this.name):
        units = {"EPOCH": "UNIX_TIMESTAMP(…)", "DOW": "DAYOFWEEK(…)", "ISODOW": "WEEKDAY(…) + 1", "DOY": "DAYOFYEAR(…)"}
        instead = units.get(node.this.name.upper())
        helps = [f"write `{instead}`"] if instead else []
        message = f"`{node.this.name}` is no part of a time in MySQL"
        self.judge.reporter.error("sql-syntax", message, self.judge.parsed.span(node), helps=helps)


def _at_time_zone(self: MysqlQueries, node: exp.Expression, frame: Frame) -> None:
    self.visit(node, frame)
    if not isinstance(node.parent, exp.Cast):
        self._lacks(node, "AT TIME ZONE", "write `CONVERT_TZ(…, '+00:00', '+02:00')`")


def _within(self: MysqlQueries, node: exp.Expression, frame: Frame) -> None:
    self.visit(node, frame)
    if not isinstance(node.parent, exp.Window):
        self._lacks(node, "WITHIN GROUP of a group", "MariaDB has it over a window: `… OVER (PARTITION BY …)`")


_SHIFTING = ("date_add", "date_sub", "adddate", "subdate")
_COMPARED = (exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE, exp.NullSafeEQ)
_RULES = {
    exp.Column: _column, exp.Any: _many, exp.All: _many, exp.In: _in, exp.Exists: _exists, exp.Anonymous: _call,
    exp.Window: _window, exp.Dot: _dot, exp.Interval: _interval, exp.Extract: _extract,
    exp.AtTimeZone: _at_time_zone, exp.WithinGroup: _within, **dict.fromkeys(_COMPARED, _comparison),
}  # fmt: skip
