"""Where streams are, for people and programs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from flowc.durations import micros_text
from flowc.render.failure import error_object, failure
from flowc.render.style import Style, printable
from flowc.render.tables import table
from flowc.runtime.contracts.positions import plain

if TYPE_CHECKING:
    from flowc.runtime.contracts.state import NodeState
    from flowc.service.streams.status import At, StreamStatus

_HEADERS = ("stream", "epoch", "lag", "dead letters", "remembers", "positions in", "state in")
_FILES = ("stream", "source", "files", "removable", "first to keep")
_PARTITIONS = ("stream", "source", "partition", "next", "end", "lag", "watermark")


def status_text(statuses: Sequence[StreamStatus], style: Style, *, partitions: bool) -> str:
    """A row for each stream and, with `partitions`, one for each of their partitions."""
    parts = [table(_HEADERS, [_row(status) for status in statuses], style, right=(1, 2, 3, 4))]
    rows = [
        (
            status.name,
            item.source,
            item.partition,
            _known(item.next),
            _known(item.end),
            _known(item.lag),
            _known(_instant(item)),
        )
        for status in statuses
        for item in status.partitions
    ]
    files = [
        (status.name, item.source, item.known, item.removable, _known(item.next))
        for status in statuses
        for item in status.files
    ]
    parts += [table(_PARTITIONS, rows, style, right=(2, 3, 4, 5))] if partitions and rows else []
    parts += [table(_FILES, files, style, right=(2, 3))] if partitions and files else []
    return "\n\n".join(parts)


def _row(status: StreamStatus) -> tuple[object, ...]:
    parked = f" ({status.parked} parked)" if status.parked else ""
    letters = "-" if status.letters is None else f"{status.letters}{parked}"
    remembered = "; ".join(f"{name}: {n.rows:,} rows, {_size(n.bytes)}" for name, n in status.nodes.items()) or "-"
    where = status.kept_in or "-", status.state or "-"
    return status.name, _known(status.epoch), _known(status.lag), letters, remembered, *where


def _size(size: int) -> str:
    return f"{size / 2**20:,.1f} MiB" if size >= 2**20 else f"{size / 2**10:,.1f} KiB"


def _known(value: int | str | None) -> object:
    return "-" if value is None else value


def status_failures(statuses: Sequence[StreamStatus], style: Style) -> str:
    """What could not be looked at, and why."""
    return "\n\n".join(
        f"{printable(status.name)}: {failure(status.error, style)}" for status in statuses if status.error
    )


def node_object(node: NodeState) -> dict[str, object]:
    """What is kept of a node, for programs."""
    return {"rows": node.rows, "bytes": node.bytes, "segments": node.segments}


def status_object(status: StreamStatus) -> dict[str, object]:
    """Where a stream is, for programs."""
    return {
        "stream": status.name, "epoch": status.epoch, "lag": status.lag, "positions_in": status.kept_in,
        "state_in": status.state, "state": {name: node_object(node) for name, node in status.nodes.items()},
        "dead_letters": status.letters, "parked": status.parked,
        "partitions": [{"source": item.source, "partition": plain(item.partition), "next": _plain(item.next),
                        "end": _plain(item.end), "lag": item.lag, "watermark": _instant(item)}
                       for item in status.partitions],
        "files": [{"source": item.source, "known": item.known, "removable": item.removable, "first_to_keep": item.next}
                  for item in status.files],
        "error": error_object(status.error),
    }  # fmt: skip


def _instant(item: At) -> str | None:
    return None if item.watermark is None else micros_text(item.watermark)


def _plain(position: str | None) -> int | str | None:
    return None if position is None else plain(position)
