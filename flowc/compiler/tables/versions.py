"""Tables that keep versions of keys: what may be unique in them."""

from __future__ import annotations

from collections.abc import Iterable

_REPEATED = ("is_current", "row_hash")
"""What two versions of a key may agree in, of the columns that scd2 keeps."""


def single_version(columns: Iterable[str], keys: Iterable[str]) -> bool:
    """Whether columns that are unique together keep a key from having versions, which may agree in all of them."""
    return set(columns) <= {*keys, *_REPEATED}
