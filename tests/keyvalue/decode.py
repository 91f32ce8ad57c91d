"""Messages of pairs as rows: of what no column names, nothing is read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from flowc.catalog import Column
from flowc.runtime.badrows import Findings, isolate
from flowc.runtime.contracts.decoder import UNDECODABLE, Decoded, DecoderContext, Decoding, not_text, present
from flowc.runtime.convert import parse
from flowc.runtime.formats.shapes import decoded_schema
from flowc.runtime.formats.values import without


def decoding(context: DecoderContext) -> Decoding:
    """How pairs become the columns of a source."""
    registry = context.options.get("registry")
    names = _registered(context.connection(str(registry))) if registry else {}
    return Decoding.of(KeyValueDecoder(context.columns, names))


def _registered(options: Mapping[str, object]) -> Mapping[str, str]:
    """The columns by the keys that stand for them, as the registry has them for those who have its token."""
    token, *lines = Path(str(options["path"])).read_text("utf-8").splitlines()
    assert options["token"] == token
    return dict(line.split("=") for line in lines)


@dataclass
class KeyValueDecoder:
    """Decodes pairs to rows of `columns`; `names` are the columns that keys stand for, where they have other names."""

    columns: tuple[Column, ...]
    names: Mapping[str, str]
    schema: pa.Schema = field(init=False)

    def __post_init__(self) -> None:
        self.schema = decoded_schema(self.columns)

    def decode(self, values: pa.BinaryArray | pa.LargeBinaryArray) -> Decoded:
        """The rows of the messages. One with a word that is no pair is bad."""
        findings = Findings(len(values))
        not_text(values, findings)
        messages = present(values, values.is_null()).among(findings.good())
        pairs = [pairs_of(value.decode()) for value in messages.values.to_pylist()]
        for place, row in zip(messages.rows.to_pylist(), pairs, strict=True):
            if row is None:
                findings.add(place, UNDECODABLE, "a word in it is no pair of a key and a value")
        rows = messages.among(findings.good()).rows
        named = [{self.names.get(key, key): value for key, value in row.items()} for row in pairs if row is not None]
        texts = [pa.array([row.get(column.name) for row in named], pa.string()) for column in self.columns]
        arrays = [self._column(*pair, rows, findings) for pair in zip(self.columns, texts, strict=True)]
        batch = pa.RecordBatch.from_arrays(arrays, schema=self.schema)
        good = pc.is_in(rows, findings.good())
        return Decoded(batch.filter(good), rows.filter(good), findings.bad(), messages.skipped)

    def _column(self, column: Column, texts: pa.Array, rows: pa.Array, findings: Findings) -> pa.Array:
        if not column.nullable:
            findings.missing(texts, column, rows)
        misfits = isolate(lambda part: parse(part, column.type), texts)
        findings.misfits(misfits, texts, column, rows=rows)
        return parse(without(texts, misfits), column.type).cast(self.schema.field(column.name).type)


def pairs_of(line: str) -> dict[str, str] | None:
    """The values of a line by their keys; None where a word is no pair."""
    words = [word.partition("=") for word in line.split()]
    return {key: value for key, _, value in words} if all(sign for _, sign, _ in words) else None
