"""Lowered pipelines and streams as JSON. Nodes say their type in `node`."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256

from flowc.compiler.ir import Apply, Ir, Node, Output, Pipeline, Source, Stream, Target
from flowc.render.json_values import as_json, json_value


def ir_json(ir: Ir) -> str:
    """All of them, pipelines first."""
    return as_json([*map(_pipeline, ir.pipelines), *map(_stream, ir.streams)])


def plan_id(pipeline: Pipeline) -> str:
    """Tells apart what a pipeline lowers to: the same for two versions of the specs that load the same way."""
    return sha256(as_json(_pipeline(pipeline)).encode()).hexdigest()[:16]


def _pipeline(pipeline: Pipeline) -> dict[str, object]:
    shown = _object(pipeline)
    if pipeline.applies:
        shown["applies"] = [_load(apply) for apply in pipeline.applies]
    return {"node": "pipeline", **shown}


def _load(apply: Apply) -> dict[str, object]:
    hooks = {"before": apply.before, "after": apply.after}
    texts = {key: [statement.sql for statement in statements] for key, statements in hooks.items() if statements}
    return {**_object(apply), "input": _node(apply.input), **texts}


def _stream(stream: Stream) -> dict[str, object]:
    """A stream: its nodes from sources to targets, each once; what is read of another one is told by its `id`."""
    bare = replace(stream, input=None, sources=(), nodes=(), lookups=(), applies=(), outputs=())
    bare = replace(bare, dead_letter=None, settings={})
    nodes: dict[str, object] = {
        "sources": [_node(source) for source in stream.sources],
        "lookups": [{"node": "lookup", **_object(lookup)} for lookup in stream.lookups],
        "nodes": [_node(node) for node in stream.nodes],
        "applies": [_apply(apply) for apply in stream.applies],
        "outputs": [_place(output) for output in stream.outputs],
        "dead_letter": _place(stream.dead_letter) if stream.dead_letter is not None else None,
    }
    return {
        "node": "stream",
        "name": stream.name,
        **{key: held for key, held in nodes.items() if held},
        **_object(bare),
    }


def _apply(apply: Apply) -> dict[str, object]:
    return {"node": "apply", **_object(apply), "input": apply.input.id}


def _place(place: Output | Target) -> dict[str, object]:
    return {"node": type(place).__name__.removesuffix("Output").lower(), **_object(place)}


def _node(node: Source | Node) -> dict[str, object]:
    return {"node": type(node).__name__.lower(), **_object(node)}


def _object(value: object) -> dict[str, object]:
    shown = json_value(value)
    assert isinstance(shown, dict)
    return shown
