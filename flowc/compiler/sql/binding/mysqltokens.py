"""Words that MySQL and MariaDB do not read so, found in the text: what a tree no longer tells apart."""

from __future__ import annotations

import re
from collections.abc import Iterator

from sqlglot.dialects.dialect import Dialect
from sqlglot.tokens import Token, TokenType

from flowc.compiler.sql.binding import literals
from flowc.compiler.sql.binding.frame import Judge
from flowc.compiler.sql.binding.mysqlcatalog import reserved
from flowc.compiler.sql.text.sqltext import SqlTree

_CAST_TO = {
    "text": "CHAR", "string": "CHAR", "bigint": "SIGNED", "smallint": "SIGNED", "tinyint": "SIGNED", "int4": "SIGNED",
    "int8": "SIGNED", "boolean": "UNSIGNED", "bool": "UNSIGNED", "timestamp": "DATETIME", "timestamptz": "DATETIME",
    "numeric": "DECIMAL(20, 4)", "blob": "BINARY", "bytea": "BINARY", "jsonb": "CHAR", "longtext": "CHAR",
    "mediumtext": "CHAR", "float8": "DOUBLE", "float4": "FLOAT",
}  # fmt: skip
"""Types of columns that CAST does not take, and what it takes instead."""
_UNITS = frozenset(
    re.findall(
        r"\w+",
        "microsecond second minute hour day week month quarter year second_microsecond minute_microsecond"
        " minute_second"
        " hour_microsecond hour_second hour_minute day_microsecond day_second day_minute day_hour year_month",
    )
)
_TOGETHER = frozenset(
    re.findall(
        r"\w+",
        "adddate bit_and bit_or bit_xor cast count curdate curtime date_add date_sub extract group_concat max"
        " mid min now"
        " position session_user std stddev stddev_pop stddev_samp subdate substr substring sum sysdate"
        " system_user trim"
        " variance var_pop var_samp",
    )
)
"""Functions whose parenthesis follows at once; with a space between, they are names of stored functions."""
_LITERALS = ("date", "timestamp")
_QUOTED = (TokenType.IDENTIFIER, TokenType.STRING)
_VALUES = frozenset(
    re.findall(
        r"\w+",
        "current_date current_time current_timestamp current_user localtime localtimestamp utc_date utc_time"
        " utc_timestamp"
        " true false null default values",
    )
)


def check_words(judge: Judge, parsed: SqlTree) -> None:
    """Reports what can be told by neighbouring words alone."""
    tokens = list(Dialect.get_or_raise(parsed.dialect).tokenize(parsed.text.text))
    for index, what in _found(tokens):
        token, (message, *helps) = tokens[index], what
        span = parsed.text.span(token.start, token.end + 1)
        judge.reporter.error("sql-syntax", message, span, helps=helps)


def _found(tokens: list[Token]) -> Iterator[tuple[int, tuple[str, ...]]]:
    casts: list[bool] = []
    for index, token in enumerate(tokens):
        before = tokens[index - 1] if index else None
        following = tokens[index + 1] if index + 1 < len(tokens) else None
        if token.token_type is TokenType.L_PAREN:
            casts.append(before is not None and before.text.lower() == "cast")
        elif token.token_type is TokenType.R_PAREN and casts:
            casts.pop()
        elif token.token_type is TokenType.DCOLON:
            yield index, ("MySQL has no `::`", "write `CAST(… AS …)`")
        elif following is not None:
            yield from ((index, what) for what in _pair(tokens, index, casts[-1] if casts else False))


def _pair(tokens: list[Token], index: int, in_cast: bool) -> Iterator[tuple[str, ...]]:
    """What is wrong with a word and the next one."""
    token, following = tokens[index], tokens[index + 1]
    if token.token_type in _QUOTED:
        return
    word, next_word = token.text.lower(), following.text.lower()
    opens = following.token_type is TokenType.L_PAREN
    if word in _TOGETHER and opens and following.start > token.end + 1:
        yield (
            f"`{token.text} (` calls a stored function: no space may be before the parenthesis",
            f"write `{token.text}(`",
        )
    elif word == "as" and in_cast and next_word in _CAST_TO and following.token_type not in _QUOTED:
        yield f"MySQL's CAST makes no `{following.text}`", f"write `CAST(… AS {_CAST_TO[next_word]})`"
    elif word == "as" and not in_cast and next_word in reserved() and following.token_type not in _QUOTED:
        yield f"`{following.text}` is a word of SQL, not a name", f"write it in quotes: `` `{following.text}` ``"
    elif word == "nulls" and next_word in ("first", "last"):
        yield f"MySQL has no `NULLS {next_word.upper()}`", "order by `x IS NULL, x`"
    elif word == "interval" and following.token_type is TokenType.STRING:
        unit = tokens[index + 2].text.lower() if index + 2 < len(tokens) else ""
        if unit not in _UNITS:
            yield "an interval of MySQL has its unit behind the number", "write `INTERVAL 1 DAY`"
    elif word in _LITERALS and following.token_type is TokenType.STRING and literals.no_day(following.text):
        yield (f"`'{following.text}'` is no {word}",)
    elif word == "full" and next_word in ("outer", "join"):
        yield "MySQL has no FULL JOIN", "unite a LEFT JOIN and a RIGHT JOIN by UNION"
    elif word == "limit" and next_word == "all":
        yield "MySQL has no `LIMIT ALL`", "leave it out"


def is_unit(name: str) -> bool:
    """Whether a word is a unit of times."""
    return name.lower() in _UNITS


def is_reserved(name: str) -> bool:
    """Whether a word names no column unless it is quoted."""
    return name.lower() in reserved() and name.lower() not in _VALUES
