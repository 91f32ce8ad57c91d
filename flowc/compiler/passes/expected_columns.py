"""`unknown-column` in rows that a stream's test expects, where the columns of its target are known."""

from __future__ import annotations

from collections.abc import Iterator

from flowc.compiler.checked import CheckedSpec
from flowc.compiler.front.streamspec import RowsSpec, TestSpec
from flowc.compiler.ir import Ir, Stream
from flowc.diagnostics import Reporter, did_you_mean

_SHOWN = 16
"""How many columns a report lists."""


def expected_columns(checked: CheckedSpec, ir: Ir | None, reporter: Reporter) -> None:
    """Reports columns under `emits` and `expect` that the target of a stream has not."""
    streams = {stream.name: stream for stream in ir.streams} if ir is not None else {}
    for test in checked.project.tests.values():
        stream = streams.get(test.stream.value) if test.stream is not None else None
        known = _columns(stream, test) if stream is not None else None
        for rows in _expected(test) if known is not None else ():
            _check(rows, known or (), reporter)


def _expected(test: TestSpec) -> Iterator[RowsSpec]:
    yield from (step.emits for step in test.steps if step.emits is not None)
    if test.expect is not None:
        yield test.expect


def _columns(stream: Stream, test: TestSpec) -> tuple[str, ...] | None:
    """The columns of the only target; None where they are not known, or the test says what it holds before."""
    if len(stream.applies) + len(stream.outputs) != 1 or stream.unplanned or stream.input is None:
        return None
    target = stream.applies[0].target if stream.applies else None
    if target is not None and target.table is not None:
        return tuple(column.name for column in target.table.columns)
    if target is not None and {str(target.name), target.name.name} & set(test.given):
        return None
    columns = stream.input.columns
    return None if columns is None else tuple(column.name for column in columns)


def _check(rows: RowsSpec, known: tuple[str, ...], reporter: Reporter) -> None:
    for row in rows.rows:
        for name, span in row.keys.items():
            if name not in known:
                listed = ", ".join(f"`{column}`" for column in known[:_SHOWN])
                helps = did_you_mean(name, known) or (f"it has {listed}{', …' if known[_SHOWN:] else ''}",)
                reporter.error("unknown-column", f"the target has no column `{name}`", span, helps=helps)
