"""`flowc explain`: the page of a code."""

from __future__ import annotations

import re
import sys

import click

from flowc.cli.console import out, style_for
from flowc.diagnostics import did_you_mean
from flowc.errors import UsageError
from flowc.render.pages import codes, explain, page
from flowc.render.tables import table

_HEADLINE = re.compile(r"(?:error|warning|info)\[(.*)\]")
"""A code as a message shows it."""


@click.command()
@click.argument("code", required=False)
def command(code: str | None) -> None:
    """Explain the code of a diagnostic.

    Says what CODE means, with an example and the fix. Without CODE, lists all codes.
    """
    if code is None:
        out(_all())
        return
    code = _HEADLINE.sub(r"\1", code.strip())
    found = page(code)
    if found is None:
        helps = did_you_mean(code, codes()) or ("list all codes with `flowc explain`",)
        raise UsageError(f"there is no code `{code}`", code="unknown-code", help=helps[0])
    out(explain(found, style_for(sys.stdout)))


def _all() -> str:
    rows = [(code, _first_sentence(found.summary)) for code in codes() if (found := page(code))]
    return table(("code", "meaning"), rows, style_for(sys.stdout))


def _first_sentence(text: str) -> str:
    return text.split(". ")[0].rstrip(".")
