"""The named sources of a pipeline that runs on DataFusion: whether each says what to read, in words of its kind."""

from __future__ import annotations

from collections.abc import Mapping

from flowc.compiler.checked import CheckedSource
from flowc.compiler.front.kinds import LOAD_SOURCE, able, can, is_database
from flowc.compiler.front.spec import SourceSpec
from flowc.compiler.front.streamkinds import source_kind
from flowc.compiler.names.tablenames import table_name
from flowc.diagnostics import Reporter
from flowc.formats import FORMATS
from flowc.source import Span

COMPRESSIONS = (".gz", ".bz2", ".xz", ".zst", ".zstd")


def format_of(path: str) -> str | None:
    """The format that a path's name tells, compression aside."""
    name = path.lower()
    for suffix in COMPRESSIONS:
        name = name.removesuffix(suffix)
    return next((kind for kind, format in FORMATS.items() if name.endswith(format.extensions)), None)


def check_source(source: CheckedSource, reporter: Reporter) -> bool:
    """Whether the source can be read; what is missing or too much is reported."""
    kind = source.connection.kind.value
    if not can(kind, LOAD_SOURCE):
        message = f"a pipeline cannot read from `{source.spec.connection.value}`, a connection of kind `{kind}`"
        readable = ", ".join(f"`{k}`" for k in able(LOAD_SOURCE))
        reporter.error("unsupported-source", message, source.spec.span, helps=(f"pipelines read from {readable}",))
        return False
    wanted = ("table", "sql") if is_database(kind) else (source_kind(kind).address,)
    if source.spec.table and table_name(source.spec.table, reporter, kind) is None:
        return False
    return _addressed(source, wanted, reporter) and _formatted(source, reporter)


def _given(spec: SourceSpec) -> Mapping[str, Span]:
    spans = {
        "path": spec.path.span if spec.path else None,
        "table": spec.table.span if spec.table else None,
        "sql": spec.sql.span(0, 0) if spec.sql else None,
    }
    return {key: span for key, span in spans.items() if span}


def _addressed(source: CheckedSource, wanted: tuple[str, ...], reporter: Reporter) -> bool:
    """Whether exactly one of the keys that say what to read is there, and no other."""
    given, kind = _given(source.spec), source.connection.kind.value
    words = " or ".join(f"`{key}`" for key in wanted)
    for key in given.keys() - set(wanted):
        message = f"a source of kind `{kind}` is read by {words}, not by `{key}`"
        reporter.error("conflicting-keys", message, given[key])
        return False
    if not given and not source.spec.sql_missing:
        message = f"the source needs {words}"
        reporter.error("missing-key", message, source.spec.span, helps=(f"add `{wanted[0]}:`",))
    elif len(given) > 1:
        reporter.error("conflicting-keys", f"{words} exclude each other", given[wanted[-1]])
    return len(given) == 1


def _formatted(source: CheckedSource, reporter: Reporter) -> bool:
    path = source.spec.path
    if path is None or source.spec.format or source.connection.options.get("format") or format_of(path.value):
        return True
    message = f"the format of `{path.value}` cannot be seen from its name"
    reporter.error("missing-key", message, path.span, helps=("add `format: csv`",))
    return False
