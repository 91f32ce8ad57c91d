"""What a file is by its first bytes, where its name or its `format` says something else."""

from __future__ import annotations

import re

from flowc.runtime.contracts.store import File

_ENDS = {"gzip": ".gz", "bz2": ".bz2", "xz": ".xz", "zstd": ".zst"}
_COMPRESSED = {
    "gzip": re.compile(rb"\x1f\x8b"),
    "bz2": re.compile(rb"BZh[1-9](1AY&SY|\x17rE8P\x90)"),
    "xz": re.compile(rb"\xfd7zXZ\x00"),
    "zstd": re.compile(rb"\x28\xb5\x2f\xfd|[\x50-\x5f]\x2a\x4d\x18"),
}
_LOOKS = {
    "Parquet": re.compile(rb"PAR1\x15"),  # with what its first header begins with, and no name of a column
    "Avro": re.compile(rb"Obj\x01"),
    "a zip archive, as spreadsheets are": re.compile(rb"PK\x03\x04"),
    "JSON": re.compile(rb"\s*[\[{]"),
}
_TEXTS = ("JSON",)
_HEAD = 64
_OLDER_XZ = b"\x5d\x00\x00"
"""How files of `lzma` begin, which is read as `xz`."""


def not_text(path: File, compressed: str | None) -> tuple[str, str] | None:
    """What is wrong with a file of texts, compressed as its name says, and the mend; None for one that may be some."""
    head = _head(path)
    found = _compressed(head)
    if found is not None and found != compressed:
        return f"this looks like {found}, and its name does not say so", f"give it a name that ends in `{_ENDS[found]}`"
    looks = None if found else _looks(head)
    if looks is not None and looks not in _TEXTS:
        help = "say `format: parquet`" if looks == "Parquet" else "write it as CSV, JSON or Parquet"
        return f"this looks like {looks}", help
    if compressed and head and not found and not (compressed == "xz" and head.startswith(_OLDER_XZ)):
        return f"its name says {compressed}, and it is none", f"give it a name without `{_ENDS[compressed]}`"
    return None


def not_parquet(path: File) -> tuple[str, str] | None:
    """The same of a file that is to be Parquet."""
    head = _head(path)
    if head.startswith(b"PAR1"):
        return None
    looks = _compressed(head) or _looks(head) or ("CSV" if _is_text(head) else None)
    said = f"this is no Parquet, and looks like {looks}" if looks else "this is no Parquet"
    mend = (
        "say which `format` it has" if looks in ("CSV", *_TEXTS) else "write it as Parquet, which is compressed inside"
    )
    return said, mend


def _head(path: File) -> bytes:
    with path.open("rb") as file:
        return file.read(_HEAD)


def _compressed(head: bytes) -> str | None:
    return next((name for name, begins in _COMPRESSED.items() if begins.match(head)), None)


def _looks(head: bytes) -> str | None:
    return next((name for name, begins in _LOOKS.items() if begins.match(head)), None)


def _is_text(head: bytes) -> bool:
    return bool(head) and not re.search(rb"[\x00-\x08\x0e-\x1f]", head)
