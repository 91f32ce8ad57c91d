"""What epochs took from outside and nobody gives again: messages of a source that forgets, versions of lookups, plans.

It is kept beside the intents: messages until they are acknowledged, a version of a lookup, or the plan that intended
epochs, until no intent names it.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby

import pyarrow as pa

from flowc.errors import DataError
from flowc.runtime.contracts.epoch import Intent, Maker
from flowc.runtime.streams.lookups import Version

PIECE = 1 << 20
"""Bytes of a payload in one row: engines limit what a statement may hold."""
MAX_LOOKUP = 256 << 20
"""What a lookup may take, compressed, where its versions are kept."""
_MESSAGES, _LOOKUP, PLAN = "messages:", "lookup:", "plan:"
_WRITING = pa.ipc.IpcWriteOptions(compression="zstd")


@dataclass(frozen=True, slots=True)
class Payload:
    """Rows that an epoch took from outside, under a name, as bytes."""

    name: str
    epoch: int
    data: bytes


@dataclass
class Payloads:
    """Which payloads of a stream are kept."""

    released: int = 0
    """The messages of epochs up to this one are acknowledged, and need not be kept."""
    _kept: dict[str, list[int]] = field(default_factory=dict)
    """The epochs of the payloads of each name, in order."""
    _versions: dict[str, tuple[int, Version]] = field(default_factory=dict)
    """The last version of each lookup that is kept, and the first epoch that has read it."""
    _maker: tuple[int, Maker | None] = (0, None)
    """The last plan that is kept, and the first epoch that it has intended."""
    _before: Kept | None = None
    """What a run before this one has kept, until it is known which versions these are."""

    def lookups(self, intent: Intent) -> dict[str, int]:
        """The versions that an epoch reads, each by the first epoch that has read it."""
        self._recall(intent.versions or {})
        found = {}
        for name, version in (intent.versions or {}).items():
            epoch, last = self._versions.get(name, (0, None))
            found[name] = epoch if version.is_of(last) else intent.number
        return found

    def maker(self, intent: Intent) -> int | None:
        """The plan that intends an epoch, by the first epoch that it has intended; None for an epoch without one."""
        if intent.maker is None:
            return None
        return self._maker[0] if intent.maker == self._maker[1] else intent.number

    def _recall(self, versions: Mapping[str, Version]) -> None:
        """Finds out which of the versions the run before has kept: a lookup that stays is not kept by every run."""
        before, self._before = self._before, None if versions else self._before
        for name, version in versions.items() if before is not None else ():
            epoch = max(self._kept.get(f"{_LOOKUP}{name}", ()), default=0)
            if before is not None and epoch and version.same(before.versions({name: epoch})[name]):
                self._versions[name] = epoch, version

    def new(self, intent: Intent) -> list[Payload]:
        """What is to be kept with an intent, which is not kept yet. Raises DataError for a lookup that is too large."""
        made = [
            Payload(f"{_LOOKUP}{name}", intent.number, _of_lookup(name, version))
            for name, version in (intent.versions or {}).items()
            if not version.is_of(self._versions.get(name, (0, None))[1])
        ]
        if intent.maker is not None and intent.maker != self._maker[1]:
            made.append(Payload(PLAN, intent.number, _of_maker(intent.maker)))
        if intent.messages is not None and intent.messages.num_rows:
            source = intent.ranges[0].source
            batch = intent.messages
            made.append(Payload(f"{_MESSAGES}{source}", intent.number, _packed(batch.schema, [batch])))
        return made

    def keep(self, intent: Intent, made: Iterable[Payload]) -> None:
        """Notes what is kept with an intent."""
        for payload in made:
            self._kept.setdefault(payload.name, []).append(payload.epoch)
        for name, version in (intent.versions or {}).items():
            if not version.is_of(self._versions.get(name, (0, None))[1]):
                self._versions[name] = intent.number, version
        if intent.maker is not None and intent.maker != self._maker[1]:
            self._maker = intent.number, intent.maker

    def free(self, checkpoint: int) -> dict[str, int]:
        """The payloads that are not needed behind a checkpoint: of each name, those of epochs below a number."""
        found: dict[str, int] = {}
        for name, epochs in self._kept.items():
            if name.startswith(_MESSAGES):
                least = self.released + 1
            else:  # the version, or the plan, that the first intent behind the checkpoint may name, and all later ones
                least = max((epoch for epoch in epochs if epoch <= checkpoint + 1), default=0)
            if epochs and epochs[0] < least:
                found[name] = least
        return found

    def freed(self, free: Mapping[str, int]) -> None:
        """Notes that payloads are gone."""
        for name, least in free.items():
            self._kept[name] = [epoch for epoch in self._kept[name] if epoch >= least]

    def read(self, rows: Iterable[Payload]) -> Kept:
        """Takes in what is kept."""
        found = Kept({(row.name, row.epoch): row.data for row in rows})
        self._versions, self._kept, self._before = {}, {}, found
        for name, epoch in sorted(found.data):
            self._kept.setdefault(name, []).append(epoch)
        last = max(self._kept.get(PLAN, ()), default=0)
        self._maker = last, found.maker(last)
        return found


@dataclass
class Kept:
    """Payloads as they are kept."""

    data: Mapping[tuple[str, int], bytes] = field(default_factory=dict)
    _versions: dict[tuple[str, int], Version] = field(default_factory=dict)

    def messages(self, source: str, epoch: int) -> pa.RecordBatch | None:
        """Those that an epoch took of a source that forgets."""
        data = self.data.get((f"{_MESSAGES}{source}", epoch))
        return _unpacked(data).combine_chunks().to_batches()[0] if data is not None else None

    def maker(self, epoch: int | None) -> Maker | None:
        """The plan whose first epoch is that one."""
        data = self.data.get((PLAN, epoch or 0))
        if data is None:
            return None
        fingerprint, _, plan = data.partition(b"\n")
        return Maker(fingerprint.decode(), plan)

    def delivered(self) -> dict[str, tuple[tuple[int, pa.RecordBatch], ...]]:
        """The messages of each source that may not be acknowledged yet, with their epochs in order."""
        found: dict[str, list[tuple[int, pa.RecordBatch]]] = {}
        for name, epoch in sorted(self.data):
            source = name.removeprefix(_MESSAGES)
            batch = self.messages(source, epoch) if source != name else None
            if batch is not None:
                found.setdefault(source, []).append((epoch, batch))
        return {source: tuple(batches) for source, batches in found.items()}

    def versions(self, lookups: Mapping[str, int]) -> dict[str, Version]:
        """The versions that an intent names; the same one is one object."""
        return {name: self._version(name, epoch) for name, epoch in lookups.items()}

    def _version(self, name: str, epoch: int) -> Version:
        if (name, epoch) not in self._versions:
            rows = _unpacked(self.data[f"{_LOOKUP}{name}", epoch])
            self._versions[name, epoch] = Version(0, rows.schema, tuple(rows.to_batches()))
        return self._versions[name, epoch]


def pieces(payload: Payload) -> Iterator[tuple[int, bytes]]:
    """The rows in which a payload is kept, numbered."""
    for number, start in enumerate(range(0, len(payload.data), PIECE)):
        yield number, payload.data[start : start + PIECE]


def joined(rows: Iterable[tuple[str, int, bytes]]) -> Iterator[Payload]:
    """The payloads of such rows, which come by name, epoch and piece."""
    for (name, epoch), own in groupby(rows, key=lambda row: row[:2]):
        yield Payload(name, epoch, b"".join(data for _, _, data in own))


def _of_lookup(name: str, version: Version) -> bytes:
    data = _packed(version.schema, version.batches)
    if len(data) > MAX_LOOKUP:
        message = f"lookup `{name}` takes more than {MAX_LOOKUP >> 20} MiB in the stream's state, compressed"
        help = (
            "name only the columns and rows that are needed, with `sql:`; a stream that writes one table which keeps "
            "its positions keeps no lookups"
        )
        raise DataError(message, code="lookup-too-large", help=help)
    return data


def _of_maker(maker: Maker) -> bytes:
    return maker.fingerprint.encode() + b"\n" + maker.data


def _packed(schema: pa.Schema, batches: Sequence[pa.RecordBatch]) -> bytes:
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, schema, options=_WRITING) as writer:
        for batch in batches:
            writer.write_batch(batch)
    return sink.getvalue()


def _unpacked(data: bytes) -> pa.Table:
    with pa.ipc.open_stream(data) as reader:
        return reader.read_all()
