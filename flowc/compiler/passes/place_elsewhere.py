"""`not-runnable-yet` and `unusable-option`: a connection whose files are not on this machine."""

from __future__ import annotations

from flowc.compiler.checked import CheckedSpec
from flowc.compiler.front.kinds import is_file
from flowc.compiler.front.spec import ConnectionSpec
from flowc.compiler.ir import Ir
from flowc.diagnostics import Reporter
from flowc.errors import UsageError
from flowc.locations import PATH_OPTIONS, local_path, url_path


def place_elsewhere(checked: CheckedSpec, _ir: Ir | None, reporter: Reporter) -> None:
    """Reports `uri: s3://…` and `path: md:…`; what begins with a reference is judged when it is opened."""
    for connection in checked.project.connections.values():
        for option in sorted(connection.options.keys() & {*PATH_OPTIONS, "url"}):
            try:
                _require_local(connection, option)
            except UsageError as error:
                helps = (error.help,) if error.help else ()
                reporter.error(error.code, error.message, connection.spans[option], helps=helps)


def _require_local(connection: ConnectionSpec, option: str) -> None:
    value: object = connection.options[option]
    what = f"`{option}` of connection `{connection.name.value}`"
    if option == "url":
        value = url_path(str(value), what) if is_file(connection.kind.value) else None
    if isinstance(value, str):
        local_path(value, what)
