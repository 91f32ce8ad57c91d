r"""Regular expressions of the author's dialect in Python's syntax, which flowc's functions on SQLite read.

Only what is known to match the same is written. What dialects read differently is spelt out (`.`, `$`, `\w`) or
refused. What a pattern is for matters too: PostgreSQL takes the longest match where Python takes the first that it
finds, which a test cannot show and an extraction can.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from flowc.compiler.regex.reader import POSIX, PatternError, Syntax, parse
from flowc.compiler.regex.tree import Group, Repeat, is_plain, nodes, shortest, write
from flowc.compiler.sql.rewrite.core import Untranslatable

_LINE_ENDS = r"\n\r\u0085\u2028\u2029"
_JAVA = ("spark", "databricks", "mysql")
_END = dict.fromkeys(_JAVA, rf"(?=(?:\r\n|[{_LINE_ENDS}])?\Z)")
"""Where `$` matches; the very end in all other dialects."""
_LONGEST = ("postgres", "snowflake")
_RE2 = Syntax(space="\\t\\n\\f\\r ", boundary=True)
_SPARK = Syntax(dot=f"[^{_LINE_ENDS}]", posix=())
SYNTAXES: Mapping[str, Syntax] = {
    "postgres": Syntax(dot="(?s:.)", word_class=r"\w", posix=("digit",)),
    "duckdb": _RE2,
    "bigquery": _RE2,
    "snowflake": Syntax(),
    "spark": _SPARK,
    "databricks": _SPARK,
    "mysql": replace(_SPARK, word_class=r"\w"),
}
_CODE = re.compile(r"\\(.)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Pattern:
    """A pattern in Python's syntax, and what decides where it may be used."""

    text: str
    groups: int
    shortest: int
    """The length of its shortest match."""
    plain: bool
    """It has neither alternatives nor repeated groups: each group takes part in every match."""
    first: bool
    """The match that is found first is the one that the dialect takes."""


def python_pattern(pattern: str, source: str, *, any_case: bool = False) -> Pattern:
    """A pattern of the dialect `source`. Raises Untranslatable for what would match otherwise."""
    return _pattern(pattern, source, any_case=any_case, edges={"$": _END.get(source, r"\Z"), "b": r"(?a:\b)"})


def rust_pattern(pattern: str, *, match: bool) -> str:
    """A pattern of PostgreSQL in Rust's syntax, which DataFusion reads. With `match`, the text that it takes matters.

    Names of POSIX are those of ASCII in it.
    """
    syntax = replace(SYNTAXES["postgres"], posix=tuple(POSIX))
    found = _pattern(pattern, "postgres", any_case=False, edges={"$": r"\z"}, syntax=syntax)
    if match and _MIXED.search(pattern):
        raise Untranslatable("a pattern that takes as little as it can in one place and as much in another")
    if match and not _longest_first(pattern):
        raise Untranslatable("alternatives of a pattern of which one begins as another: write the longest first")
    return re.sub(r"\\u(\w{4})", r"\\x{\1}", found.text)


_MIXED = re.compile(r"[*+?}]\?.*[*+}](?!\?)|[*+}](?!\?).*[*+?}]\?", re.DOTALL)
_ALTERNATIVES = re.compile(r"(?:^|\()(?:\?:)?((?:\w+\|)+\w+)(?:\)|$)")


def _longest_first(pattern: str) -> bool:
    """Whether no alternative of plain letters hides a longer one behind it, which PostgreSQL would take."""
    for found in _ALTERNATIVES.finditer(pattern):
        words = found[1].split("|")
        if any(later.startswith(word) and later != word for i, word in enumerate(words) for later in words[i:]):
            return False
    return True


def _pattern(
    pattern: str, source: str, *, any_case: bool, edges: Mapping[str, str], syntax: Syntax | None = None
) -> Pattern:
    if source not in SYNTAXES:
        raise Untranslatable(f"regular expressions of {source} in such a place")
    try:
        tree = parse(pattern, replace(syntax or SYNTAXES[source], any_case=any_case))
        text = write(tree, edges)
        re.compile(text.replace(r"\z", r"\Z"))
    except PatternError as error:
        raise Untranslatable(f"{error.words} in a pattern") from error
    except re.error as error:
        raise Untranslatable("such a pattern") from error
    found, plain = tuple(nodes(tree)), is_plain(tree)
    lazy = any(isinstance(n, Repeat) and n.lazy for n in found)
    groups = sum(isinstance(n, Group) and n.number > 0 for n in found)
    return Pattern(text, groups, shortest(tree), plain, source not in _LONGEST or (plain and not lazy))


def python_replacement(text: str, source: str, groups: int) -> str:
    r"""The text that takes a match's place: `\1` names a group, `\0` in RE2 and `\&` in PostgreSQL the whole match."""
    if source == "mysql" and re.search(r"[$\\]", text):
        raise Untranslatable("`$` and `\\` in the replacement of a pattern")
    whole = {"postgres": "&", "duckdb": "0", "bigquery": "0"}.get(source)

    def code(match: re.Match[str]) -> str:
        letter = match[1]
        if letter == "\\":
            return r"\\"
        if letter == whole:
            return r"\g<0>"
        if letter.isdigit() and 1 <= int(letter) <= groups:
            return rf"\g<{letter}>"
        raise Untranslatable(f"`\\{letter}` in the replacement of a pattern")

    if "\\" in _CODE.sub("", text):
        raise Untranslatable("a backslash at the end of the replacement of a pattern")
    return _CODE.sub(code, text)
