"""Failures of the world, and flowc's own bugs, as text."""

from __future__ import annotations

import platform

from flowc import __version__
from flowc.controls import shortened
from flowc.errors import LONGEST, MOST_DETAILS, FlowcError
from flowc.render.style import Style, printable, printable_lines


def failure(error: FlowcError, style: Style, *, prefix: str = "") -> str:
    """`error[code]: message`, its details indented, and the help."""
    first, *rest = printable_lines(shortened(style.conceal(error.message), LONGEST)) or [""]
    lines = [style.paint("error", f"error[{error.code}]") + style.paint("bold", f": {printable(prefix)}{first}")]
    lines.extend(f"  {line}" for line in rest)
    for detail in error.details[:MOST_DETAILS]:
        lines.extend(f"  {line}" for line in printable_lines(shortened(style.conceal(detail), LONGEST)))
    if error.help:
        first, *rest = printable_lines(error.help)
        lines.append("\n      ".join([f"{style.paint('help', 'help')}: {first}", *rest]))
    return "\n".join(lines)


def error_object(error: FlowcError | None) -> dict[str, object] | None:
    """The JSON object of a failure."""
    if error is None:
        return None
    return {"code": error.code, "message": error.message, "help": error.help, "details": list(error.details)}


def bug(error: BaseException, command: str, style: Style) -> str:
    """What to show when flowc itself failed: short, with what a report needs."""
    message = printable(str(error))[:300]
    head = style.paint("error", "error[internal]") + style.paint("bold", ": flowc failed, and the fault is its own")
    return "\n".join(
        (
            head,
            f"  {type(error).__name__}: {message}" if message else f"  {type(error).__name__}",
            f"  flowc {__version__}, Python {platform.python_version()}, {platform.system()}, command `{command}`",
            f"{style.paint('help', 'help')}: run it again with `flowc --debug {command}` and report what it prints",
        )
    )
