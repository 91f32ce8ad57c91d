"""The watermarks that loads leave in their targets."""

from __future__ import annotations

from flowc.compiler.dialects import DIALECTS
from flowc.compiler.ir import Apply
from flowc.compiler.quote import ident, table, text
from flowc.compiler.watermark import WATERMARKS
from flowc.runtime.connector import Database


def stored_watermark(apply: Apply, target: Database) -> str | None:
    """The watermark of an incremental load; None before the first one, and for other loads."""
    if apply.incremental is None:
        return None
    dialect = DIALECTS[apply.target.kind]
    state = dialect.state_table(WATERMARKS)
    if target.table(state) is None:
        return None
    name = text(f"{apply.target.connection}.{apply.target.name}", dialect)
    rows = target.query(
        f"SELECT {ident('value')} FROM {table(state)} "
        f"WHERE {ident('pipeline')} = {text(apply.pipeline, dialect)} AND {ident('target')} = {name}"
    ).to_pylist()
    return str(rows[0]["value"]) if rows else None
