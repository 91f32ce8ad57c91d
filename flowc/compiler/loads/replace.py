r"""The normaliser `regex_replace`: patterns of a syntax that all engines have in common, in each engine's words.

A pattern is read, not copied: `.` is any character but a line end, `\d`, `\s` and `\w` are those of ASCII, `^` and `$`
the two ends of the text. What engines match differently is an error (`regex.same`).
"""

from __future__ import annotations

import re

from flowc.compiler.dialect import Dialect
from flowc.compiler.quote import text
from flowc.compiler.regex.reader import PatternError, parse
from flowc.compiler.regex.same import fault
from flowc.compiler.regex.tree import Group, nodes, write
from flowc.errors import UsageError

_CODE = "normalizer-argument"
_ESCAPE = re.compile(r"\\.?", re.DOTALL)
_MENDS = (
    (r"`[*+?{].*` by itself|`[]}]` by itself", "write a backslash before a character that stands for itself"),
    (r"a group with `\(\?", "write `(…)` or `(?:…)`: no engine's flags, names or looks ahead are those of all others; "
     "for letters of any case write `[aA]`, or put `lower` before"),
    (r"`\\b`", r"write what stands there, as in `(^|[^0-9A-Za-z_])word`, and name the group in the replacement: `\1`"),
    (r"`\\[0-9]", "name groups in the replacement only: not every engine finds again what a group has matched"),
    (r"`\[` in brackets", r"write `\[`, or a set such as `[:digit:]` (alnum, alpha, digit, lower, upper)"),
    (r"after a quantifier", "repeat once: not every engine has possessive repetitions"),
    (r"without its pair", "close what is open, or write a backslash before what stands for itself"),
    (r"`\\", r"escapes are `\d \s \w \D \S \W \t \n \r \f`, and a backslash before a sign that stands for itself"),
)  # fmt: skip
_COMMON = "write what all engines have in common: characters, `[a-z]`, `.`, groups, `|`, `^`, `$`, `* + ? {2,3}`"


def replaced(value: str, pattern: str, replacement: str, dialect: Dialect) -> str:
    r"""The SQL of `value` with every match replaced; `\1` to `\9` in the replacement name groups.

    Raises UsageError for what does not mean the same on every engine.
    """
    try:
        tree = parse(pattern)
    except PatternError as error:
        mend = next((mend for words, mend in _MENDS if re.search(words, error.words)), _COMMON)
        raise UsageError(
            f"the pattern `{pattern}` has {error.words} at its character {error.at + 1}", code=_CODE, help=mend
        ) from None
    named = _named(replacement, sum(isinstance(n, Group) and n.number > 0 for n in nodes(tree)))
    if found := fault(tree, named):
        raise UsageError(f"the pattern `{pattern}` {found.words}", code=_CODE, help=found.mend)
    pattern, new = text(write(tree, dialect.pattern_edges), dialect), text(replacement, dialect)
    if "replacement" in dialect.functions and (dollars := _dollars(replacement)) != replacement:
        new = dialect.function("replacement", new, text(dollars, dialect))
    return dialect.function("regex_replace", value, pattern, new)


def _named(replacement: str, groups: int) -> frozenset[int]:
    """The groups that a replacement names: of the pattern, and a doubled backslash for one."""
    known = {"\\\\", *(f"\\{number}" for number in range(1, min(groups, 9) + 1))}
    found = _ESCAPE.findall(replacement)
    for escape in found:
        if escape not in known:
            having = f"the pattern has {groups or 'no'} group{'s' * (groups != 1)}"
            raise UsageError(
                f"`{escape}` in the replacement `{replacement}` names nothing: {having}",
                code=_CODE,
                help=r"write `\1` to `\9` for a group of the pattern, `\\` for a backslash",
            )
    return frozenset(int(escape[1]) for escape in found if escape != "\\\\")


def _dollars(replacement: str) -> str:
    r"""The replacement where `$1` names a group, and a backslash takes the next character as it is."""

    def code(found: re.Match[str]) -> str:
        group, digit = found[1], found[2] or ""
        return (r"\\" if group == "\\" else f"${group}" if group else r"\$") + (f"\\{digit}" if digit else "")

    return re.sub(r"\\(.)([0-9]?)|\$", code, replacement)
