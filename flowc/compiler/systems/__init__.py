"""What systems say of themselves in the files of their rooms, of which `flowc.systems` has the table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import TypeVar, cast

from flowc.systems import module_of, systems_with

Value = TypeVar("Value")


class Rooms(Mapping[str, Value]):
    """What each system says of itself in one file of its room. A file is imported when its value is asked for."""

    def __init__(self, file: str, name: str) -> None:
        self._file, self._name = file, name
        self._loaded: dict[str, Value] = {}

    def __getitem__(self, kind: str) -> Value:
        if kind not in self._loaded:
            module = module_of(kind, "compiler", self._file)
            if module is None:
                raise KeyError(kind)
            self._loaded[kind] = cast(Value, getattr(import_module(module), self._name))
        return self._loaded[kind]

    def __contains__(self, kind: object) -> bool:
        return isinstance(kind, str) and module_of(kind, "compiler", self._file) is not None

    def __iter__(self) -> Iterator[str]:
        return systems_with("compiler", self._file)

    def __len__(self) -> int:
        return sum(1 for _ in self)
