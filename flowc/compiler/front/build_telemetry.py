"""`telemetry`: where metrics and traces go."""

from __future__ import annotations

from flowc.compiler.front import nodes
from flowc.compiler.front.project import SinkSpec, TelemetrySpec
from flowc.compiler.front.yamltree import Node, TreeMap


def build_telemetry(node: TreeMap | None) -> TelemetrySpec:
    """What a project says of it."""
    if node is None:
        return TelemetrySpec()
    return TelemetrySpec(
        _sink(node.get("metrics")), _sink(node.get("traces")), _texts(node.get("resource")), nodes.given(node)
    )


def _sink(given: Node | None) -> SinkSpec:
    node = nodes.mapping(given)
    if node is None:
        return SinkSpec()
    sample = nodes.located(node.get("sample"))
    return SinkSpec(
        nodes.text(node.get("kind")) or "none",
        nodes.text(node.get("endpoint")),
        nodes.text(node.get("protocol")),
        headers=_texts(node.get("headers")),
        every=nodes.seconds(node.get("every")),
        sample=SinkSpec().sample if sample is None else float(str(sample.value)),
        spans=nodes.given(node),
    )


def _texts(node: Node | None) -> dict[str, str]:
    return {key: str(value) for key, value in nodes.plain_map(node).items()}
