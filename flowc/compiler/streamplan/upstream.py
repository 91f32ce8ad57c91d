"""The functions and lookups upstream of a node: its rows depend on their code and on what they read."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from hashlib import sha256

from flowc.compiler.ir import Lookup, Node, Running, Sql, Stream, Window
from flowc.loadplan import FunctionPlan

_TOLD = 16
"""Letters of a digest that tell codes and queries apart."""


def upstream(node: Node, stream: Stream) -> dict[str, Mapping[str, str]]:
    """The functions and the lookups, by their names, that make the rows of a node; nothing where there are none."""
    before = [*_before(node, stream)]
    functions = {each.name: _function(each) for one in (*before, node) for each in _called(one)}
    texts = " ".join(each.text for each in before if isinstance(each, Sql))
    lookups = {each.name: _lookup(each) for each in stream.lookups if _names(texts, each.name)}
    told = {"functions": dict(sorted(functions.items())), "lookups": dict(sorted(lookups.items()))}
    return {name: found for name, found in told.items() if found}


def _before(node: Node, stream: Stream) -> Iterator[Node]:
    # one output of a dedupe of several inputs is called `node.input`
    for name in node.inputs if not isinstance(node, Sql) else [each for _, each in _read(node)]:
        found = next((each for each in stream.nodes if name in (each.id, f"{each.id}.{name.rpartition('.')[2]}")), None)
        if found is not None:
            yield found
            yield from _before(found, stream)


def _read(node: Sql) -> tuple[tuple[str, str], ...]:
    return node.placed.relations if node.placed is not None else ()


def _called(node: Node) -> Iterator[FunctionPlan]:
    if isinstance(node, Sql):
        yield from node.functions
    elif isinstance(node, Window | Running):
        yield from (each.declared for each in node.aggregates if each.declared is not None)


def _function(plan: FunctionPlan) -> str:
    return f"{plan.python} {plan.code[:_TOLD]}".rstrip()


def _lookup(lookup: Lookup) -> str:
    return sha256(f"{lookup.connection}\n{lookup.query}".encode()).hexdigest()[:_TOLD]


def _names(text: str, name: str) -> bool:
    """Whether SQL may read a relation. A column of that name is taken for it: then it says more than it has to."""
    return re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text, re.IGNORECASE) is not None
