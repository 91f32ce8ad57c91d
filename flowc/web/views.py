"""Templates, and the words in which they show values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from jinja2.filters import do_truncate
from markupsafe import Markup

from flowc.durations import micros_text
from flowc.web.guard import Role

_FOLDER = Path(__file__).parent
_CUT = 2000
"""Characters of a message that are shown."""
_AGES = ((86400, "d"), (3600, "h"), (60, "min"))
STATIC = {
    path.name: (path.read_bytes(), kind)
    for path in sorted((_FOLDER / "static").iterdir())
    if (kind := {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}.get(path.suffix))
}
"""What pages load, by name, in memory: no path of a request ever becomes that of a file."""


def templates(redact: Callable[[str], str]) -> Environment:
    """The templates: every value is escaped, and its secrets are masked before that."""

    def masked(value: object) -> object:
        return redact(value) if isinstance(value, str) and not isinstance(value, Markup) else value

    def cut(value: str) -> str:
        return do_truncate(
            environment, redact(value), _CUT
        )  # in this order, or half of a secret is left that nobody knows

    def cut_hex(value: str) -> str:
        text = bytes.fromhex(value).decode(errors="surrogateescape")
        return do_truncate(environment, redact(text).encode(errors="surrogateescape").hex(), _CUT)

    environment = Environment(
        loader=FileSystemLoader(_FOLDER / "templates"), autoescape=True, undefined=StrictUndefined, finalize=masked,
        trim_blocks=True, lstrip_blocks=True, auto_reload=False,
    )  # fmt: skip
    environment.filters |= {
        "at": at,
        "ago": ago,
        "seconds": seconds,
        "number": number,
        "ms": milliseconds,
        "micros": micros,
    }
    environment.filters |= {"cut": cut, "cut_hex": cut_hex}
    environment.globals |= {"Role": Role}
    return environment


def at(value: datetime | None) -> Markup | str:
    """An instant, in UTC."""
    if value is None:
        return "-"
    written = value.astimezone(UTC)
    return Markup('<time datetime="{}">{}</time>').format(
        written.isoformat(), f"{written:%Y-%m-%d %H:%M:%S}Z"
    )  # fmt: skip


def ago(value: datetime | None) -> str:
    """How long ago something was, or in which time it will be."""
    if value is None:
        return ""
    away = (datetime.now(UTC) - value).total_seconds()
    span = _span(abs(away))
    return f"{span} ago" if away >= 0 else f"in {span}"


def _span(size: float) -> str:
    whole, unit = next(((size // span, unit) for span, unit in _AGES if size >= span), (size, "s"))
    return f"{whole:.0f} {unit}"


def seconds(value: float | None) -> str:
    """How long something took."""
    return "-" if value is None else f"{value:.1f} s"


def milliseconds(value: float | None) -> str:
    """The upper bound of a short time."""
    return "-" if value is None else f"≤ {value * 1000:g} ms"


def number(value: Any) -> str:
    """A number as people read it."""
    return "-" if value is None else f"{value:,}" if isinstance(value, int | float) else str(value)


def micros(value: int | None) -> str:
    """Microseconds since 1970, as an instant."""
    return "-" if value is None else micros_text(value)


Values = Mapping[str, Any]
