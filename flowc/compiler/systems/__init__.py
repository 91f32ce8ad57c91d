"""The systems of which the compiler knows more than a schema says, each in a room of the same file names.

- `dialect` has `DIALECT`, the record of what the engine's SQL has.
- `rewrite` has `ENGINE`, the rules by which other dialects are translated into its own.
- `changes` has `ENGINE` and `FACTS`: how its tables are changed, and what each statement does to others.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import TypeVar, cast

_ROOMS: Mapping[str, tuple[str, ...]] = {
    "postgres": ("dialect", "rewrite", "changes"),
    "duckdb": ("dialect", "rewrite", "changes"),
    "sqlite": ("dialect", "rewrite", "changes"),
    "mysql": ("dialect", "rewrite", "changes"),
    "delta": ("dialect", "changes"),  # SQL for it runs in a DuckDB
    "datafusion": ("dialect", "rewrite.rules"),  # it stores nothing
}
"""The files of each room, by the kind of connection or the name of the engine."""

Value = TypeVar("Value")


class Rooms(Mapping[str, Value]):
    """What each system says of itself in one file of its room. A file is imported when its value is asked for."""

    def __init__(self, file: str, name: str) -> None:
        self._name = name
        self._modules = {
            kind: f"{__name__}.{kind}.{module}"
            for kind, modules in _ROOMS.items()
            for module in modules
            if module.partition(".")[0] == file
        }
        self._loaded: dict[str, Value] = {}

    def __getitem__(self, kind: str) -> Value:
        if kind not in self._loaded:
            self._loaded[kind] = cast(Value, getattr(import_module(self._modules[kind]), self._name))
        return self._loaded[kind]

    def __contains__(self, kind: object) -> bool:
        return kind in self._modules

    def __iter__(self) -> Iterator[str]:
        return iter(self._modules)

    def __len__(self) -> int:
        return len(self._modules)
