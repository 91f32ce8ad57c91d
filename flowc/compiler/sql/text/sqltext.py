"""SQL text to trees: one query, in the author's dialect, whose every node can be shown in the YAML."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from typing import TypeVar

from sqlglot import ErrorLevel, exp
from sqlglot.dialects.dialect import Dialect
from sqlglot.errors import ParseError, SqlglotError, TokenError
from sqlglot.tokens import Token, TokenType

import flowc.compiler.systems.datafusion.sqlglot  # noqa: F401 it makes its dialect known to sqlglot
from flowc.compiler.dialects import source_of
from flowc.compiler.sql import marks
from flowc.compiler.sql.text.bounds import is_bounded
from flowc.compiler.sql.text.clocks import name_clocks, name_parts
from flowc.compiler.sql.text.joins import all_conditions_said
from flowc.compiler.sql.text.readonly import only_reads
from flowc.diagnostics import Reporter, did_you_mean
from flowc.source import MappedText, Segment, Span

FAULTS = (SqlglotError, ValueError, TypeError, AttributeError, LookupError, ArithmeticError, AssertionError)
"""What sqlglot raises for some texts that are not SQL (fuzzed), and of trees that no SQL is of.

Its parser takes some things apart once more, such as the quoted name of a type, and infers types of others.
"""
_Tree = TypeVar("_Tree", bound=exp.Expression)

# What it says of unknown statements goes to standard error; flowc refuses them with a diagnostic.
logging.getLogger("sqlglot").setLevel(logging.CRITICAL)

MAX_CHARACTERS = 1_000_000

_KEEP = ("keep one query; statements around a load go to `before:` and `after:`",)
_WRITE = ("write a query; statements around a load go to `before:` and `after:`",)
_AFTER_LIST = frozenset(
    (TokenType.COMMA, TokenType.FROM, TokenType.WHERE, TokenType.GROUP_BY, TokenType.ORDER_BY, TokenType.R_PAREN)
)
_MADE_UP = re.compile(r"(?:[A-Z]_){2,}|TS_OR_DS_")
"""Names that the parser makes of its own classes', as `J_S_O_N_OBJECT`: no dialect has such functions."""
_STARTS = ("SELECT", "WITH", "FROM", "VALUES", "TABLE")
_TABLE_WORDS = ("PIVOT", "UNPIVOT", "SUMMARIZE", "DESCRIBE")
_KEYWORDS = re.findall(
    r"\w+",
    "SELECT FROM WHERE GROUP ORDER HAVING LIMIT JOIN LEFT RIGHT INNER OUTER UNION DISTINCT BETWEEN WITH CASE WHEN THEN"
    " ELSE END PARTITION OVER USING QUALIFY INTERSECT EXCEPT",
)
_AROUND = (exp.Binary, exp.Between, exp.In)
"""What binds less strongly than an arrow, or as strongly from the left."""


@dataclass(frozen=True, slots=True)
class SqlTree:
    """A parsed text: the tree, the text that its positions count in, and the dialect it was read in.

    The author's part of the text begins at `start`: before it stands what makes a query of an expression.
    """

    tree: exp.Expression
    text: MappedText
    dialect: str
    start: int = 0

    @property
    def written(self) -> str:
        """The text as the author wrote it."""
        return self.text.text[self.start :]

    @property
    def own(self) -> MappedText:
        """What the author wrote, with its map back."""
        size = len(self.written)
        return self.text.derive(self.written, [Segment(0, size, self.start, self.start + size)])

    def span(self, node: exp.Expression) -> Span:
        """Where a node was written."""
        place = self.place(node)
        return self.text.span(place.start, place.stop)

    def place(self, node: exp.Expression) -> range:
        """Where in the text a node is: the smallest range of its tokens, or of those of what is around it."""
        offsets = [marks.position(n) for n in _with_positions(node)]
        if offsets:
            return range(min(start for start, _ in offsets), max(end for _, end in offsets))
        return range(len(self.text.text.rstrip())) if node.parent is None else self.place(node.parent)


def _with_positions(node: exp.Expression) -> Iterable[exp.Expression]:
    parts = (node,) if isinstance(node, exp.Identifier) else node.walk()
    return (n for n in parts if marks.START.has(n))


Parse = Callable[[MappedText, str, Reporter], SqlTree | None]
"""How a text in a dialect becomes a tree, or None after reporting why not."""


def parse_query(text: MappedText, dialect: str, reporter: Reporter) -> SqlTree | None:
    """The one query that a text holds, or None after reporting why there is none.

    The result's text ends with the query's last token: a closing semicolon or comment is cut off, so that it can be
    put in parentheses.
    """
    tokens = _tokens(text, dialect, reporter)
    if tokens is None or not is_bounded(text, tokens, dialect, reporter):
        return None
    body = [*tokens]
    while body and body[-1].token_type is TokenType.SEMICOLON:
        body.pop()
    if not body:
        message = "the SQL is empty"
        reporter.error("empty-sql", message, text.span(0, len(text.text)), helps=["write a query: `SELECT … FROM …`"])
        return None
    if not _is_one_query(text, body, reporter) or not _has_no_stray_comma(text, body, dialect, reporter):
        return None
    text = _cut(text, body[-1].end + 1)
    return _parsed(text, body, dialect, reporter)


def parse_condition(text: MappedText, dialect: str, reporter: Reporter) -> SqlTree | None:
    """The one condition (or value) that a text holds: the tree is that expression."""
    return _parse_part("SELECT 1 WHERE ", text, dialect, reporter, part="where")


def parse_order(text: MappedText, dialect: str, reporter: Reporter) -> SqlTree | None:
    """The ORDER BY list that a text holds: the tree is an `exp.Order`."""
    return _parse_part("SELECT 1 ORDER BY ", text, dialect, reporter, part="order")


def _parse_part(prefix: str, text: MappedText, dialect: str, reporter: Reporter, *, part: str) -> SqlTree | None:
    size, start = len(text.text), len(prefix)
    whole = text.derive(prefix + text.text, [Segment(start, start + size, 0, size)])
    if not text.text.strip():
        reporter.error("empty-sql", "the SQL is empty", text.span(0, size))
        return None
    parsed = parse_query(whole, dialect, reporter)
    if parsed is None:
        return None
    found = {key for key, value in parsed.tree.args.items() if value and key not in ("expressions", "kind")}
    if not isinstance(parsed.tree, exp.Select) or found != {part}:
        what = "one condition" if part == "where" else "an ORDER BY list"
        reporter.error("not-an-expression", f"this must be {what}, nothing more", text.span(0, size))
        return None
    node = parsed.tree.args[part]
    return SqlTree(node.this if part == "where" else node, parsed.text, dialect, start)


def _cut(text: MappedText, size: int) -> MappedText:
    return text if size >= len(text.text) else text.derive(text.text[:size], [Segment(0, size, 0, size)])


def _tokens(text: MappedText, dialect: str, reporter: Reporter) -> list[Token] | None:
    if len(text.text) > MAX_CHARACTERS:
        message = f"the SQL is {len(text.text):,} characters long; at most {MAX_CHARACTERS:,} are read"
        reporter.error("sql-too-large", message, text.span(0, 1))
        return None
    if (nul := text.text.find("\0")) >= 0:
        reporter.error("sql-syntax", "the SQL holds a NUL character", text.span(nul, nul + 1))
        return None
    try:
        tokens = Dialect.get_or_raise(dialect).tokenize(text.text)
    except TokenError:
        _report_open_token(text, reporter)
        return None
    return list(tokens)


def _report_open_token(text: MappedText, reporter: Reporter) -> None:
    """The tokenizer fails only for what is opened and not closed; the last opening quote shows it best."""
    for opening, name in (("/*", "comment"), ("$$", "quoted text"), ("'", "quoted text"), ('"', "quoted name")):
        if text.text.count(opening) % 2 or (opening == "/*" and text.text.count("/*") > text.text.count("*/")):
            at = text.text.rfind(opening)
            reporter.error(
                "sql-syntax", f"the {name} that starts here has no end", text.span(at, at + len(opening)),
                helps=[f"close it with `{'*/' if opening == '/*' else opening}`"],
            )  # fmt: skip
            return
    reporter.error("sql-syntax", "the SQL has a quote or comment without end", text.span(0, len(text.text)))


def _is_one_query(text: MappedText, body: list[Token], reporter: Reporter) -> bool:
    """Looks at the tokens alone, so that what the parser makes of a second statement does not matter."""
    for token, following in zip(body, [*body[1:], None], strict=True):
        if token.token_type is TokenType.SEMICOLON and following is not None:
            message = "the SQL holds more than one statement"
            span = text.span(following.start, following.end + 1)
            reporter.error("several-statements", message, span, label="a second one starts here", helps=_KEEP)
            return False
    first = next((t for t in body if t.token_type is not TokenType.L_PAREN), body[0])
    word = first.text.upper()
    if word in _STARTS or first.token_type is TokenType.L_PAREN:
        return True
    span = text.span(first.start, first.end + 1)
    helps = did_you_mean(word, _STARTS)
    if first.token_type is TokenType.VAR and helps:
        reporter.error("sql-syntax", f"`{first.text}` does not start a query", span, helps=helps)
    else:
        whole = f"write `SELECT * FROM ({word} …)`"
        helps = (whole,) if word in _TABLE_WORDS else _WRITE
        reporter.error("not-a-query", f"`{word}` is not a query: a pipeline's SQL selects rows", span, helps=helps)
    return False


def _has_no_stray_comma(text: MappedText, body: list[Token], dialect: str, reporter: Reporter) -> bool:
    """The parser overlooks a comma before FROM or at the end; engines do not, but for two."""
    if source_of(dialect).stray_commas:
        return True
    for token, following in zip(body, [*body[1:], None], strict=True):
        if token.token_type is TokenType.COMMA and (following is None or following.token_type in _AFTER_LIST):
            reporter.error("sql-syntax", "nothing follows this comma", text.span(token.start, token.end + 1))
            return False
    return True


def _parsed(text: MappedText, tokens: list[Token], dialect: str, reporter: Reporter) -> SqlTree | None:
    parser = Dialect.get_or_raise(dialect).parser(error_level=ErrorLevel.RAISE, max_errors=20)
    _forget_made_up(dialect)
    name_clocks(tokens, dialect)
    _name_sessions(tokens)
    name_parts(parser, dialect)
    try:
        tree = parser.parse(tokens, text.text)[0]
    except ParseError as error:
        _report_parse_error(text, tokens, error, reporter)
        return None
    except RecursionError:
        reporter.error("sql-too-deep", "the SQL is nested too deeply", text.span(0, len(text.text)))
        return None
    except FAULTS:  # none of its words help the author, and no code of flowc's runs in it
        reporter.error("sql-syntax", f"the SQL cannot be read as {dialect}", text.span(0, len(text.text)))
        return None
    parsed = SqlTree(tree if tree is None else _with_parts(tree, dialect), text, dialect)
    is_sound = _is_query(parsed, reporter) and _is_formed(parsed, reporter) and only_reads(parsed, reporter)
    if not is_sound or not all_conditions_said(text, tokens, dialect, reporter):
        return None
    return parsed


def _name_sessions(tokens: list[Token]) -> None:
    """Has the parser read `FROM session(relation, INTERVAL …)` as a call: it takes the word for no name of one."""
    for token, opening, *_, interval in zip(tokens, tokens[1:], tokens[2:], tokens[3:], tokens[4:], strict=False):
        is_call = opening.token_type is TokenType.L_PAREN and interval.token_type is TokenType.INTERVAL
        if token.token_type is TokenType.SESSION and is_call:
            token.token_type = TokenType.VAR


@cache
def _forget_made_up(dialect: str) -> None:
    functions = Dialect.get_or_raise(dialect).parser().FUNCTIONS
    for name in [name for name in functions if _MADE_UP.match(name)]:
        del functions[name]


def _is_formed(parsed: SqlTree, reporter: Reporter) -> bool:
    """Whether what has to be a name or a query is one: the parser takes any expression there."""
    for node in parsed.tree.find_all(exp.Join, exp.Star, exp.SetOperation, exp.TableAlias):
        for part in node.columns if isinstance(node, exp.TableAlias) else ():
            if not isinstance(part.this if isinstance(part, exp.ColumnDef) else part, exp.Identifier):
                helps = ["write `AS name (column, …)`"]
                reporter.error("sql-syntax", "an alias takes names of columns", parsed.span(part), helps=helps)
                return False
        for part in node.args.get("using") or ():
            if not isinstance(part.this if isinstance(part, exp.Column) else part, exp.Identifier):
                helps = ["write `USING (name, …)`"]
                reporter.error("sql-syntax", "USING takes names of columns", parsed.span(part), helps=helps)
                return False
        for part in node.args.get("replace") or ():
            if not isinstance(part, exp.Alias):
                helps = ["write `* REPLACE (value AS name)`"]
                reporter.error("sql-syntax", "REPLACE takes values with names", parsed.span(part), helps=helps)
                return False
        sides = (node.this, node.expression) if isinstance(node, exp.SetOperation) else ()
        if not all(isinstance(side, exp.Query | exp.Values | exp.Table | exp.Paren) for side in sides):
            reporter.error("sql-syntax", f"{node.key.upper()} takes queries", parsed.span(node))
            return False
    return True


def _is_query(parsed: SqlTree, reporter: Reporter) -> bool:
    tree = parsed.tree
    if not isinstance(tree, exp.Query | exp.Values):
        verb = tree.key.upper() if tree is not None else "this"
        reporter.error(
            "not-a-query", f"`{verb}` is not a query: a pipeline's SQL selects rows", parsed.span(tree), helps=_WRITE
        )
        return False
    return True


def _report_parse_error(text: MappedText, tokens: list[Token], error: ParseError, reporter: Reporter) -> None:
    places = {(t.line, t.col): i for i, t in enumerate(tokens)}
    seen: set[int] = set()
    if not error.errors:  # some mistakes are raised without a place
        reporter.error("sql-syntax", "the SQL cannot be read", text.span(0, len(text.text)))
    for found in error.errors:
        index = places.get((found["line"], found["col"]), len(tokens) - 1)
        if index in seen:
            continue
        seen.add(index)
        token = tokens[index]
        if tokens[max(0, index - 1)].token_type is TokenType.PARAMETER:  # PostgreSQL's `@ x`
            span = text.span(tokens[index - 1].start, tokens[index - 1].end + 1)
            reporter.error("sql-syntax", "`@` is not read as an operator", span, helps=["write `abs(x)` for `@ x`"])
            continue
        helps = _typo_help(tokens, index)
        message = _parse_message(str(found["description"]), at_end=index == len(tokens) - 1)
        reporter.error("sql-syntax", message, text.span(token.start, token.end + 1), helps=helps)


def _parse_message(description: str, *, at_end: bool) -> str:
    """The parser's finding in the author's words. What stood in the SQL is shown by the span, never repeated."""
    if match := re.match(r"Expecting (\S+)", description):
        return f"`{match[1]}` is missing here" if not at_end else f"the SQL ends where `{match[1]}` is missing"
    if description.startswith("Required keyword"):
        return "the SQL is not complete here"
    if description.startswith("Expected table name"):
        return "a table name is missing here"
    if "Unexpected token" in description:
        return "the SQL cannot be read from here on"
    text = re.sub(r"<[^>]*>|\s+but got.*", "", description).strip().rstrip(".")
    return text[:1].lower() + text[1:120]


def _typo_help(tokens: list[Token], index: int) -> tuple[str, ...]:
    """A near keyword for the word at fault or one of the two before it: `fro` parses as an alias.

    The plural of one is a name: `SELECT id FORM orders` is not short of an ORDER.
    """
    for token in reversed(tokens[max(0, index - 2) : index + 1]):
        if token.token_type is TokenType.VAR:
            word = token.text.upper()
            near = get_close_matches(word, _KEYWORDS, n=1, cutoff=0.74)
            if near and word not in (near[0], f"{near[0]}S"):
                return (f"did you mean `{near[0]}` instead of `{token.text}`?",)
    return ()


def copied(tree: _Tree) -> _Tree:
    """A copy of a tree, several times faster than its own `copy`: types are shared, and what metadata holds."""
    nodes = list(tree.walk())
    kept = [(node._type, node._meta) for node in nodes]
    for node in nodes:
        node._type = node._meta = None
    copy: _Tree = tree.copy()
    for node, other, (kind, meta) in zip(nodes, copy.walk(), kept, strict=True):
        node._type = other._type = kind
        node._meta, other._meta = meta, dict(meta) if meta is not None else None
    return copy


def names_in(sql: str, dialect: str) -> frozenset[str]:
    """Every word and quoted name in a text, in lower case: what it may refer to."""
    tokens = Dialect.get_or_raise(dialect).tokenize(sql)
    return frozenset(t.text.lower() for t in tokens if t.token_type is not TokenType.STRING)


def _with_parts(tree: exp.Expression, dialect: str) -> exp.Expression:
    """The tree with parts of documents where functions without a name stand, which PostgreSQL has none of."""
    if not source_of(dialect).document_arrows:
        return tree
    for found in list(tree.find_all(exp.Lambda)):
        if len(found.expressions) == 1 and isinstance(found.expressions[0], exp.Identifier):
            step = body = found.this
            while isinstance(step, _AROUND):
                step = step.this
            document = exp.Column(this=found.expressions[0])
            path = Dialect.get_or_raise(dialect).to_json_path(step.copy())
            part = exp.JSONExtract(this=document, expression=path, only_json_types=True)
            if step is body:
                found.replace(part)
            else:
                step.replace(part)
                found.replace(body)
    return tree
