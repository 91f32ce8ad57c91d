"""Dead letters for people and programs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from flowc.render.failure import error_object
from flowc.render.style import Style, printable
from flowc.render.tables import cut, table
from flowc.runtime.contracts.letternotes import LEFT_OUT, TIME, parted, written
from flowc.runtime.contracts.positions import plain
from flowc.service.streams.deadletters import Counted, DeadLetters, Letter
from flowc.service.streams.letterreplay import Replayed

_HEADERS = ("stream", "error code", "letters", "parked", "oldest", "newest", "kept in")
Counts = Sequence[tuple[DeadLetters, Sequence[Counted]]]


def counts_text(counted: Counts, style: Style) -> str:
    """A row for each stream and code; nothing where there is none."""
    rows = [
        (of.stream, count.code, count.letters, count.parked, _time(count.oldest), _time(count.newest), str(of.kept))
        for of, counts in counted
        for count in counts
    ]
    return table(_HEADERS, rows, style, right=(2, 3)) if rows else ""


def counts_objects(counted: Counts) -> list[dict[str, object]]:
    """A stream each, for programs."""
    return [
        {
            "stream": of.stream, "kept_in": str(of.kept), "letters": sum(count.letters for count in counts),
            "parked": sum(count.parked for count in counts),
            "codes": [{"code": count.code, "letters": count.letters, "parked": count.parked,
                       "oldest": _time(count.oldest), "newest": _time(count.newest)} for count in counts],
        }
        for of, counts in counted
    ]  # fmt: skip


def letters_text(letters: Sequence[Letter], style: Style, more: int = 0) -> str:
    """Each letter: where it stood, why it is dead, and what it is; and that so many `more` are not shown."""
    shown = ["\n".join(_lines(letter, style)) for letter in letters]
    return "\n\n".join([*shown, *([f"… and {more} more (--limit)"] if more > 0 else [])])


def absent_text(stream: str, code: str, there: Sequence[str]) -> str:
    """That no letter of a stream has a code, and which codes they have."""
    known = "their codes are " + ", ".join(f"`{name}`" for name in there) if there else "there are none"
    return f"no dead letter of `{stream}` has the code `{code}`: {known}"


def _lines(letter: Letter, style: Style) -> Iterator[str]:
    where = f"{letter['topic']}[{letter['partition_name']}] at {letter['message_position']}"
    reason = f"{letter['error_code']}, attempt {letter['attempt']}, {_time(letter['failed_at'])}"
    yield f"{style.paint('bold', printable(where))}: {printable(reason)}"
    yield f"  {printable(letter['error'])}"
    if letter["message_key"] is not None:
        yield f"  key: {_short(letter['message_key'], style)}"
    headers, notes = parted(letter["headers"])
    if TIME in notes:
        yield f"  time: {notes[TIME]} (milliseconds since 1970)"
    if headers:
        yield f"  headers: {printable(cut(style.conceal(written(headers) or '')))}"
    yield f"  message: {_bytes(letter, notes, style)}"


def _bytes(letter: Letter, notes: Mapping[str, int], style: Style) -> str:
    if letter["message"] is not None:
        return _short(letter["message"], style)
    if LEFT_OUT not in notes:
        return "none (a tombstone)"
    size = f", {notes[LEFT_OUT]} bytes" if notes[LEFT_OUT] else ""
    return f"left out{size}: it is where it stood"


def letter_object(letter: Letter) -> dict[str, object]:
    """A letter for programs: message and key as text where they are UTF-8, and in any case as hexadecimal digits."""
    headers, notes = parted(letter["headers"])
    return {
        "stream": _stream(letter), "source": letter["source"], "topic": letter["topic"],
        "partition": plain(letter["partition_name"]), "offset": plain(letter["message_position"]),
        "event_time": _time(letter["event_time"]), "code": letter["error_code"], "error": letter["error"],
        "attempt": letter["attempt"], "failed_at": _time(letter["failed_at"]),
        "key": _text(letter["message_key"]), "key_hex": _hex(letter["message_key"]),
        "event_ms": notes.get(TIME), "left_out": LEFT_OUT in notes, "headers": headers,
        "message": _text(letter["message"]), "message_hex": _hex(letter["message"]),
    }  # fmt: skip


def _stream(letter: Letter) -> str:
    """The stream's own name, without its project."""
    stored = str(letter["stream"])
    return stored.partition("/")[2] or stored


def replayed_text(report: Replayed) -> str:
    """What a replay did, on one line."""
    parked = f", {report.parked} parked" if report.parked else ""
    unjudged = f", {report.unjudged} left (not every `dedupe` has judged them)" if report.unjudged else ""
    rows = f"{report.rows} row{'' if report.rows == 1 else 's'}"
    rows += f" ({report.repeats} gave none, as `dedupe` dropped what it repeats)" if report.repeats else ""
    return f"{report.stream}: {report.replayed} replayed into {rows}, {report.failed} failed again{parked}{unjudged}"


def replayed_object(report: Replayed) -> dict[str, object]:
    """What a replay did, for programs."""
    return {
        "stream": report.stream, "replayed": report.replayed, "rows": report.rows, "failed": report.failed,
        "repeats": report.repeats, "parked": report.parked, "unjudged": report.unjudged,
        "status": "failed" if report.error or report.failed else "ok", "error": error_object(report.error),
    }  # fmt: skip


def _short(data: bytes, style: Style) -> str:
    text = _text(data)
    shown = style.conceal(text) if text is not None else data.hex()
    return printable(cut(shown, f"{len(data)} bytes"))


def _text(data: bytes | None) -> str | None:
    try:
        return None if data is None else data.decode()
    except UnicodeDecodeError:
        return None


def _hex(data: bytes | None) -> str | None:
    return None if data is None else data.hex()


def _time(moment: datetime | None) -> str | None:
    """An instant as ISO 8601 in UTC."""
    return None if moment is None else moment.isoformat(timespec="seconds").replace("+00:00", "Z")
