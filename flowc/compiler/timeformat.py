"""strptime formats in the letters of engines, and the texts that they can read."""

from __future__ import annotations

import re
from collections.abc import Mapping

from flowc.errors import UsageError

READABLE: Mapping[str, str] = {
    "%Y": "[0-9]{4}", "%y": "[0-9]{2}",
    "%m": "(0?[1-9]|1[0-2])", "%d": "(0?[1-9]|[12][0-9]|3[01])",
    "%H": "([01]?[0-9]|2[0-3])", "%I": "(0?[1-9]|1[0-2])", "%M": "[0-5]?[0-9]", "%S": "[0-5]?[0-9]",
    "%f": "[0-9]{1,6}", "%p": "[AaPp][Mm]", "%z": "[+-][0-9]{2}:?[0-9]{2}", "%j": "[0-9]{1,3}",
    "%b": "[A-Za-z]{3}", "%B": "[A-Za-z]+", "%a": "[A-Za-z]{3}", "%A": "[A-Za-z]+", "%%": "%",
}  # fmt: skip
"""A regular expression for each directive that flowc understands."""

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
    return "^" + "".join(READABLE.get(p) or re.sub(r"([^A-Za-z0-9 ])", r"\\\1", p) for p in pieces(template)) + "$"


def zoned(template: str) -> bool:
    """Whether the format reads an offset from UTC."""
    return "%z" in pieces(template)
