"""Lineage as text and as a Mermaid flowchart."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from flowc.compiler.lineage import ColumnFlow, Dataset, Graph
from flowc.render.style import printable


def graph_text(graph: Graph) -> str:
    """Each target with the pipelines that write it and what they read; columns below when they were followed."""
    blocks = []
    for target in dict.fromkeys(target for _, target in graph.targets):
        lines = [printable(str(target))]
        for pipeline in dict.fromkeys(name for name, written in graph.targets if written == target):
            lines.extend(_pipeline_lines(graph, pipeline, target))
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks)


def graph_mermaid(graph: Graph) -> str:
    """A `flowchart`: datasets are boxes, pipelines label the arrows; with columns, each dataset is a subgraph."""
    ids = {dataset: f"d{i}" for i, dataset in enumerate(graph.datasets)}
    lines = ["flowchart LR"]
    if graph.columns:
        lines.extend(_mermaid_columns(graph.columns, ids))
        return "\n".join(lines)
    lines.extend(f'  {ids[dataset]}["{_quoted(str(dataset))}"]' for dataset in graph.datasets)
    lines.extend(f'  {ids[flow.source]} -->|"{_quoted(flow.pipeline)}"| {ids[flow.target]}' for flow in graph.flows)
    return "\n".join(lines)


def _pipeline_lines(graph: Graph, pipeline: str, target: Dataset) -> list[str]:
    flows = [flow for flow in graph.flows if flow.pipeline == pipeline and flow.target == target]
    mode = f" ({flows[0].mode})" if flows else ""
    lines = [f"  {printable(pipeline)}{mode}", *(f"    <- {printable(str(flow.source))}" for flow in flows)]
    made: dict[str, list[str]] = defaultdict(list)
    for column in graph.columns:
        if column.pipeline == pipeline and column.target == target:
            made[column.target_column].append(f"{column.source}.{column.source_column}")
    return [*lines, *(f"    {printable(name)} <- {printable(', '.join(sources))}" for name, sources in made.items())]


def _mermaid_columns(columns: Sequence[ColumnFlow], ids: dict[Dataset, str]) -> list[str]:
    held: dict[Dataset, dict[str, str]] = {}
    for flow in columns:
        for dataset, column in ((flow.source, flow.source_column), (flow.target, flow.target_column)):
            names = held.setdefault(dataset, {})
            names.setdefault(column, f"{ids[dataset]}c{len(names)}")
    lines = []
    for dataset, names in held.items():
        lines.append(f'  subgraph {ids[dataset]}["{_quoted(str(dataset))}"]')
        lines.extend(f'    {id}["{_quoted(name)}"]' for name, id in names.items())
        lines.append("  end")
    arrows = (f"  {held[f.source][f.source_column]} --> {held[f.target][f.target_column]}" for f in columns)
    return [*lines, *dict.fromkeys(arrows)]


def _quoted(text: str) -> str:
    """Mermaid has no escapes inside quotes but entity codes."""
    return printable(text).replace("#", "#35;").replace('"', "#quot;").replace("<", "#lt;").replace(">", "#gt;")
