"""What pages tell of a project's specs: compiled once, as plain texts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from flowc.compiler.checked import CheckedSpec
from flowc.compiler.ir import Apply, Expectation, Ir, Pipeline, Stream
from flowc.compiler.lineage import Dataset, Graph, graph
from flowc.diagnostics import Reporter
from flowc.render.graph_html import graph_svg
from flowc.render.plans import plan_sql
from flowc.service.loads.planning import offline_plans


@dataclass(frozen=True, slots=True)
class Flow:
    """A pipeline or a stream: what it reads and writes, its SQL, and who is next to it."""

    name: str
    description: str = ""
    tags: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    """Each target with its mode."""
    query: str = ""
    """The SQL as its author wrote it, templates filled in."""
    loads: str = ""
    """The statements of its loads."""
    checks: tuple[tuple[str, str], ...] = ()
    """Its quality checks: the name, and what becomes of a run that does not hold it."""
    upstream: tuple[str, ...] = ()
    downstream: tuple[str, ...] = ()
    drawing: str = ""
    """Its lineage, as SVG."""
    stream: bool = False


@dataclass(frozen=True, slots=True)
class Facts:
    """A project, as it was when it was compiled."""

    project: str
    environment: str | None
    at: datetime
    pipelines: Mapping[str, Flow]
    streams: Mapping[str, Flow]
    keeping: frozenset[str] = frozenset()
    """The streams that keep dead letters."""
    drawing: str = ""
    datasets: Sequence[tuple[str, tuple[str, ...], tuple[str, ...]]] = field(default_factory=tuple)
    """Each table, file set and topic with those who write it, and those who read it."""


def facts_of(checked: CheckedSpec, ir: Ir, at: datetime) -> Facts:
    """The facts of a project that compiles."""
    whole, project = graph(ir), checked.project
    pipelines = {plan.name: _pipeline(plan, checked, ir, whole) for plan in ir.pipelines}
    streams = {plan.name: _stream(plan, checked, ir, whole) for plan in ir.streams}
    keeping = frozenset(name for name, stream in checked.streams.items() if stream.sets_aside)
    drawing = graph_svg(whole)
    return Facts(
        project.name, project.environment, at, pipelines=pipelines, streams=streams, keeping=keeping, drawing=drawing,
        datasets=tuple(_datasets(whole)),
    )  # fmt: skip


def _pipeline(pipeline: Pipeline, checked: CheckedSpec, ir: Ir, whole: Graph) -> Flow:
    spec = checked.project.pipelines[pipeline.name]
    plans = offline_plans((pipeline,), ir.tables, Reporter(), new=False)
    checks = tuple(_check(expect) for expect in (pipeline.applies[0].expect if pipeline.applies else ()))
    flow = Flow(
        pipeline.name, spec.description or "", tuple(tag.value for tag in spec.tags), query=_query(pipeline.applies),
        loads="\n\n\n".join(map(plan_sql, plans)), checks=checks,
    )  # fmt: skip
    return _placed(flow, replace(ir, pipelines=(pipeline,), streams=()), whole)


def _stream(stream: Stream, checked: CheckedSpec, ir: Ir, whole: Graph) -> Flow:
    spec = checked.project.streams[stream.name]
    written = next((node for node in reversed(stream.nodes) if getattr(node, "written", None)), stream.input)
    query = getattr(written, "written", None) or _text(stream.input)
    flow = Flow(stream.name, "", tuple(tag.value for tag in spec.tags), query=query.strip(), stream=True)
    return _placed(flow, replace(ir, pipelines=(), streams=(stream,)), whole)


def _check(expect: Expectation) -> tuple[str, str]:
    return expect.name, "the run fails" if expect.error else "it is told"


def _query(applies: Sequence[Apply]) -> str:
    return _text(applies[0].input).strip() if applies else ""


def _text(node: object) -> str:
    source = getattr(node, "source", None)
    return source.text if source is not None else getattr(node, "text", None) or getattr(node, "sql", None) or ""


def _placed(flow: Flow, alone: Ir, whole: Graph) -> Flow:
    """A flow with what it reads and writes, and its neighbours."""
    lineage = graph(alone, columns=True)
    reads = dict.fromkeys(str(step.source) for step in lineage.flows)
    writes = dict.fromkeys(f"{writer.target} ({writer.mode})" for writer in lineage.writers)
    targets, sources = {writer.target for writer in lineage.writers}, {step.source for step in lineage.flows}
    above = dict.fromkeys(w.name for w in whole.writers if w.target in sources and w.name != flow.name)
    below = dict.fromkeys(f.writer.name for f in whole.flows if f.source in targets and f.writer.name != flow.name)
    return replace(
        flow, reads=(*reads,), writes=(*writes,), upstream=(*above,), downstream=(*below,), drawing=graph_svg(lineage)
    )  # fmt: skip


def _datasets(whole: Graph) -> Iterator[tuple[str, tuple[str, ...], tuple[str, ...]]]:
    for dataset in whole.datasets:
        yield str(dataset), _writers(whole, dataset), _readers(whole, dataset)


def _writers(whole: Graph, dataset: Dataset) -> tuple[str, ...]:
    return tuple(dict.fromkeys(writer.name for writer in whole.writers if writer.target == dataset))


def _readers(whole: Graph, dataset: Dataset) -> tuple[str, ...]:
    return tuple(dict.fromkeys(flow.writer.name for flow in whole.flows if flow.source == dataset))
