"""Which pipelines and streams need which others: what waits for what, and whose tables, files and topics are read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from flowc.compiler.ir import Ir
from flowc.compiler.lineage.flows import Dataset, Graph

Needs = Mapping[str, Iterable[str]]
"""Pipelines and streams by name, each with those that come before it."""


def needs_of(ir: Ir, graph: Graph) -> Needs:
    """What each pipeline and stream needs directly. A pipeline needs those pipelines that it waits for, and no other.

    Beside that, whoever reads or looks up what a stream writes needs the stream, and a stream that reads or looks up
    what a pipeline writes needs the pipeline.
    """
    streams = {stream.name for stream in ir.streams}
    needs = {pipeline.name: dict.fromkeys(pipeline.depends_on) for pipeline in ir.pipelines}
    needs |= {name: {} for name in streams}
    writers = writers_of(graph)
    for flow in graph.flows:
        reader = flow.writer.name
        for name in writers.get(folded(flow.source), ()):
            if name != reader and (flow.writer.stream or name in streams):
                needs.setdefault(reader, {})[name] = None
    return needs


def writers_of(graph: Graph) -> Mapping[Dataset, tuple[str, ...]]:
    """The pipelines and streams that write each dataset, its name `folded`."""
    found: dict[Dataset, dict[str, None]] = {}
    for writer in graph.writers:
        found.setdefault(folded(writer.target), {})[writer.name] = None
    return {place: tuple(names) for place, names in found.items()}


def folded(place: Dataset) -> Dataset:
    """The dataset, with a name that is equal where only its case differs."""
    return Dataset(place.connection, place.name.casefold())


def reversed_needs(needs: Needs) -> Needs:
    """By whom each is needed."""
    found: dict[str, list[str]] = {}
    for name, others in needs.items():
        for other in others:
            found.setdefault(other, []).append(name)
    return found


def reached(names: Iterable[str], needs: Needs) -> frozenset[str]:
    """The names, and all that they need, however far."""
    waiting, found = list(names), set[str]()
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += needs.get(name, ())
    return frozenset(found)


def in_order(names: Iterable[str], needs: Needs) -> tuple[str, ...]:
    """The names and all that they need, each behind what it needs; streams that feed each other in one order of it."""
    seen, done = set[str](), dict[str, None]()
    waiting = [(name, False) for name in reversed(list(names))]
    while waiting:
        name, ready = waiting.pop()
        if ready:
            done[name] = None
        elif name not in seen:
            seen.add(name)
            waiting.append((name, True))
            waiting += [(other, False) for other in needs.get(name, ())]
    return tuple(done)
