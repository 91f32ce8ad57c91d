"""Small drawings of numbers over time, as SVG: no script, and words for those who do not see them."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from flowc.service.runs.records import RunRecord

_WIDTH, _HEIGHT, _BAR = 120, 24, 5


def line(values: Sequence[float | None], label: str) -> str:
    """A line; where a value is None it has a gap. Empty where there are not two values."""
    known = [value for value in values if value is not None]
    if len(known) < 2:
        return ""
    top = max(known) or 1.0
    step = _WIDTH / (len(values) - 1)
    parts, pen = list[str](), "M"
    for i, value in enumerate(values):
        if value is None:
            pen = "M"
            continue
        parts.append(f"{pen}{i * step:.1f} {_HEIGHT - 2 - value / top * (_HEIGHT - 4):.1f}")
        pen = "L"
    return _svg(f'<path d="{" ".join(parts)}"/>', _WIDTH, label)


def bars(runs: Sequence[RunRecord]) -> str:
    """A bar for each run, the newest at the right: as high as it took long, in the colour of its status."""
    shown = [run for run in reversed(runs) if run.seconds is not None]
    if not shown:
        return ""
    top = max(run.seconds or 0.0 for run in shown) or 1.0
    drawn = "".join(_bar(i, run, top) for i, run in enumerate(shown))
    bad = sum(run.status != "ok" for run in shown)
    label = f"the last {len(shown)} runs: {bad} not ok, at most {top:.1f} s"
    return _svg(drawn, len(shown) * (_BAR + 1), label)


def _bar(i: int, run: RunRecord, top: float) -> str:
    height = max(2.0, (run.seconds or 0.0) / top * (_HEIGHT - 2))
    place = f'x="{i * (_BAR + 1)}" y="{_HEIGHT - height:.1f}" width="{_BAR}" height="{height:.1f}"'
    return f'<rect class="{escape(run.status)}" {place}/>'


def _svg(drawn: str, width: float, text: str) -> str:
    size = f'width="{width:.0f}" height="{_HEIGHT}" viewBox="0 0 {width:.0f} {_HEIGHT}"'
    label = escape(text)
    return f'<svg class="spark" {size} role="img" aria-label="{label}"><title>{label}</title>{drawn}</svg>'
