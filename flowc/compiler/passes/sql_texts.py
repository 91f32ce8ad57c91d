"""The SQL texts that rules look at, each once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from flowc.compiler.checked import CheckedSpec
from flowc.compiler.ir import Apply, Ir, Sql
from flowc.source import MappedText


@dataclass(frozen=True, slots=True)
class Query:
    """The query of a pipeline or a stream, the dialect that it is written in, and the tables that it is for."""

    text: MappedText
    dialect: str
    applies: tuple[Apply, ...]


def queries(checked: CheckedSpec, ir: Ir | None) -> Iterator[Query]:
    """The query of each pipeline and stream that could be lowered."""
    if ir is None:
        return
    for pipeline in ir.pipelines:
        node = pipeline.applies[0].input if pipeline.applies else None
        if isinstance(node, Sql) and node.source is not None:
            yield Query(node.source, checked.pipelines[pipeline.name].dialect, pipeline.applies)
    for stream in ir.streams:
        node = stream.input
        if isinstance(node, Sql) and node.source is not None:
            yield Query(node.source, node.dialect, stream.applies)


def sql_texts(checked: CheckedSpec, ir: Ir | None) -> Iterator[tuple[MappedText, str]]:
    """The text of each query, with its dialect."""
    return ((query.text, query.dialect) for query in queries(checked, ir))
