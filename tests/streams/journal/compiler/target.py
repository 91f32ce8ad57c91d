"""Journals that a stream writes: what can be written how, judged before anything runs."""

from __future__ import annotations

from flowc.catalog import Column
from flowc.compiler.ir import ConnectorOutput, Output
from flowc.errors import UsageError
from flowc.nodes import Changelog
from flowc.targets import ConnectorTarget, RowRules


def plan_target(output: Output, columns: tuple[Column, ...], stream: str, changes: Changelog) -> ConnectorTarget:
    """A journal of the rows of `columns`. Raises UsageError for what cannot be written so."""
    assert isinstance(output, ConnectorOutput)
    assert changes is Changelog.INSERT_ONLY, "the schema names no `key`, so changes are refused before"
    if output.format != "json":
        message = f"stream `{stream}` cannot write a journal of the format `{output.format}`"
        raise UsageError(message, code="unusable-option", help="format: json")
    rules = RowRules(json=tuple(column.name for column in columns))
    return ConnectorTarget(
        output.connection, output.kind, output.address, output.format, columns, accepts=rules, takes_positions=True
    )
