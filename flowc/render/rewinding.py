"""What a rewind would do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from flowc.render.style import Style, printable
from flowc.render.tables import table
from flowc.service.streams.moves import Move
from flowc.service.streams.rewinding import Rewind

_KIBI = 1024
_BEGIN = "0"
"""The place before which there is nothing."""
_HEADERS = ("source", "partition", "from", "to", "messages")


def rewind_text(rewind: Rewind, style: Style) -> str:
    """Each partition, and what follows for targets and state."""
    rows = [
        (move.source, move.partition, move.shown(move.before), move.shown(move.after), _change(move))
        for move in rewind.moves
    ]
    return "\n".join((table(_HEADERS, rows, style, right=(1, 2, 3, 4)), *_consequences(rewind)))


def moved_text(rewind: Rewind) -> str:
    """What a rewind that was made has done."""
    done = [f"{_again(rewind)} are read again"]
    done += [f"{_skipped(rewind)} are not read".replace(" messages", "")] if rewind.forward else []
    done += [f"{rewind.letters} dead letters were removed"] if rewind.letters else []
    return f"{printable(rewind.plan.name)}: moved; {', '.join(done)}"


def _change(move: Move) -> str:
    if move.replaced or not move.counted:
        return ("position lost" if move.lost else "another topic") if move.replaced else _files([move])
    return f"{move.skipped} skipped" if move.skipped else f"{move.again} again"


def _again(rewind: Rewind, about: str = "") -> str:
    return _amount(f"{about}{rewind.again}", rewind.again, [m for m in rewind.moves if m.back and not m.counted])


def _skipped(rewind: Rewind, about: str = "") -> str:
    return _amount(f"{about}{rewind.skipped}", rewind.skipped, [m for m in rewind.moves if m.forward and not m.counted])


def _amount(messages: str, number: int, files: Sequence[Move]) -> str:
    """So many messages, and so much of files: a place in a file of text does not tell how many rows are before it."""
    parts = [f"{messages} messages"] if number or not files else []
    return " and ".join([*parts, *([_files(files)] if files else [])])


def _files(moves: Sequence[Move]) -> str:
    """How much of files is read or skipped, as far as that is known."""
    extents = [extent for move in moves if (extent := move.extent) is not None]
    if len(extents) < len(moves):
        return "rows of files"
    count, size = sum(extent.files for extent in extents), _size(sum(extent.bytes for extent in extents))
    known = [extent.rows for extent in extents if extent.rows is not None]
    rows = f"{sum(known)} rows" if len(known) == len(extents) else "rows"
    return f"{rows} of {count} file{'' if count == 1 else 's'} ({size})"


def _size(number: float) -> str:
    """Bytes in the largest unit of which there is one."""
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if number < _KIBI or unit == "GiB":
            return f"{number:.0f} {unit}" if unit == "bytes" else f"{number:.1f} {unit}"
        number /= _KIBI
    raise AssertionError


def _consequences(rewind: Rewind) -> Iterator[str]:
    back = any(move.back for move in rewind.moves)
    meanwhile = ", and those that a worker reads until then" if back else ""
    yield f"{_again(rewind, 'about ')} will be read again{meanwhile}"
    if rewind.forward:
        yield f"warning: {_skipped(rewind, 'about ')} will not be read at all"
    for lack in rewind.missing:
        name = printable(lack.name)
        yield f"warning: `{name}` {lack.reason}: the rows of messages before this place stay missing there"
    if rewind.unknown:
        yield "warning: nobody knows how far the sources were read: messages before this place are not read any more"
    for name in rewind.doubling if back else ():
        yield f"`{printable(name)}` will hold the rows of these messages twice"
    for name in rewind.refilled if back else ():
        yield f"`{printable(name)}` was created again and has rows: it will hold those of these messages twice"
    if rewind.letters:
        yield f"{rewind.letters} dead letters of these messages will be removed"
    if rewind.plan.stateful:
        names = "`, `".join(printable(node.id) for node in rewind.plan.stateful)
        yield f"what the stream remembers (`{names}`) begins anew"
        yield from _cut(rewind)
    yield "a worker that runs is interrupted and goes on from there"


def _cut(rewind: Rewind) -> Iterator[str]:
    """What windows and joins lack of the rows before the place."""
    names = "`, `".join(map(printable, rewind.gathering))
    one = len(rewind.gathering) == 1
    if names and rewind.to != "earliest" and any(move.after != _BEGIN for move in rewind.moves):
        cut = "what the place cuts in two comes out with a part of its rows"
        yield f"warning: `{names}` {'sees' if one else 'see'} only what is behind the place: {cut}"
    if rewind.shown:
        names_shown = "`, `".join(map(printable, rewind.shown))
        stay = "stay in the target where they begin at another time by what is read again"
        yield f"warning: sessions of `{names_shown}` that came out before they were over {stay}"
    if rewind.forgets:
        holds = "forgets rows that it holds" if one else "forget rows that they hold"
        yield f"warning: `{names}` {holds} of partitions that are not moved back"
