"""Declared fields that no JSON message has had: a name that is wrong in the spec gives a column of NULL."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import msgspec
import pyarrow as pa

from flowc.formats import FORMATS
from flowc.runtime.contracts.decoder import Decoded, Decoding
from flowc.stream import StreamPlan

_log = logging.getLogger("flowc.streams")
_SEARCHED = 1000
"""Messages of a source that are searched for fields without a value. Behind them, a value alone shows a field."""
_NAMES = msgspec.json.Decoder(dict[str, msgspec.Raw])


@dataclass
class _Fields:
    """The fields of one source that no message has had."""

    names: set[str]
    searched: int = 0

    def look(self, messages: pa.RecordBatch, decoded: Decoded) -> None:
        """Takes the fields of more messages into account."""
        rows = decoded.batch
        self.names -= {name for name in self.names if rows.column(name).null_count < rows.num_rows}
        if self.names and self.searched < _SEARCHED:
            searched = messages.column("_value").take(decoded.rows[: _SEARCHED - self.searched])
            self.searched += len(searched)
            self.names.difference_update(*map(_names, searched.to_pylist()))


def _names(message: bytes) -> Iterable[str]:
    try:
        return _NAMES.decode(message)
    except (msgspec.MsgspecError, RecursionError):  # nested deeper than msgspec goes
        return ()


@dataclass
class Unseen:
    """The fields of a stream's sources that no message has had. A warning names them once."""

    stream: str = ""
    sources: dict[str, _Fields] = field(default_factory=dict)
    _warned: set[str] = field(default_factory=set)

    def watching(self, plan: StreamPlan, decoders: Mapping[str, Decoding]) -> dict[str, Decoding]:
        """The decoders, which tell of the declared fields that they meet."""
        self.stream = plan.name
        declared = {each.name: each for each in plan.sources if FORMATS[each.format].discovers and not each.inferred}
        self.sources = {name: _Fields({c.name for c in each.columns or ()}) for name, each in declared.items()}
        return {name: self._watching(name, each) if name in declared else each for name, each in decoders.items()}

    def _watching(self, source: str, decoding: Decoding) -> Decoding:
        fields = self.sources[source]

        def decode(messages: pa.RecordBatch) -> Decoded:
            decoded = decoding.decode(messages)
            if fields.names and decoded.batch.num_rows:
                fields.look(messages, decoded)
                if fields.searched >= _SEARCHED:
                    self._warn(source)
            return decoded

        return replace(decoding, decode=decode)

    def warn(self) -> None:
        """Names the fields that no message has had so far."""
        for source in self.sources:
            self._warn(source)

    def _warn(self, source: str) -> None:
        fields = self.sources[source]
        if fields.names and fields.searched and source not in self._warned:
            self._warned.add(source)
            message = (
                "stream `%s`: no message of `%s` has had the field%s %s yet: correct `columns` if the name is wrong"
            )
            names = ", ".join(f"`{name}`" for name in sorted(fields.names))
            _log.warning(message, self.stream, source, "s" if len(fields.names) > 1 else "", names)
