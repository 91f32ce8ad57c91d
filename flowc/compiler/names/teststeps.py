"""Steps of tests: whether each says one thing, of something that is there."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from flowc.compiler.front.spec import Name
from flowc.compiler.front.streamspec import RowsSpec, StepSpec, StreamSpec, TestSpec
from flowc.compiler.names.lookup import Lookup
from flowc.compiler.names.windows import source_columns
from flowc.diagnostics import did_you_mean
from flowc.durations import parse_instant
from flowc.source import Located

ACTIONS = ("rows", "advance", "idle", "watermark", "restart", "crash", "drain")
INSTANT = "write `2026-01-01T00:00:00Z`"
_IDLE = re.compile(r"(?:(?:(?P<source>.*\S)\s+)?partition\s+)?0*(?P<partition>[0-9]+)|(?P<whole>.*)", re.DOTALL)
_SOURCES = frozenset({"source", "sources"})
_UNSURE = _SOURCES | {"watermark", "lookups"}


@dataclass(frozen=True, slots=True)
class Silent:
    """What an `idle` step names: a source, a partition, or both."""

    source: str | None
    partition: str | None

    @classmethod
    def of(cls, text: str) -> Silent:
        """What the words of a spec say."""
        found = _IDLE.fullmatch(text.strip())
        assert found is not None  # it takes any text
        return cls(found["source"] or found["whole"], found["partition"])


def check_steps(test: TestSpec, lookup: Lookup) -> None:
    """Reports steps of what has none, rows that come beside them, and each step that says no single thing."""
    if test.steps_span is None:
        return
    if test.pipeline is not None:
        message = f"`steps` tell what happens to a stream, and test `{test.name.value}` is of a pipeline"
        lookup.reporter.error("conflicting-keys", message, test.steps_span, helps=("write `given` and `expect`",))
        return
    stream = lookup.project.streams.get(test.stream.value) if test.stream else None
    for number, step in enumerate(test.steps, 1):
        if _says_one(step, number, test, lookup) and stream is not None and not stream.gaps & _UNSURE:
            _Steps(test, stream, lookup).check(step)
    for name in stream.sources if stream is not None else ():
        if (given := test.given.get(name.name.value)) is not None:
            message = f"the rows of `{name.name.value}` come step by step"
            helps = ("move them into a step: `- rows: […]`",)
            lookup.reporter.error("conflicting-keys", message, given.name.span, helps=helps)


def _says_one(step: StepSpec, number: int, test: TestSpec, lookup: Lookup) -> bool:
    if not step.actions:
        message = f"step {number} of test `{test.name.value}` says nothing that happens"
        helps = (f"give it one of {', '.join(f'`{action}`' for action in ACTIONS)}",)
        lookup.reporter.error("missing-key", message, step.span, helps=helps)
    for other in step.actions[1:]:
        message = f"step {number} has `{step.action.value}` and `{other.value}`, and only one thing happens in a step"
        helps = (f"make two of it: put `- ` before `{other.value}`",)
        lookup.reporter.error("conflicting-keys", message, other.span, helps=helps)
    return len(step.actions) == 1


@dataclass(frozen=True, slots=True)
class _Steps:
    """The steps of one test of a stream that is there."""

    test: TestSpec
    stream: StreamSpec
    lookup: Lookup

    def check(self, step: StepSpec) -> None:
        """Reports what is wrong with what a step says, but of a stream that reads nothing, which is told already."""
        if not self._sources:
            return
        for source, rows in step.rows.items():
            self._rows(source, rows)
        if step.action.value == "idle" and step.value is not None:
            self._idle(step.value)
        if step.action.value == "watermark" and step.value is not None:
            self._time("watermark", step.value.value, step.value)

    @property
    def _sources(self) -> Mapping[str, frozenset[str] | None]:
        return source_columns(self.stream)

    def _error(self, code: str, message: str, at: Name, *helps: str) -> None:
        self.lookup.reporter.error(code, message, at.span, helps=helps)

    def _rows(self, source: str, rows: RowsSpec) -> None:
        if not source and len(self._sources) > 1:
            listed = " and ".join(f"`{name}`" for name in self._sources)
            first = next(iter(self._sources))
            message = f"stream `{self.stream.name.value}` reads {listed}: say whose rows these are"
            self._error("bad-value", message, rows.name, f"write `rows: {{ {first}: […] }}`")
            return
        if source and source not in self._sources:
            self._unread(rows.name)
            return
        columns = self._sources[source or next(iter(self._sources))]
        for row in rows.rows:
            for name, span in row.keys.items():
                if columns is not None and name not in columns:
                    helps = did_you_mean(name, columns) or ("declare it, or leave it out",)
                    message = f"`{name}` is not a declared column of the source"
                    self.lookup.reporter.error("unknown-column", message, span, helps=helps)
            if "_event_ts" in row.values:
                self._time("_event_ts", str(row.values["_event_ts"]), Located("", row.spans["_event_ts"]))

    def _unread(self, name: Name) -> None:
        """A name that is none of a source's."""
        message, helps = f"`{name.value}` is no source of the stream", did_you_mean(name.value, self._sources)
        if name.value in {lookup.name.value for lookup in self.stream.lookups}:
            message = f"`{name.value}` is a lookup: its rows are there from the start"
            helps = ("give them under `given`",)
        helps = helps or (f"it reads {', '.join(f'`{source}`' for source in self._sources)}",)
        self._error("unknown-table", message, name, *helps)

    def _time(self, key: str, text: str, at: Name) -> None:
        if parse_instant(text) is None:
            self._error("bad-value", f"`{key}` is no time: `{text}`", at, INSTANT)

    def _idle(self, value: Name) -> None:
        silent, known = Silent.of(value.value), list(self._sources)
        if self.stream.idle is None:
            message = f"no partition of stream `{self.stream.name.value}` is ever set aside"
            self._error("bad-value", message, value, "give the stream `watermark: { idle: 1m }`, or leave the step out")
        elif silent.source is None and len(known) > 1:
            helps = f"write `{known[0]} partition {silent.partition}`"
            self._error("bad-value", "the stream has several sources: say of which it is", value, helps)
        elif silent.source is not None and silent.source not in known:
            self._no_source(silent.source, known, value)
        elif silent.partition is not None:
            self._partition(silent.source or known[0], silent.partition, value)

    def _no_source(self, source: str, known: list[str], value: Name) -> None:
        helps = did_you_mean(source, known) or (f"write `partition 1`, or a source: {', '.join(known)}",)
        self._error("bad-value", f"`{source}` is no source of the stream", value, *helps)

    def _partition(self, source: str, partition: str, value: Name) -> None:
        there = partitions(self.test, source)
        if partition not in there:
            message = f"no row of the test is in partition {partition} of `{source}`"
            listed = " and ".join(there)
            helps = f"its rows are in partition {listed}; `_partition: {partition}` puts a row there"
            self._error("bad-value", message, value, helps)


def partitions(test: TestSpec, source: str) -> tuple[str, ...]:
    """The partitions of a source in a test: all that its rows name, or the first one."""
    steps = [rows for step in test.steps for name, rows in step.rows.items() if name in ("", source)]
    given = [test.given[source]] if source in test.given else []
    named = {str(row.values.get("_partition", 0)) for rows in (*given, *steps) for row in rows.rows}
    return tuple(sorted(named)) or ("0",)
