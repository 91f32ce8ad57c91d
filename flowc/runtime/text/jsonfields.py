"""Fields of JSON objects, cut out as the very texts that stand there, whatever their names are."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from operator import attrgetter, itemgetter
from typing import Any

import msgspec

NULL = msgspec.Raw(b"null")
"""What an absent field is."""
UNSPELLABLE = re.compile(r'["\\\x00-\x1f]')
"""In a name that JSON writes with an escape: the library takes it for the name of no field."""
_ITEMS = msgspec.json.Decoder(list[msgspec.Raw] | None)
_ANY = msgspec.json.Decoder(dict[str, msgspec.Raw])


class Cutter:
    """Cuts some fields out of objects: each as a `msgspec.Raw`, those of `lists` as a list of them, or None for null.

    With `exact`, a field of another name is an error. What it makes of an object can be written as JSON again.
    """

    def __init__(self, names: Sequence[str], lists: frozenset[str] = frozenset(), *, exact: bool = False) -> None:
        self.column: Callable[[int], Callable[[Any], Any]]
        """What gives the field of that number of an object that was cut."""
        self._keep: Callable[[Mapping[str, msgspec.Raw]], Any] | None = None
        if any(map(UNSPELLABLE.search, names)):
            self._keep = partial(_kept, names, lists, exact=exact)
            self.column = lambda number: itemgetter(names[number])
        else:
            self.column = lambda number: attrgetter(f"f{number}")
            self._decoder = _decoder(names, lists, exact=exact)

    def one(self, text: bytes) -> Any:
        """An object, cut. Raises msgspec.DecodeError for a text that is none."""
        return self._decoder.decode(text) if self._keep is None else self._keep(_ANY.decode(text))

    def lines(self, lines: bytes) -> list[Any]:
        """The objects of lines, cut. Raises msgspec.DecodeError for a line that is none."""
        if self._keep is None:
            found: list[Any] = self._decoder.decode_lines(lines)
            return found
        return [self._keep(row) for row in _ANY.decode_lines(lines)]

    def texts(self, rows: Iterable[Any], number: int) -> list[bytes]:
        """The texts of one field, which is no list."""
        return list(map(bytes, map(self.column(number), rows)))


def _decoder(names: Sequence[str], lists: frozenset[str], *, exact: bool) -> Any:
    fields: list[tuple[str, Any, Any]] = [
        (f"f{i}", list[msgspec.Raw] | None, None) if name in lists else (f"f{i}", msgspec.Raw, NULL)
        for i, name in enumerate(names)
    ]
    rename = {f"f{i}": name for i, name in enumerate(names)}
    return msgspec.json.Decoder(msgspec.defstruct("Row", fields, rename=rename, forbid_unknown_fields=exact, gc=False))


def _kept(names: Sequence[str], lists: frozenset[str], row: Mapping[str, msgspec.Raw], *, exact: bool) -> Any:
    strange = row.keys() - set(names) if exact else ()
    if strange:
        raise msgspec.ValidationError(f"Object contains unknown field `{min(strange)}`")
    return {name: _ITEMS.decode(row.get(name, NULL)) if name in lists else row.get(name, NULL) for name in names}
