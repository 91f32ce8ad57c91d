"""A look at a stream: rows of its output, bad messages with their reasons, and the schemas of sources and output."""

from __future__ import annotations

from collections.abc import Sequence

from flowc.catalog import Column
from flowc.render.json_values import as_json
from flowc.render.style import Style, printable
from flowc.render.tables import table
from flowc.service.streams.previews import StreamPreview


def stream_preview_text(preview: StreamPreview, rows: int, style: Style) -> str:
    """The first rows, all bad messages, and which columns there are."""
    shown = table([column.name for column in preview.columns], preview.rows[:rows], style)
    parts = [shown] if preview.rows and rows else []
    parts += [f"bad message: {printable(text)}" for text in preview.bad]
    parts += [_schema(f"source `{name}`", columns) for name, columns in preview.sources.items()]
    parts += [_schema("output", preview.columns)] if preview.columns else []
    counts = ((preview.messages, "message"), (len(preview.rows), "row"), (len(preview.bad), "bad message"))
    return "\n".join([*parts, ", ".join(f"{count} {what}{'' if count == 1 else 's'}" for count, what in counts)])


def _schema(what: str, columns: Sequence[Column]) -> str:
    return f"{what}: " + ", ".join(f"{printable(column.name)} {column.type}" for column in columns)


def stream_preview_json(preview: StreamPreview, rows: int) -> str:
    """The same for programs."""
    names = [column.name for column in preview.columns]
    return as_json(
        {
            "stream": preview.name,
            "messages": preview.messages,
            "sources": {name: _types(columns) for name, columns in preview.sources.items()},
            "columns": _types(preview.columns),
            "rows": [dict(zip(names, row, strict=True)) for row in preview.rows[:rows]],
            "bad": preview.bad,
        }
    )


def _types(columns: Sequence[Column]) -> dict[str, str]:
    return {column.name: str(column.type) for column in columns}
