"""strptime formats in the letters of engines, and the texts that they can read."""

from __future__ import annotations

import re
from collections.abc import Mapping

from flowc.errors import UsageError

_MONTHS = "January February March April May June July August September October November December"
_DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday"


def _any_case(words: str, letters: int | None = None) -> str:
    """A pattern for one of the words, or their first letters, in any case."""
    cut = (word[:letters] for word in words.split())
    return "(" + "|".join("".join(f"[{c.upper()}{c.lower()}]" for c in word) for word in cut) + ")"


READABLE: Mapping[str, str] = {
    "%Y": "([1-9][0-9]{3}|0[1-9][0-9]{2}|00[1-9][0-9]|000[1-9])", "%y": "[0-9]{2}",
    "%m": "(0?[1-9]|1[0-2])", "%d": "(0?[1-9]|[12][0-9]|3[01])",
    "%H": "([01]?[0-9]|2[0-3])", "%I": "(0?[1-9]|1[0-2])", "%M": "[0-5]?[0-9]", "%S": "[0-5]?[0-9]",
    "%f": "[0-9]{1,6}", "%p": "[AaPp][Mm]", "%z": "(Z|[+-](0[0-9]|1[0-5]):?[0-5][0-9])",
    "%j": "(00[1-9]|0?[1-9][0-9]|[1-9]|[12][0-9]{2}|3[0-5][0-9]|36[0-6])",
    "%b": _any_case(_MONTHS, 3), "%B": _any_case(_MONTHS), "%a": _any_case(_DAYS, 3), "%A": _any_case(_DAYS), "%%": "%",
}  # fmt: skip
"""A regular expression for each directive that flowc understands; the offset Z is UTC, and no year is 0000."""


def _month(words: str, number: str) -> Mapping[str, str]:
    """A month in each of its forms."""
    return {"%m": number, "%b": _any_case(words, 3), "%B": _any_case(words)}


_FEBRUARY = _month("February", "0?2")
_LEAP = "(0[48]|[2468][048]|[13579][26])"
_COMMON = {"%Y": f"(?![0-9][0-9]{_LEAP}|([02468][048]|[13579][26])00)[0-9]{{4}}", "%y": f"(?!00|{_LEAP})[0-9]{{2}}"}
_IMPOSSIBLE: tuple[Mapping[str, str], ...] = (
    {"%d": "31", **_month("April June September November", "(0?[469]|11)")},
    {"%d": "3[01]", **_FEBRUARY},
    {"%d": "29", **_FEBRUARY, **_COMMON},
    {"%j": "366", **_COMMON},
)
"""What days that no calendar has look like."""

_DIRECTIVE = re.compile(r"%.|[^%]+")


def pieces(template: str) -> list[str]:
    """The directives and the texts between them.

    Raises UsageError for a directive that flowc cannot carry to every engine.
    """
    found = _DIRECTIVE.findall(template)
    if "".join(found) != template or (unknown := [p for p in found if p[0] == "%" and p not in READABLE]):
        wrong = "%" if "".join(found) != template else unknown[0]
        known = " ".join(READABLE)
        raise UsageError(
            f"`{wrong}` in the format `{template}` is not a directive flowc knows",
            code="unknown-time-format",
            help=f"known directives: {known}",
        )
    return found


def pattern(template: str) -> str:
    """A regular expression (POSIX and Python alike) for texts in that format."""
    return _pattern(template, {})


def _pattern(template: str, narrow: Mapping[str, str]) -> str:
    """That of the texts whose directives read what `narrow` says."""
    known = {**READABLE, **narrow}
    return "^" + "".join(known.get(p) or re.sub(r"([^A-Za-z0-9 ])", r"\\\1", p) for p in pieces(template)) + "$"


def impossible(template: str) -> str | None:
    """The pattern of texts in that format whose day is not in any calendar, as 31 April; None where none can be.

    It looks ahead, as PostgreSQL's expressions can.
    """
    parts = pieces(template)
    found = [_pattern(template, narrow) for narrow in _IMPOSSIBLE if all(p in parts for p in _needed(narrow, parts))]
    return "|".join(found) or None


def _needed(narrow: Mapping[str, str], parts: list[str]) -> list[str]:
    """What a format must read to be wrong so: a day, a month in one of its forms, and a year where it matters."""
    groups = (("%d", "%j"), ("%m", "%b", "%B"), ("%Y", "%y"))
    asked = [[d for d in group if d in narrow] for group in groups]
    return [next((d for d in group if d in parts), group[0]) for group in asked if group]


def pivot(template: str) -> str | None:
    """The pattern of texts whose `%y` is 69, which POSIX reads as 1969 and PostgreSQL as 2069; None without `%y`."""
    parts = pieces(template)
    return pattern("".join("69" if p == "%y" else p for p in parts)) if "%y" in parts else None


def zoned(template: str) -> bool:
    """Whether the format reads an offset from UTC."""
    return "%z" in pieces(template)
