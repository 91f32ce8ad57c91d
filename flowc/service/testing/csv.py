"""Rows of a test as those of a CSV file: written as text by the options of their source, and read as a stream does."""

from __future__ import annotations

import csv
import io
import json
from collections import defaultdict
from collections.abc import Mapping

import pyarrow as pa

from flowc.catalog import Column
from flowc.compiler.front.spec import ConnectionSpec, Json
from flowc.compiler.front.streamspec import RowsSpec
from flowc.compiler.ir import Source
from flowc.formats import CSV
from flowc.loadplan import FilesRead
from flowc.runtime.contracts.decoder import Decoding
from flowc.runtime.formats.csv.decode import CsvDecoder
from flowc.runtime.formats.csv.options import CsvOptions, csv_options
from flowc.runtime.stores.files import Files
from flowc.service.testing.rows import Misplaced, Row
from flowc.stream import SourcePlan

_END = "\r\n"


def options_of(source: SourcePlan, connections: Mapping[str, ConnectionSpec]) -> CsvOptions:
    """How the files of a source are read. Raises UsageError for what CSV has not."""
    files = Files({"read": connections[source.connection].options.get("read")})
    return csv_options(FilesRead(source.connection, source.address, source.format, source.read), files)


def csv_decoding(source: SourcePlan, options: CsvOptions) -> Decoding:
    """How rows of a source are read, each as one of a file with all of its columns."""
    columns = source.columns or ()
    names = tuple(column.name for column in columns)
    decoder = CsvDecoder(columns, options, defaultdict(lambda: names), source.inferred)
    return Decoding(decoder.schema, decoder.decode)


def csv_rows(
    given: RowsSpec, source: Source, columns: tuple[Column, ...], connections: Mapping[str, ConnectionSpec]
) -> pa.RecordBatch:
    """Rows of a load as its CSV files have them. Raises Misplaced for a value that is none of its column's type."""
    plan = SourcePlan(
        source.name,
        source.connection,
        source.kind,
        address=source.path or "",
        format=CSV,
        columns=columns,
        read=source.options,
    )
    options = options_of(plan, connections)
    lines = pa.array([csv_row(row.values, plan, options) for row in given.rows], pa.binary())
    offsets = pa.array(range(len(lines)), pa.int64())
    decoded = csv_decoding(plan, options).decode(pa.RecordBatch.from_arrays([lines, offsets], ["_value", "_offset"]))
    if decoded.bad:
        bad = decoded.bad[0]
        raise Misplaced(bad.message, given.rows[bad.index].span, code=bad.code)
    return decoded.batch


def csv_row(row: Row, source: SourcePlan, options: CsvOptions) -> bytes:
    """A row as a line of CSV. NULL is an empty field, which is all that a file can say of it."""
    text = io.StringIO()
    # The writer quotes what ends its own lines.
    writer = csv.writer(
        text, delimiter=options.delimiter, quotechar=options.quote, escapechar=options.escape, lineterminator=_END
    )
    writer.writerow([_text(row.get(column.name)) for column in source.columns or ()])
    return text.getvalue().removesuffix(_END).encode()


def _text(value: Json) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
