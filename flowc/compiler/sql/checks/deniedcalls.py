"""Calls that SQL of a spec may not make on its engine, and files that it may not read.

Calls are found in the tokens, which have each name as it is written; the parser gives some functions other names.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from itertools import pairwise, takewhile
from pathlib import Path

from sqlglot import exp
from sqlglot.dialects.dialect import Dialect
from sqlglot.tokens import Token, TokenType

from flowc.compiler.dialects import dialect_of, source_of
from flowc.compiler.front.reach import Reach
from flowc.compiler.sql import marks
from flowc.compiler.sql.denied import DOES, READS, RUNS, Denied, denied
from flowc.compiler.sql.text.readonly import as_run
from flowc.compiler.sql.text.sqltext import SqlTree
from flowc.diagnostics import Reporter
from flowc.source import Span

_CODE = "denied-function"
_T = TokenType
_WORD = re.compile(r"\w+")
_ESCAPED = re.compile(r"""(?<!\w)U&\"""", re.IGNORECASE)
_URL = re.compile(r"(?!file:)([A-Za-z][\w+.-]*)://")
_LOCAL = re.compile(r"file:(?://localhost)?(?=/)")
"""What DuckDB leaves out before an absolute path."""
_OPERANDS = (_T.VAR, _T.IDENTIFIER, _T.STRING, _T.NUMBER, _T.R_PAREN, _T.R_BRACKET)
"""What stands before `GLOB` where that is an operator."""
_NO_CODE = frozenset((_T.STRING, _T.NUMBER, _T.COMMA, _T.TRUE, _T.FALSE, _T.NULL))
"""What arguments consist of that are literals."""
_SEARCHED = frozenset((
    "read_csv", "read_csv_auto", "sniff_csv", "read_parquet", "parquet_scan", "read_json", "read_json_auto",
    "read_json_objects", "read_ndjson", "read_ndjson_auto", "read_ndjson_objects", "read_text", "read_blob", "glob",
))  # fmt: skip
"""The functions that look for a file in the project, too."""
_FILE = re.compile(r"\.(?:csv|tsv|parquet|json|jsonl|ndjson)(?:\.\w+)?$", re.IGNORECASE)
"""How the names end that DuckDB takes for files where no table has them."""
_NEEDLESS = "leave it out; what a database has to do around a load goes to `before:` and `after:`"
_LITERAL = "write each path as a literal, or read the files by a connection of kind `files`"


@dataclass(frozen=True, slots=True)
class _Call:
    """A call: the name that the engine looks for, the schema before it, its token, and the tokens of its arguments."""

    name: str
    schema: str | None
    token: Token
    arguments: Sequence[Token]


def only_allowed(
    parsed: SqlTree, engine: str, reach: Reach, reporter: Reporter, excepted: Set[str] = frozenset()
) -> bool:
    """Whether SQL calls nothing that is denied on the engine that runs it; reports what is.

    `excepted` are names of functions that are allowed here.
    """
    before = reporter.errors
    table = {**denied(parsed.dialect), **denied(engine)}
    table = {name: found for name, found in table.items() if name not in excepted} if excepted else table
    text = as_run(parsed.text.text, parsed.dialect)
    named = table.keys() & set(_WORD.findall(text.lower()))
    for call in (*_calls(parsed, text), *_attributes(parsed)) if named else ():
        if (found := table.get(call.name)) is not None and _is_meant(call, found, parsed.dialect):
            _check(call, parsed, table, reach, reporter)
    if source_of(parsed.dialect).escaped_names:
        _check_escapes(parsed, reporter)
    if dialect_of(engine).reads_files:
        for relation in parsed.tree.find_all(exp.Table):
            name = ".".join(part.name for part in relation.parts if isinstance(part, exp.Identifier))
            check_relation(name, reach, parsed.span(relation), reporter)
    return reporter.errors == before


def check_relation(name: str, reach: Reach, span: Span, reporter: Reporter) -> None:
    """Reports the name of a table by which DuckDB would read a file or an address that the project does not reach."""
    if "/" in name or "\\" in name or _FILE.search(name):
        _check_file(name, reach, span, reporter)


def _calls(parsed: SqlTree, text: str) -> Iterator[_Call]:
    tokens = Dialect.get_or_raise(parsed.dialect).tokenize(text)
    aliases = {marks.START.of(alias.this) for alias in parsed.tree.find_all(exp.TableAlias) if _has_place(alias.this)}
    for i, (token, following) in enumerate(pairwise(tokens)):
        if following.token_type is _T.L_PAREN and token.token_type is not _T.STRING and token.start not in aliases:
            before = tokens[i - 1] if i else None
            schema = tokens[i - 2].text if i > 1 and before and before.token_type is _T.DOT else None
            is_operator = token.token_type is _T.GLOB and before is not None and before.token_type in _OPERANDS
            yield _Call("" if is_operator else _name(token, parsed.dialect), schema, token, tokens[i + 2 :])


def _attributes(parsed: SqlTree) -> Iterator[_Call]:
    """The calls that PostgreSQL takes in the form of an attribute: `(value).function`, and `row.function`."""
    if not source_of(parsed.dialect).attribute_calls:
        return
    tokens = Dialect.get_or_raise(parsed.dialect).tokenize(parsed.text.text)
    tables = {
        table.alias_or_name.lower() for table in parsed.tree.find_all(exp.Table, exp.Subquery) if _has_rows(table)
    }
    for before, dot, token, following in zip(tokens, tokens[1:], tokens[2:], [*tokens[3:], None], strict=False):
        is_call = following is not None and following.token_type is _T.L_PAREN
        if dot.token_type is _T.DOT and not is_call and before.text.lower() not in tables:
            yield _Call(_name(token, parsed.dialect), None, token, ())


def _has_rows(relation: exp.Expression) -> bool:
    """Whether a name in FROM means rows, whose attributes are columns; the name of a function may mean a value."""
    return isinstance(relation, exp.Subquery) or isinstance(relation.this, exp.Identifier)


def _check_escapes(parsed: SqlTree, reporter: Reporter) -> None:
    """Reports names whose characters are written by their codes: they may be any name."""
    tokens = Dialect.get_or_raise(parsed.dialect).tokenize(parsed.text.text)
    for before, token in pairwise(tokens):
        if token.token_type is _T.AMP and _ESCAPED.match(parsed.text.text, before.start):
            span = parsed.text.span(before.start, token.end + 1)
            reporter.error(_CODE, "this name is written in escapes", span, helps=("write it plainly",))


def _has_place(name: object) -> bool:
    return isinstance(name, exp.Identifier) and marks.START.has(name)


def _name(token: Token, dialect: str) -> str:
    is_exact = token.token_type is _T.IDENTIFIER and source_of(dialect).exact_quotes
    return str(token.text) if is_exact else str(token.text).lower()


def _is_meant(call: _Call, found: Denied, dialect: str) -> bool:
    """Whether a call is one of the engine's function: one of another schema is the user's own."""
    own = call.schema is not None and call.schema.lower() == source_of(dialect).own_schema
    return found.anywhere or call.schema is None or own


def _check(call: _Call, parsed: SqlTree, table: Mapping[str, Denied], reach: Reach, reporter: Reporter) -> None:
    found = table[call.name]
    span = parsed.text.span(call.token.start, call.token.end + 1)
    if found.group == RUNS:
        _check_texts(call, parsed, table, reporter)
    elif found.group != READS:
        reporter.error(_CODE, f"`{call.name}` {DOES[found.group]}", span, helps=(_NEEDLESS,))
    elif paths := list(_paths(call.arguments)):
        for path in paths:
            at = parsed.text.span(path.start, path.end + 1)
            _check_file(path.text, reach, at, reporter, searched=call.name in _SEARCHED)
    else:
        message = f"which files `{call.name}` reads is not known before it runs"
        reporter.error("path-outside", message, span, helps=(_LITERAL,))


def _check_texts(call: _Call, parsed: SqlTree, table: Mapping[str, Denied], reporter: Reporter) -> None:
    """Reports the SQL that a function runs where it is computed, or names what is denied."""
    for token in takewhile(lambda token: token.token_type is not _T.R_PAREN, call.arguments):
        at = parsed.text.span(token.start, token.end + 1)
        names = [name for name in map(str.lower, _WORD.findall(token.text)) if name in table]
        if token.token_type not in _NO_CODE:
            message = f"`{call.name}` runs SQL, and this argument is no plain literal"
            reporter.error(_CODE, message, at, helps=("write the SQL in single quotes, without `||` and casts",))
        elif _ESCAPED.search(token.text):
            reporter.error(_CODE, "a name in this text is written in escapes", at, helps=("write it plainly",))
        elif names:
            message = f"the SQL in this text names `{names[0]}`, which {DOES.get(table[names[0]].group, DOES['blind'])}"
            reporter.error(_CODE, message, at, helps=(_NEEDLESS,))
    if not call.arguments:
        reporter.error(_CODE, f"`{call.name}` {DOES['blind']}", parsed.text.span(call.token.start, call.token.end + 1))


def _paths(arguments: Sequence[Token]) -> Iterator[Token]:
    """The texts that a first argument is or lists; none where it is computed."""
    listed = bool(arguments) and arguments[0].token_type is _T.L_BRACKET
    ends = (_T.COMMA, _T.R_BRACKET) if listed else (_T.COMMA, _T.R_PAREN)
    found, rest = list[Token](), arguments[1:] if listed else arguments
    for token, end in zip(rest[::2], rest[1::2], strict=False):
        if token.token_type is not _T.STRING or end.token_type not in ends:
            return
        found.append(token)
        if not listed or end.token_type is _T.R_BRACKET:
            break
    yield from found


def _check_file(path: str, reach: Reach, span: Span, reporter: Reporter, *, searched: bool = True) -> None:
    """Reports a file or an address that DuckDB reads and the project does not reach.

    DuckDB looks for a relative path in the working folder. What is not there, it looks for in the project where a
    reader searches; others take the working folder alone.
    """
    if (address := _URL.match(path)) is not None:
        if not path.startswith(tuple(listed for listed in reach.allowed if _URL.match(listed))):
            message = f"this `{address[1]}` address is not in the project's reach"
            helps = (f"list where it lies in the project: `allow_paths: ['{address[0]}…/']`",)
            reporter.error("path-outside", message, span, helps=helps)
    elif path.startswith("~"):
        reporter.error("path-outside", f"`{path}` is in a home folder", span, helps=("write the whole path",))
    elif reach.check(_LOCAL.sub("", path), span, reporter) and not _is_of_root(path, reach.root, searched=searched):
        message = f"DuckDB reads `{path}` from the working folder, and not from the project `{reach.root}`"
        helps = ("run flowc in the project's folder, or write the whole path",)
        reporter.error("path-outside", message, span, helps=helps)


def _is_of_root(path: str, root: Path, *, searched: bool) -> bool:
    """Whether a path leads to the same file from the working folder as from the root."""
    if os.path.isabs(_LOCAL.sub("", path)) or os.path.realpath(root) == os.getcwd():
        return True
    return searched and "," not in str(root) and not os.path.lexists(path)
