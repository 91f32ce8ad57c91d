"""What a project says of its run log and of how many runs go on at a time."""

from __future__ import annotations

from collections.abc import Iterator

from flowc.compiler.front.kinds import STATE, able, can, is_file
from flowc.compiler.front.spec import ConnectionSpec, Name
from flowc.compiler.names.lookup import Lookup


def check_run_log(lookup: Lookup) -> None:
    """Reports connections that are not there, one that cannot hold a run log, and runs that are kept for no time."""
    for limited, _ in lookup.project.concurrency.connections:
        lookup.connection(limited)
    keep = lookup.project.run_log.keep
    if keep is not None and keep.value <= 0:
        helps = ("write how long runs are kept: `keep: 30d`, or leave it out: then it is `90d`",)
        lookup.reporter.error("bad-value", "`keep` of `run_log` is no time at all", keep.span, helps=helps)
    name = lookup.project.run_log.connection
    connection = lookup.connection(name) if name is not None else None
    if name is None or connection is None:
        return
    if not can(connection.kind.value, STATE):
        kinds = ", ".join(f"`{kind}`" for kind in able(STATE))
        message = f"`{name.value}`, a connection of kind `{connection.kind.value}`, cannot hold a run log"
        lookup.reporter.error("unsupported-target", message, name.span, helps=(f"possible kinds: {kinds}",))
    elif is_file(connection.kind.value):
        _check_file(name, connection, lookup)


def _check_file(name: Name, connection: ConnectionSpec, lookup: Lookup) -> None:
    """Reports a file that pipelines load into: a load keeps everybody else out of it, signs of life too."""
    own, known = lookup.database(connection), lookup.project.connections
    written = next((name for name, to in _targets(lookup) if to in known and lookup.database(known[to]) == own), None)
    if written is not None:
        message = f"pipeline `{written}` loads into the file of `{name.value}`, which keeps the run log waiting"
        helps = ("give the run log a file of its own, or leave `run_log` out: then it is `.flowc/runs.sqlite`",)
        lookup.reporter.error("unsupported-target", message, name.span, helps=helps)


def _targets(lookup: Lookup) -> Iterator[tuple[str, str]]:
    """Pipelines, each with the connections that it writes."""
    for pipeline in lookup.project.pipelines.values():
        for target in pipeline.to:
            table = lookup.project.tables.get(target.table.value) if target.table is not None else None
            written = target.connection or (table.connection if table is not None else None)
            if written is not None:
                yield pipeline.name.value, written.value
