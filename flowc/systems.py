"""The systems that flowc knows, each with the files of its two rooms.

The compiler's room of a system is `flowc/compiler/systems/<kind>/`:

- `dialect` has `DIALECT`, the record of what the engine's SQL has.
- `rewrite` has `ENGINE`, the rules by which other dialects are translated into its own.
- `changes` has `ENGINE` and `FACTS`: how its tables are changed, and what each statement does to others.
- `target` has `plan_target`, and `plan_letters` where it takes dead letters, if streams write other than tables.

The runtime's room is `flowc/runtime/systems/<kind>/`:

- `session` has `SESSION`, the class of its sessions, and `limits` has `limits`: a database.
- `source` has `open_source` and `reach`: what streams read.
- `target` has `open_target`: what streams write in another way than by the SQL of a database.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

Layer = Literal["compiler", "runtime"]


@dataclass(frozen=True, slots=True)
class System:
    """What is known of a system before its modules are imported."""

    compiler: tuple[str, ...] = ()
    """The files of the compiler's room that are found by the kind of the system."""
    runtime: tuple[str, ...] = ()
    """Those of the runtime's room."""
    plain_backslash: bool = True
    """A backslash in a text literal is a backslash; else a mode of the session decides."""
    instants: tuple[int, int] | None = None
    """The first and the last instant, in microseconds since 1970 UTC, that every server of the kind keeps in a
    `timestamptz`; None for those of the years 1 to 9999."""
    package: str = ""
    """The package that holds both rooms, where flowc does not: `<package>.compiler` and `<package>.runtime`."""

    def files(self, layer: Layer) -> tuple[str, ...]:
        """The files of its room in a layer."""
        return self.compiler if layer == "compiler" else self.runtime


_DATABASE, _LIMITED = ("dialect", "rewrite", "changes"), ("session", "limits")
SYSTEMS: Mapping[str, System] = {
    "duckdb": System(_DATABASE, _LIMITED),
    "mysql": System(_DATABASE, _LIMITED, plain_backslash=False, instants=(10**6, (2**31 - 1) * 10**6)),
    "delta": System(("dialect", "changes"), ("session", "limits", "target")),  # SQL for it runs in a DuckDB
    "postgres": System(_DATABASE, _LIMITED),
    "sqlite": System(_DATABASE, _LIMITED),
    "files": System(("target",), ("source", "target")),
    "kafka": System(("target",), ("source", "target")),
    "datafusion": System(("dialect", "rewrite")),  # it stores nothing
}
"""The systems by the kind of connection, or by the name of the engine."""


def systems_with(layer: Layer, file: str) -> Iterator[str]:
    """The kinds of the systems whose room in a layer has a file."""
    return (kind for kind, system in SYSTEMS.items() if file in system.files(layer))


def module_of(kind: str, layer: Layer, file: str) -> str | None:
    """The name of the module that a system has for something; None where it has none."""
    system = SYSTEMS.get(kind, System())
    if file not in system.files(layer):
        return None
    room = f"{system.package}.{layer}" if system.package else f"flowc.{layer}.systems.{kind}"
    return f"{room}.{file}"
