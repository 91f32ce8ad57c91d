"""The SQL texts that rules look at, each once."""

from __future__ import annotations

from collections.abc import Iterator

from flowc.compiler.checked import CheckedSpec
from flowc.compiler.ir import Ir, Sql
from flowc.source import MappedText


def sql_texts(checked: CheckedSpec, ir: Ir | None) -> Iterator[tuple[MappedText, str]]:
    """The query of each pipeline that could be lowered, with the dialect it is written in."""
    for pipeline in ir.pipelines if ir is not None else ():
        node = pipeline.applies[0].input if pipeline.applies else None
        if isinstance(node, Sql) and node.source is not None:
            yield node.source, checked.pipelines[pipeline.name].dialect
