"""Watermarks that are committed with the rows of a Delta table.

A commit can carry a number for each application, and nothing else that stays. So the watermark is written first, into
a file of its own that no one ever writes again, `_flowc/<load>/<n>.json` in the table's folder, and the commit carries
*n*. A file without its commit means nothing: what counts is the number in the log. Readers of Delta, and its VACUUM,
pass over folders that begin with `_`.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from flowc.errors import EngineError
from flowc.loadplan import kept_name

FOLDER = "_flowc"
COLUMNS = ("project", "pipeline_name", "target", "column_name", "value", "loaded_at")
_SCHEMA = pa.schema(
    [pa.field(name, pa.timestamp("us", "UTC") if name == "loaded_at" else pa.string()) for name in COLUMNS]
)
_FORGETS = "delta.setTransactionRetentionDuration"
TAKEN = 1 << 62
"""The number of a load that goes on under another name; no file has it.

If it comes back to its name, it goes on with greater ones."""
_KEPT = 8
"""Files before the current one that stay, for a reader that saw the log just before it moved."""


def application(row: Mapping[str, Any]) -> str:
    """The name under which a load's number stands in the log."""
    return f"flowc:{kept_name(row['project'], row['pipeline_name'])}:{row['target']}"


def committed(folder: Path, found: Any | None) -> pa.Table:
    """The watermarks that a table's log speaks of, in `COLUMNS`.

    Raises:
        EngineError: the file of one is missing or cannot be read.
    """
    rows = [] if found is None else [row for files in _loads(folder) if (row := _current(files, found))]
    return pa.Table.from_pylist(rows, schema=_SCHEMA)


def write(folder: Path, row: Mapping[str, Any], found: Any | None) -> tuple[str, int]:
    """Writes a watermark for a commit to come: the application and the number that the commit must carry.

    One whose value is None is forgotten.
    """
    name = application(row)
    files = folder / FOLDER / hashlib.sha256(name.encode()).hexdigest()[:24]
    files.mkdir(parents=True, exist_ok=True)
    number = (found.transaction_version(name) if found is not None else None) or 0
    content = json.dumps({**row, "loaded_at": row["loaded_at"].isoformat()}).encode()
    while True:
        number += 1
        with suppress(FileExistsError):
            _write_new(files / f"{number}.json", content)
            return name, number


def forget(folder: Path, name: str, number: int) -> None:
    """Removes files that the log has left behind, but for some of the newest."""
    files = folder / FOLDER / hashlib.sha256(name.encode()).hexdigest()[:24]
    for old in sorted(int(path.stem) for path in files.glob("*.json") if int(path.stem) < number)[:-_KEPT]:
        with suppress(OSError):
            (files / f"{old}.json").unlink()


def _loads(folder: Path) -> Iterator[Path]:
    yield from sorted(path for path in (folder / FOLDER).glob("*/") if any(path.glob("*.json")))


def _current(files: Path, found: Any) -> dict[str, Any] | None:
    """The watermark of one load; None where none was ever committed."""
    name = application(_read(next(files.glob("*.json"))))
    number = found.transaction_version(name)
    if number is None and _FORGETS in found.metadata().configuration:
        message = f"the table forgets what loads remember with it: it has the property `{_FORGETS}`"
        raise EngineError(message, code="unreadable-watermark", help="remove the property")
    if number is None or number == TAKEN:
        return None
    row = _read(files / f"{number}.json")
    return None if row["value"] is None else row


def _read(path: Path) -> dict[str, Any]:
    try:
        row = json.loads(path.read_bytes())
        return {**row, "loaded_at": datetime.fromisoformat(row["loaded_at"])}
    except (OSError, ValueError, KeyError) as error:
        message = f"the watermark in `{path}` cannot be read: {error}"
        help = "restore the table's folder as a whole; the log names this file"
        raise EngineError(message, code="unreadable-watermark", help=help) from error


def _write_new(path: Path, content: bytes) -> None:
    """Writes a file whole, to the disk.

    Raises FileExistsError for one that is there.
    """
    handle, draft = tempfile.mkstemp(prefix=".", dir=path.parent)
    try:
        os.fchmod(handle, 0o644)
        os.write(handle, content)
        os.fsync(handle)
        # A link appears with its content or not at all, and never replaces what is there.
        os.link(draft, path)
    finally:
        os.close(handle)
        os.unlink(draft)
