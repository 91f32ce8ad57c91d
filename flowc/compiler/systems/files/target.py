"""Folders of files that a stream writes: what can be written how, judged before anything runs."""

from __future__ import annotations

from collections.abc import Mapping

from flowc.catalog import Column
from flowc.compiler.ir import FilesOutput, Output
from flowc.compiler.loads.attach import PARTING
from flowc.errors import UsageError
from flowc.formats import FORMATS
from flowc.nodes import Changelog
from flowc.stream import FilesTarget, Roll
from flowc.types import INTEGER_RANGES, DataType, Kind

ROLL = Roll(rows=None, bytes=128 << 20, age=300.0)
"""When a file is full, where the spec does not say."""
_MARKS = frozenset(("delimiter", "quote"))


def plan_target(output: Output, columns: tuple[Column, ...], stream: str, changes: Changelog) -> FilesTarget:
    """A folder of files with the rows of `columns`. It takes no `changes`, which is judged before.

    Raises UsageError for what cannot be written so.
    """
    assert isinstance(output, FilesOutput)
    assert changes is Changelog.INSERT_ONLY
    _check_format(output, stream)
    for name in output.partition_by:
        _check_partition(name, columns, stream)
    held = tuple(column for column in columns if column.name not in output.partition_by)
    if not held:
        message = f"stream `{stream}` writes files without a column: all of them are in `partition_by`"
        raise UsageError(message, code="nothing-to-load", help="leave one out of `partition_by`")
    for column in held:
        _check_type(column, output.format, stream)
    return FilesTarget(
        output.connection,
        output.path,
        output.format,
        columns,
        write=output.write,
        partition_by=output.partition_by,
        roll=_roll(output),
    )


def _roll(output: FilesOutput) -> Roll:
    size = output.bytes if output.bytes is not None else ROLL.bytes
    return Roll(output.rows, size, output.age if output.age is not None else ROLL.age)


def _check_format(output: FilesOutput, stream: str) -> None:
    writable = {kind: format for kind, format in FORMATS.items() if format.compressions}
    format = writable.get(output.format)
    if format is None:
        message = f"stream `{stream}` cannot write files of the format `{output.format}`"
        raise UsageError(message, code="unusable-option", help=f"one of {', '.join(writable)}")
    how = output.write.get("compression")
    if how is not None and how not in format.compressions:
        message = f"{output.format} cannot be compressed with `{how}`"
        raise UsageError(message, code="unusable-option", help=f"one of {', '.join(format.compressions)}")
    if set(format.write) >= _MARKS:
        _check_marks(output.write, stream)
    strange = [name for name in output.write if name not in (*format.write, "compression")]
    if strange:
        other = next((kind for kind in writable if strange[0] in writable[kind].write), None)
        instead = f"it is one of {other.upper()}: write `format: {other}`, or leave it out" if other else "leave it out"
        message = f"{output.format} has no option `{strange[0]}`"
        raise UsageError(message, code="unusable-option", help=instead)


def _check_marks(write: Mapping[str, object], stream: str) -> None:
    """Marks have to be told apart from each other, from the ends of lines, and from what stands for NULL."""
    marks = {"delimiter": str(write.get("delimiter", ",")), "quote": str(write.get("quote", '"'))}
    null, escape = str(write.get("null_value", "")), str(write.get("escape") or "")
    wrong = next((f"`{name}` has to be one character" for name, mark in marks.items() if len(mark) != 1), None)
    if wrong is None and marks["delimiter"] in (marks["quote"], escape, "\n", "\r"):
        wrong = "`delimiter` means something else already"
    if wrong is None and marks["quote"] in "\r\n":
        wrong = "`quote` ends lines"
    if wrong is None and any(char in null for char in (*marks.values(), "\n", "\r")):
        wrong = "`null_value` holds the delimiter, the quote or the end of a line"
    if wrong is not None:
        message = f"nobody could read the CSV of stream `{stream}`: {wrong}"
        raise UsageError(message, code="unusable-option", help="choose another one under `write`")


def _check_partition(name: str, columns: tuple[Column, ...], stream: str) -> None:
    column = next((column for column in columns if column.name == name), None)
    if column is None:
        message = f"the output of stream `{stream}` has no column `{name}` to be partitioned by"
        raise UsageError(message, code="unknown-column", help="name columns of the output under `partition_by`")
    if column.type.kind not in PARTING:
        message = f"files cannot be partitioned by `{name}`, a {column.type}"
        raise UsageError(message, code="unstorable-type", help="partition by a whole number, a text, a date or a time")


def _check_type(column: Column, form: str, stream: str) -> None:
    if column.type.kind is Kind.UNKNOWN:
        message = f"the type of `{column.name}` in the output of stream `{stream}` is not known"
        raise UsageError(message, code="unknown-source-columns", help="CAST it in the SQL")
    most = FORMATS[form].digits
    if most is not None and _digits(column.type) > most:
        message = f"{form} cannot store `{column.name}`, a {column.type}: it keeps {most} digits"
        raise UsageError(message, code="unstorable-type", help="CAST it in the SQL to fewer digits, or to text")


def _digits(kind: DataType) -> int:
    if kind.kind is Kind.ARRAY and kind.element is not None:
        return _digits(kind.element)
    if kind.kind is Kind.DECIMAL:
        return kind.precision or 0
    return len(str(INTEGER_RANGES[kind.kind][1])) if kind.kind in INTEGER_RANGES else 0
