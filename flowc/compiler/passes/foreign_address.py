"""`unusable-option`: a connection whose `url` is the address of another kind of system."""

from __future__ import annotations

import re

from flowc.compiler.checked import CheckedSpec
from flowc.compiler.front.connections import schemes
from flowc.compiler.front.kinds import address, is_file
from flowc.compiler.ir import Ir
from flowc.diagnostics import Reporter

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9]*)(?:\+[a-z0-9]+)?:(//)?")


def foreign_address(checked: CheckedSpec, _ir: Ir | None, reporter: Reporter) -> None:
    """Reports `kind: sqlite` with `url: postgres://…`; a `url` that begins with a reference may be any."""
    for connection in checked.project.connections.values():
        kind, url = connection.kind.value, connection.options.get("url")
        if kind not in schemes().values() or not isinstance(url, str) or url.startswith("${"):
            continue
        match = _SCHEME.match(url)
        other = schemes().get(match[1].lower()) if match else None
        if other == kind or other in address(kind).of or not (is_file(kind) or (match and match[2])):
            continue
        what = f"an address of {other}, and its kind is" if other else "no address of"
        message = f"`url` of connection `{connection.name.value}` is {what} `{kind}`"
        helps = (f"write `kind: {other}`, or a `url` of {kind}",) if other else (f"begin it with `{_first(kind)}`",)
        reporter.error("unusable-option", message, connection.spans["url"], helps=helps)


def _first(kind: str) -> str:
    """What addresses of a kind begin with."""
    scheme = address(kind).schemes[0]
    return f"{scheme}:///" if is_file(kind) else f"{scheme}://"
