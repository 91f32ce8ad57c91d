"""Lineage as text, as JSON and as a Mermaid flowchart."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from flowc.compiler.lineage import ColumnFlow, Dataset, Graph, Writer
from flowc.render.json_values import as_json
from flowc.render.style import printable

_ENTITIES = {"#": "#35;", "&": "#amp;", '"': "#quot;", "<": "#lt;", ">": "#gt;"}


def graph_text(graph: Graph) -> str:
    """Each target with what writes it and what that reads; columns below when they were followed."""
    blocks = []
    for target in dict.fromkeys(writer.target for writer in graph.writers):
        writers = (writer for writer in graph.writers if writer.target == target)
        blocks.append(
            "\n".join([printable(str(target)), *(line for owner in writers for line in _lines(graph, owner))])
        )
    return "\n\n".join(blocks)


def graph_json(graph: Graph) -> str:
    """Datasets, who writes them and what flows; columns where they were followed."""
    flows = [
        {"source": f.source, "target": f.target, "writer": f.writer.name, "stream": f.writer.stream, "lookup": f.lookup}
        for f in graph.flows
    ]
    columns = [
        {
            "source": f.source, "source_column": f.source_column, "target": f.target, "target_column": f.target_column,
            "writer": f.pipeline, "stream": f.stream,
        }
        for f in graph.columns
    ]  # fmt: skip
    return as_json({"datasets": graph.datasets, "writers": graph.writers, "flows": flows, "columns": columns})


def graph_mermaid(graph: Graph) -> str:
    """A `flowchart`: datasets are boxes, pipelines and streams label the arrows, those of lookups are dotted.

    With columns, each dataset is a subgraph.
    """
    ids = {dataset: f"d{i}" for i, dataset in enumerate(graph.datasets)}
    lines = ["flowchart LR"]
    if graph.columns:
        lines.extend(_mermaid_columns(graph.columns, ids))
        return "\n".join(lines)
    lines.extend(f'  {ids[dataset]}["{_quoted(str(dataset))}"]' for dataset in graph.datasets)
    for flow in graph.flows:
        arrow = "-.->" if flow.lookup else "-->"
        lines.append(f'  {ids[flow.source]} {arrow}|"{_quoted(flow.writer.name)}"| {ids[flow.target]}')
    return "\n".join(lines)


def _lines(graph: Graph, writer: Writer) -> Iterator[str]:
    yield f"  {printable(writer.name)} ({'stream, ' if writer.stream else ''}{writer.mode})"
    for flow in graph.flows:
        if flow.writer == writer:
            yield f"    <- {printable(str(flow.source))}{' (lookup)' if flow.lookup else ''}"
    sources_of: dict[str, list[str]] = defaultdict(list)
    for column in graph.columns:
        if (column.pipeline, column.stream, column.target) == (writer.name, writer.stream, writer.target):
            sources_of[column.target_column].append(f"{column.source}.{column.source_column}")
    yield from (f"    {printable(name)} <- {printable(', '.join(sources))}" for name, sources in sources_of.items())


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
    return "".join(_ENTITIES.get(letter, letter) for letter in printable(text))
