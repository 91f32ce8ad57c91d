"""The block `window` of a stream, as the query that it is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sqlglot import exp
from sqlglot.dialects.dialect import Dialect
from sqlglot.tokens import TokenType

from flowc.compiler.front.streamspec import StreamSpec, WindowSpec
from flowc.compiler.lowering.context import Lowering
from flowc.compiler.lowering.streamtime import microseconds
from flowc.compiler.quote import quoted
from flowc.compiler.sql.streams.tablefunctions import ctes_of, free
from flowc.compiler.sql.streams.windowcalls import END, KINDS, SESSION, START
from flowc.compiler.sql.text.sqltext import SqlTree, parse_condition
from flowc.source import MappedText, Segment, Span

_INPUT = "window_rows"
_FUNCTIONS = {str(kind): function for function, kind in KINDS.items()}
_LENGTHS = {
    "tumbling": ("size",), "hopping": ("hop", "size"), "cumulating": ("step", "size"),
    "session": ("gap", "max_duration"),
}  # fmt: skip
_Piece = tuple[str, MappedText | Span]


def window_text(
    stream: StreamSpec,
    window: WindowSpec,
    query: SqlTree | None,
    sources: Sequence[str],
    lowering: Lowering,
    *,
    dialect: str,
) -> MappedText | None:
    """The query of a block over another one, or over the only source; None after an error."""
    columns = list[MappedText]()
    for _, text in window.aggregate:
        rendered = lowering.plain(text, None, dialect)
        if rendered is None or parse_condition(rendered, dialect, lowering.reporter) is None:
            return None
        columns.append(rendered)
    taken = frozenset(sources) | {cte.alias for cte in ctes_of(query.tree)} if query is not None else frozenset(sources)
    name = free(_INPUT, taken) if query is not None else sources[0]
    pieces = [*_input(query, name, stream, dialect), *_select(stream, window, columns, name, dialect)]
    return _joined(pieces, stream.span)


def _input(query: SqlTree | None, name: str, stream: StreamSpec, dialect: str) -> Iterator[_Piece]:
    """The query before as a CTE, with those that it has before it."""
    if query is None:
        return
    text, span = query.text, stream.given.get("sql") or stream.given.get("sql_file") or stream.span
    at = _body(query, dialect)
    if at:
        yield text.text[:at], _part(text, 0, at, span)
        yield f", {_written(name, dialect)} AS (", span
    else:
        yield f"WITH {_written(name, dialect)} AS (", span
    yield text.text[at:], _part(text, at, len(text.text), span)
    yield "\n) ", span


def _body(query: SqlTree, dialect: str) -> int:
    """Where the query itself begins behind its CTEs; 0 without any."""
    if not ctes_of(query.tree) or not isinstance(query.tree, exp.Select):
        return 0
    depth = 0
    for token in Dialect.get_or_raise(dialect).tokenize(query.text.text):
        depth += (token.token_type is TokenType.L_PAREN) - (token.token_type is TokenType.R_PAREN)
        if depth == 0 and token.token_type is TokenType.SELECT:
            return int(token.start)
    return 0


def _part(text: MappedText, start: int, end: int, span: Span) -> MappedText | Span:
    """A part of a query, mapped to where it is written, or to the key that names its file."""
    if text.file is not span.file:
        return span
    return text.derive(text.text[start:end], [Segment(0, end - start, start, end)])


def _select(
    stream: StreamSpec, window: WindowSpec, columns: Sequence[MappedText], name: str, dialect: str
) -> Iterator[_Piece]:
    kind, block = window.kind.value, stream.given.get("window", stream.span)
    bounds = [START, END, *([SESSION] if kind == "session" else [])]
    yield f"SELECT {', '.join(bounds)}", window.kind.span
    for key in window.group_by:
        yield ", ", block
        yield _written(key.value, dialect), key.span
    for (output, _), text in zip(window.aggregate, columns, strict=True):
        yield ", ", block
        yield text.text, text
        yield f"\n AS {_written(output.value, dialect)}", output.span
    yield " FROM ", block
    yield f"{_FUNCTIONS[kind]}({_written(name, dialect)}", window.kind.span
    for length in _LENGTHS[kind]:
        said = window.lengths[length]
        yield f", INTERVAL '{microseconds(said.value)} microseconds'", said.span
    yield ") GROUP BY ", window.kind.span
    yield ", ".join(bounds), block
    for key in window.group_by:
        yield ", ", block
        yield _written(key.value, dialect), key.span


def _written(name: str, dialect: str) -> str:
    """A name, as people write it where that is the same."""
    if not name.isidentifier() or name != name.lower():  # what is no word may be no token either
        return quoted(name, dialect)
    tokens = Dialect.get_or_raise(dialect).tokenize(name)
    plain = len(tokens) == 1 and tokens[0].token_type is TokenType.VAR and tokens[0].text == name
    return name if plain else quoted(name, dialect)


def _joined(pieces: Sequence[_Piece], span: Span) -> MappedText:
    text, segments = "", list[Segment]()
    for said, origin in pieces:
        start = len(text)
        text += said
        if isinstance(origin, MappedText):
            segments += [Segment(s.start + start, s.end + start, s.origin, s.origin_end) for s in origin.segments]
        else:
            segments.append(Segment(start, len(text), origin.start, origin.end))
    return MappedText(text, span.file, tuple(segments))
