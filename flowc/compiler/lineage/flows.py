"""What lineage is told in: datasets, who writes them, and what flows between them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Dataset:
    """A table, a set of files or a topic, by connection and name."""

    connection: str
    name: str

    def __str__(self) -> str:
        return f"{self.connection}.{self.name}"


@dataclass(frozen=True, slots=True, order=True)
class Writer:
    """A pipeline or a stream that writes a dataset. `mode` says how, or that it writes dead letters."""

    name: str
    target: Dataset
    mode: str
    stream: bool = False


@dataclass(frozen=True, slots=True, order=True)
class ColumnFlow:
    """One column is made of another, by a pipeline or a stream."""

    source: Dataset
    source_column: str
    target: Dataset
    target_column: str
    pipeline: str
    stream: bool = False


@dataclass(frozen=True, slots=True, order=True)
class Flow:
    """What a writer reads; a stream reads a `lookup` beside what it is made of."""

    source: Dataset
    writer: Writer
    lookup: bool = False

    @property
    def target(self) -> Dataset:
        """What it writes of that."""
        return self.writer.target


@dataclass(frozen=True, slots=True)
class Graph:
    """The flows of a project, pipelines first, in their order, and then streams."""

    flows: tuple[Flow, ...]
    columns: tuple[ColumnFlow, ...]
    writers: tuple[Writer, ...]

    @property
    def datasets(self) -> tuple[Dataset, ...]:
        """Every dataset, once, in order of appearance."""
        ends = [end for flow in self.flows for end in (flow.source, flow.target)]
        return tuple(dict.fromkeys([*ends, *(writer.target for writer in self.writers)]))
