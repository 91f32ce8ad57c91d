"""SQL of a spec only reads: what writes or locks is found at any depth of its tree."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING

from sqlglot import exp
from sqlglot.dialects.dialect import Dialect

from flowc.compiler.dialects import source_of
from flowc.diagnostics import Reporter
from flowc.source import Span

if TYPE_CHECKING:
    from flowc.compiler.sql.text.sqltext import SqlTree

_WRITES = (exp.DML, exp.DDL, exp.Into, exp.Command)
_HELPS = ("write a query; statements around a load go to `before:` and `after:`",)
_LOCKS = frozenset((*(("FOR", word) for word in ("UPDATE", "SHARE", "NO", "KEY")), ("LOCK", "IN")))
_PARTS = re.compile(
    r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|`[^`]*`|--(?=[\x00-\x20])[^\n]*|\#[^\n]*"""
    r"""|/\*M?!\d*(?P<run>.*?)\*/|/\*.*?\*/""",
    re.DOTALL,
)
"""Texts, names and comments of MySQL; `run` is what servers run of a comment."""
_WORDS = re.compile(r"\b(?:INTO|UPDATE|SHARE|LOCK)\b", re.IGNORECASE)


def as_run(sql: str, dialect: str) -> str:
    """The text with what its server finds in comments, every word at its place."""
    if not source_of(dialect).executable_comments:
        return sql
    return _PARTS.sub(lambda m: m[0] if m["run"] is None else " " * (m.start("run") - m.start()) + m["run"] + "  ", sql)


def only_reads(parsed: SqlTree, reporter: Reporter) -> bool:
    """Whether a query changes and locks nothing; reports each part that does."""
    found = list(_changing(parsed.tree))
    for node in found:
        if isinstance(node, exp.Lock):
            message = (
                f"`FOR {'UPDATE' if node.args.get('update') else 'SHARE'}` locks rows, and SQL of a spec only reads"
            )
        elif isinstance(node, exp.Into):
            message = "`SELECT … INTO` writes a table; the target is named by `to:`"
        else:
            message = f"`{node.key.upper()}` is not a query: SQL of a spec only reads, at every depth"
        reporter.error("not-a-query", message, _span(parsed, node), helps=_HELPS)
    return not found and _comments_read(parsed, reporter)


def _changing(tree: exp.Expression) -> Iterator[exp.Expression]:
    for node in tree.find_all(*_WRITES, exp.Lock):
        if not isinstance(node, exp.Query) and node.find_ancestor(exp.When) is None:
            yield node


def _span(parsed: SqlTree, node: exp.Expression) -> Span:
    """The word that begins a part, which the tree keeps no place of."""
    place, key = parsed.place(node), node.key.upper()
    tokens = Dialect.get_or_raise(parsed.dialect).tokenize(parsed.text.text)
    for token, following in reversed([*pairwise(tokens)]):
        word, then = token.text.upper(), following.text.upper()
        is_lock = key == "LOCK" and (word, then) in _LOCKS
        if is_lock or (word == key and token.start <= place.start):
            return parsed.text.span(token.start, (following if is_lock else token).end + 1)
    return parsed.span(node)


def _comments_read(parsed: SqlTree, reporter: Reporter) -> bool:
    """Whether what MySQL runs of the comments has no words that write or lock."""
    text = parsed.text.text
    comments = _PARTS.finditer(text) if source_of(parsed.dialect).executable_comments else ()
    for comment in comments:
        if word := _WORDS.search(comment["run"] or ""):
            message = f"MySQL runs the `{word[0].upper()}` of this comment, and SQL of a spec only reads"
            reporter.error("not-a-query", message, parsed.text.span(*comment.span()), helps=("leave it out",))
            return False
    return True
