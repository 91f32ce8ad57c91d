"""`no-idle-policy`: windows over several sources, joined or not, that one without rows would hold up."""

from __future__ import annotations

from flowc.compiler.changelog import given_by, read_by
from flowc.compiler.checked import CheckedSpec
from flowc.compiler.ir import IntervalJoin, Ir, Node, Stream, Window
from flowc.diagnostics import Diagnostic, Reporter, Severity


def no_idle_policy(_checked: CheckedSpec, ir: Ir | None, reporter: Reporter) -> None:
    """Tells of windows that several sources go into, where nothing says when a silent one is set aside."""
    for stream in ir.streams if ir is not None else ():
        window = next((node for node in stream.nodes if isinstance(node, Window)), None)
        if window is None or stream.watermark.idle is not None or not _waits(stream):
            continue
        message = f"windows of stream `{stream.name}` wait for all of its sources, also for one that has no rows"
        helps = ("say when a silent one is set aside: `watermark: { idle: 2m }`",)
        reporter.add(Diagnostic("no-idle-policy", Severity.INFO, message, window.span, helps=helps))


def _waits(stream: Stream) -> bool:
    """Whether rows of several sources go into one window, or into windows that are joined."""
    return any(isinstance(node, Window | IntervalJoin) and len(_sources(node, stream)) > 1 for node in stream.nodes)


def _sources(node: Node, stream: Stream) -> set[str]:
    """The sources whose rows come to a node."""
    makers = {name: each for each in stream.nodes for name in given_by(each)}
    found, waiting = set[str](), [node]
    while waiting:
        for name in read_by(waiting.pop()):
            if name in makers:
                waiting.append(makers[name])
            else:
                found.add(name)
    return found
