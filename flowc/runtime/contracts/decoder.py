"""What a codec is: a batch of messages in, rows and the messages that gave none out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import pyarrow as pa
import pyarrow.compute as pc

from flowc.catalog import Column
from flowc.errors import UsageError
from flowc.runtime.badrows import BadRow, Findings, first_indices, isolate

Headers = Mapping[int, tuple[str, ...]]
"""The names of the columns of files, by the number of the file."""
UNDECODABLE = "undecodable-message"


@dataclass(frozen=True, slots=True)
class Decoded:
    """The rows of a batch of messages. Every message is in exactly one of `rows`, `bad` and `skipped`.

    `rows[i]` is the index, among the messages, of row i of `batch`; `skipped` are the indices of tombstones: messages
    without a value.
    """

    batch: pa.RecordBatch
    rows: pa.Int64Array
    bad: tuple[BadRow, ...]
    skipped: pa.Int64Array


class Decoder(Protocol):
    """Makes rows of messages. What becomes of a message never depends on the others in its batch."""

    @property
    def schema(self) -> pa.Schema:
        """The schema of the rows."""

    def decode(self, values: pa.BinaryArray | pa.LargeBinaryArray) -> Decoded:
        """The rows of the messages; those that cannot be decoded are set aside."""


@dataclass(frozen=True, slots=True)
class Decoding:
    """How the messages of one source are read, and the schema of their rows. `decode` takes columns of messages."""

    schema: pa.Schema
    decode: Callable[[pa.RecordBatch], Decoded]

    @classmethod
    def of(cls, decoder: Decoder) -> Decoding:
        """The decoding of messages that need nothing but their bytes."""
        return cls(decoder.schema, lambda messages: decoder.decode(messages.column("_value")))


Connection = Callable[[str], Mapping[str, object]]
"""The options of a connection by its name, with secrets in clear. Raises UsageError where there is none of the name."""


def no_connection(name: str) -> Mapping[str, object]:
    """Of no connection, there are options. Raises UsageError."""
    raise UsageError(f"there is no connection `{name}`", code="unknown-connection")


@dataclass(frozen=True, slots=True)
class DecoderContext:
    """What a decoder is made of.

    `columns` are those of the source; with `inferred`, their types were found. `options` are the read options of the
    source and its connection. `headers` are the names of the columns of files, by the number of the file.
    """

    source: str
    columns: tuple[Column, ...]
    inferred: bool = False
    options: Mapping[str, object] = field(default_factory=dict)
    headers: Headers = field(default_factory=dict)
    connection: Connection = no_connection
    """The connections that options name, such as a registry of schemas."""


@dataclass(frozen=True, slots=True)
class Present:
    """The messages of a batch that have a value: their indices, their bytes, and the indices of the others."""

    rows: pa.Int64Array
    values: pa.Array
    skipped: pa.Int64Array

    def among(self, rows: pa.Int64Array) -> Present:
        """Only the messages at these indices."""
        kept = pc.is_in(self.rows, rows)
        return Present(self.rows.filter(kept), self.values.filter(kept), self.skipped)


def present(values: pa.Array, tombstone: pa.Array) -> Present:
    """Splits messages by a mask of those without a value."""
    whole = first_indices(len(values))
    if not tombstone.true_count:
        return Present(whole, values, whole.slice(0, 0))
    kept = whole.filter(pc.invert(tombstone))
    return Present(kept, values.take(kept), whole.filter(tombstone))


def not_text(values: pa.BinaryArray, found: Findings) -> None:
    """Sets aside the messages that are not UTF-8."""
    try:
        values.cast(pa.string())
    except ValueError:
        for index in isolate(lambda part: part.cast(pa.string()), values):
            found.add(index, UNDECODABLE, "the message is not UTF-8 text")
