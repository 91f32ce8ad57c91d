"""`unlike-files`: streams that write one folder, each in its own way."""

from __future__ import annotations

from pathlib import PurePosixPath

from flowc.compiler.checked import CheckedSpec
from flowc.compiler.ir import FilesOutput, Ir
from flowc.diagnostics import Note, Reporter


def unlike_files(_checked: CheckedSpec, ir: Ir | None, reporter: Reporter) -> None:
    """Warns when the files of two streams in one folder differ in format or partitions: nothing reads them together."""
    first: dict[tuple[str, PurePosixPath], tuple[str, FilesOutput]] = {}
    for stream in ir.streams if ir is not None else ():
        for output in (each for each in stream.outputs if isinstance(each, FilesOutput)):
            name, other = first.setdefault((output.connection, PurePosixPath(output.path)), (stream.name, output))
            if _layout(output) != _layout(other):
                message = f"stream `{stream.name}` writes {_words(output)} into `{output.path}`, and `{name}` does not"
                note = Note(f"stream `{name}` writes {_words(other)} here", other.span)
                helps = ("write both in the same way, or into two folders",)
                reporter.warning("unlike-files", message, output.span, notes=(note,), helps=helps)


def _layout(output: FilesOutput) -> tuple[str, tuple[str, ...]]:
    return output.format, output.partition_by


def _words(output: FilesOutput) -> str:
    parts = ", ".join(f"`{name}`" for name in output.partition_by)
    return f"{output.format} files" + (f" partitioned by {parts}" if parts else "")
