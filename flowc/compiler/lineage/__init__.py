"""Lineage: which tables, files and topics flow into which, and which columns into which.

`graph(ir)` follows datasets; `graph(ir, columns=True)` also follows each output column of each pipeline and stream back
to the columns it is made of.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import PurePosixPath

from flowc.compiler.front.streamkinds import is_folder
from flowc.compiler.ir import Ir
from flowc.compiler.lineage.columns import column_flows
from flowc.compiler.lineage.flows import ColumnFlow, Dataset, Flow, Graph, Writer
from flowc.compiler.lineage.writes import dataset, flows_of, writes_of

__all__ = ["ColumnFlow", "Dataset", "Flow", "Graph", "Writer", "dataset", "graph"]


def graph(ir: Ir, *, columns: bool = False) -> Graph:
    """The lineage of a project. Columns that cannot be followed (of unknown tables behind a `*`) are left out."""
    writes = writes_of(ir)
    flows = dict.fromkeys(flow for write in writes for flow in flows_of(write))
    followed = [flow for write in writes for flow in sorted(set(column_flows(write)))] if columns else []
    found = Graph(tuple(flows), tuple(followed), tuple(dict.fromkeys(write.writer for write in writes)))
    return _within_folders(found, ir)


def _within_folders(graph: Graph, ir: Ir) -> Graph:
    """The graph, in which files read of a folder that a stream writes are that folder."""
    outputs = (output for stream in ir.streams for output in stream.outputs)
    folders = {Dataset(output.connection, output.address) for output in outputs if is_folder(output.kind)}

    def settled(place: Dataset) -> Dataset:
        above = (Dataset(place.connection, str(folder)) for folder in PurePosixPath(place.name).parents)
        return next((folder for folder in above if folder in folders), place)

    if not folders:
        return graph
    flows = dict.fromkeys(replace(flow, source=settled(flow.source)) for flow in graph.flows)
    columns = dict.fromkeys(replace(flow, source=settled(flow.source)) for flow in graph.columns)
    return replace(graph, flows=tuple(flows), columns=tuple(columns))
