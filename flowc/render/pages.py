"""The pages of diagnostics: what `flowc explain` prints and what SARIF tells about rules."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from flowc.render.style import Style
from flowc.resources import root

_SEVERITY = re.compile(r"^Severity: .*\b(?:warning|info)$", re.MULTILINE)
_HEADING = re.compile(r"^#+ ")


@dataclass(frozen=True, slots=True)
class Page:
    """The page of one code: its first paragraph and its whole Markdown."""

    code: str
    summary: str
    text: str
    is_error: bool
    """Whether it is always one; without, it may be a warning, or less."""


@cache
def codes() -> tuple[str, ...]:
    """The codes that have a page, sorted."""
    return tuple(sorted(path.stem for path in (root("docs") / "diagnostics").glob("*.md")))


def page(code: str) -> Page | None:
    """The page of `code`, or None. A code that could name another file has none."""
    if code not in codes():
        return None
    text = (root("docs") / "diagnostics" / f"{code}.md").read_text(encoding="utf-8")
    paragraphs = [part.strip() for part in text.split("\n\n")]
    first = next((p for p in paragraphs if p and not p.startswith("#")), "")
    return Page(code, " ".join(first.split()), text, _SEVERITY.search(text) is None)


def explain(page: Page, style: Style) -> str:
    """A page for a terminal: headings and code stand out, fences are gone."""
    lines: list[str] = []
    fenced = False
    for line in page.text.rstrip().splitlines():
        if line.startswith("```"):
            fenced = not fenced
            continue
        if fenced:
            lines.append(f"    {style.paint('dim', line)}".rstrip())
        elif _HEADING.match(line):
            lines.append(style.paint("bold", _HEADING.sub("", line)))
        else:
            lines.append(line)
    return "\n".join(lines)
