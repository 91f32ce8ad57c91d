"""Topics that a stream writes: what can be written how, judged before anything runs."""

from __future__ import annotations

from flowc.catalog import Column
from flowc.compiler.ir import Output, TopicOutput
from flowc.errors import UsageError
from flowc.formats import FORMATS, JSON, RAW
from flowc.nodes import Changelog
from flowc.stream import DEAD_LETTER, TopicTarget
from flowc.types import Kind


def plan_target(output: Output, columns: tuple[Column, ...], stream: str, changes: Changelog) -> TopicTarget:
    """A topic with a message for each row of `columns`.

    Raises UsageError for what cannot be written so.
    """
    assert isinstance(output, TopicOutput)
    if output.format not in FORMATS or not FORMATS[output.format].encodes:
        message = f"stream `{stream}` cannot write messages of the format `{output.format}` yet"
        raise UsageError(message, code="not-runnable-yet", help=f"format: {JSON}")
    names = [column.name for column in columns]
    for name in output.key:
        if name not in names:
            message = f"the output of stream `{stream}` has no column `{name}` for the message key"
            raise UsageError(message, code="unknown-column", help="name columns of the output under `key`")
    for column in columns:
        if column.type.kind is Kind.UNKNOWN:
            message = f"the type of `{column.name}` in the output of stream `{stream}` is not known"
            raise UsageError(message, code="unknown-source-columns", help="CAST it in the SQL")
    return TopicTarget(output.connection, output.topic, output.format, columns, output.key, changes=changes)


def plan_letters(output: Output) -> TopicTarget:
    """A topic of dead letters."""
    assert isinstance(output, TopicOutput)
    return TopicTarget(output.connection, output.topic, RAW, DEAD_LETTER, letters=True)
