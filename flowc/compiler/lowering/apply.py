"""How a pipeline's rows are written to one target, lowered."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from sqlglot import exp

from flowc.catalog import Column, Table
from flowc.compiler.checked import CheckedPipeline, CheckedTarget
from flowc.compiler.dialects import DIALECTS, as_read, source_of
from flowc.compiler.front.spec import ColumnSpec, ExpectSpec, Name, NormalizeSpec, PipelineSpec
from flowc.compiler.ir import Apply, Expectation, Incremental, Normalize, Source, Sql, Statement, Target
from flowc.compiler.loads.desired import declared_table, with_history
from flowc.compiler.loads.load import find_column
from flowc.compiler.loads.normalize import is_derived, normalize_column
from flowc.compiler.lowering.asking import note_hook, note_part
from flowc.compiler.lowering.context import Lowering, sqlglot_name
from flowc.compiler.lowering.functioncalls import check_reach
from flowc.compiler.lowering.hooks import check_hook, is_untold
from flowc.compiler.lowering.output import check_freshness, check_freshness_type, check_made, check_output
from flowc.compiler.names.badrows import failed_rows_of, quarantine_of
from flowc.compiler.quote import ident, quoted
from flowc.compiler.sql.relations import Field, Relation
from flowc.compiler.sql.text.sqltext import Parse, SqlTree, parse_condition, parse_order
from flowc.compiler.sql.text.templates import uses_watermark
from flowc.compiler.sql.translate import translate_expression
from flowc.compiler.sql.types.infer import check_expression
from flowc.diagnostics import Reporter, did_you_mean
from flowc.errors import UsageError
from flowc.source import Located, MappedText, Segment
from flowc.types import DataType, Kind

COLUMN = "make it a column in a pipeline's `sql` over sources, and ask for that column here"
_DEFAULT_SOFT_DELETE = "deleted_at"
_ORDER_BY = re.compile(r"\A\s*ORDER BY\s+")
"""What a translated order begins with."""
_VALUE = "{value}"
"""What stands for the value so far in the SQL of a normaliser."""


@dataclass
class _Writer:
    """Lowers one target of one pipeline. `columns` are the rows' columns, None where unknown."""

    pipeline: CheckedPipeline
    target: CheckedTarget
    columns: tuple[Column, ...] | None
    lowering: Lowering

    @property
    def dialect(self) -> str:
        """The sqlglot dialect of the target."""
        return sqlglot_name(self.target.connection.kind.value)

    @property
    def written(self) -> str:
        """The dialect that conditions are written in."""
        connection = self.target.connection
        return self.pipeline.dialect if self.pipeline.spec.dialect else sqlglot_name(connection.sql_kind)

    def rendered(self, text: MappedText, dialect: str) -> MappedText | None:
        """A text that the target runs, with its template filled in."""
        return self.lowering.rendered(text, self.pipeline, self.target.connection.name.value, dialect)

    def parsed(self, text: MappedText, parse: Parse) -> SqlTree | None:
        """A condition or an order that the target runs."""
        rendered, place = self.rendered(text, self.written), self.target.connection.name.value
        return self.lowering.parsed(rendered, place, self.written, parse) if rendered else None


def lower_apply(
    pipeline: CheckedPipeline,
    target: CheckedTarget,
    node: Sql | Source,
    columns: tuple[Column, ...] | None,
    lowering: Lowering,
) -> Apply:
    """The `Apply` of one target, its output checked. What is wrong is reported; the node is made all the same."""
    writer = _Writer(pipeline, target, columns, lowering)
    spec = pipeline.spec
    table, soft = _table(writer), spec.soft_delete_column.value if spec.soft_delete_column else _DEFAULT_SOFT_DELETE
    apply = Apply(
        pipeline=spec.name.value,
        input=node,
        target=_target(target, table),
        mode=target.mode,
        keys=target.keys,
        compare=tuple(c.value for c in spec.compare) or None,
        event_time=spec.event_time.value if spec.event_time else None,
        ttl=spec.ttl.value if spec.ttl else None,
        deletes=pipeline.deletes,
        soft_delete_column=soft if pipeline.deletes == "soft" else None,
        allow_empty=spec.allow_empty,
        dedupe=_dedupe(writer),
        incremental=_incremental(pipeline),
        normalize=_normalizers(writer),
        derived=_derived(target),
        before=_statements("before", spec.before, writer),
        after=_statements("after", spec.after, writer),
        expect=_expectations(writer, table),
        timezone=spec.timezone.value if spec.timezone else None,
        span=target.spec.span,
        quarantine=quarantine_of(pipeline, target),
        failed_rows=failed_rows_of(pipeline, target),
        project=lowering.checked.project.name,
        roles={(role, name.value): name.span for role, name in _roles(spec, target)},
    )
    apply = replace(apply, guarded=_guarded(apply))
    _check_columns(apply, columns, table, lowering.reporter)
    return apply


def _guarded(apply: Apply) -> bool:
    return any(is_untold(hook.sql, apply.target.kind) for hook in (*apply.before, *apply.after))


def _check_columns(apply: Apply, columns: tuple[Column, ...] | None, table: Table | None, reporter: Reporter) -> None:
    check_freshness_type(apply, reporter)
    if columns is None:
        return
    check_freshness(apply, columns, reporter)
    if table is not None:
        check_output(apply, columns, table, reporter)
    else:
        check_made(apply, columns, reporter)


def _roles(spec: PipelineSpec, target: CheckedTarget) -> Iterator[tuple[str, Name]]:
    """The columns that the load itself reads, each with its role."""
    if target.table:
        yield from (("table key", name) for name in target.table.natural_key or target.table.primary_key)
    yield from (("key", name) for name in target.spec.keys or spec.keys or target.spec.primary_key)
    yield from (("compare", name) for name in spec.compare)
    if spec.event_time:
        yield "event_time", spec.event_time
    if spec.incremental:
        yield "incremental", spec.incremental.column
    if spec.freshness:
        yield "freshness", spec.freshness.column


def _target(target: CheckedTarget, table: Table | None) -> Target:
    key = tuple(name.value for name in target.spec.primary_key)
    partition_by = tuple(name.value for name in target.spec.partition_by)
    return Target(
        target.connection.name.value, target.connection.kind.value, name=target.name, table=table, primary_key=key,
        partition_by=partition_by,
    )  # fmt: skip


def _table(writer: _Writer) -> Table | None:
    target = writer.target
    if target.table is None:
        return None
    table = replace(declared_table(target.table, target.connection.kind.value), name=target.name)
    if target.mode != "scd2":
        return table
    return with_history(table, event_type(writer.pipeline, table, writer.columns))


def event_type(pipeline: CheckedPipeline, table: Table | None, columns: tuple[Column, ...] | None) -> DataType | None:
    """The type of `valid_from`: the event time's, as declared in the target or as the query gives it."""
    if pipeline.spec.event_time is None:
        return None
    name = pipeline.spec.event_time.value
    for known in (table.columns if table else (), columns or ()):
        column = find_column(known, name)
        if column is not None and column.type.kind in (Kind.DATE, Kind.TIMESTAMP, Kind.TIMESTAMPTZ):
            return column.type
    return None


def _incremental(pipeline: CheckedPipeline) -> Incremental | None:
    spec = pipeline.spec.incremental
    if spec is None:
        return None
    texts = [pipeline.spec.sql, *(source.spec.sql for source in pipeline.sources)]
    in_sql = any(uses_watermark(text.text) for text in texts if text is not None)
    start: Any = spec.start.value if spec.start else None
    start = start if isinstance(start, str | int | float) or start is None else str(start)
    return Incremental(spec.column.value, start, spec.lag, in_sql)


def _statements(key: str, texts: tuple[MappedText, ...], writer: _Writer) -> tuple[Statement, ...]:
    """What stands under `before` or `after`. What would end the transaction is reported."""
    rendered = [found for text in texts if (found := writer.rendered(text, writer.dialect)) is not None]
    for text in rendered:
        before = writer.lowering.reporter.errors
        kind, bare = writer.target.connection.kind.value, writer.target.name.schema is None
        check_hook(text, key, kind, writer.lowering.reporter, bare=bare)
        if writer.lowering.reporter.errors == before:
            note_hook(writer.lowering, text, writer.dialect)
            if keys := writer.lowering.table_keys(writer.target.connection.name.value):
                keys.check_statement(text, writer.dialect, writer.lowering.reporter)
    return tuple(Statement(as_read(text.text, writer.dialect), text) for text in rendered)


# Conditions over the loaded rows


def _relation(writer: _Writer, table: Table | None) -> Relation:
    """What conditions can name: the target's columns where declared, else the rows'."""
    columns = table.columns if table is not None else writer.columns
    span = writer.target.table.key.span if writer.target.table is not None else None
    relation = Relation.of_table(writer.target.name, columns, f"`{writer.target.name}`", span)
    return replace(relation, inferred=table is None)


def _dedupe(writer: _Writer) -> str | None:
    spec = writer.pipeline.spec.dedupe
    if spec is None:
        return None
    parsed = writer.parsed(spec.order_by, parse_order)
    if parsed is None:
        return None
    made = _checked(writer, parsed, _rows(writer))
    return _ORDER_BY.sub("", made) if made is not None else None


def _rows(writer: _Writer) -> Relation:
    rows = Relation.of_table(writer.target.name, writer.columns, "the rows to load")
    return replace(rows, inferred=True)


def _checked(writer: _Writer, parsed: SqlTree, relation: Relation, *, condition: bool = False) -> str | None:
    reporter = writer.lowering.reporter
    connection = writer.target.connection
    place = (connection.name.value, connection.kind.value)
    if not check_reach(parsed, *place, COLUMN, writer.lowering):
        return None
    if not _is_plain(parsed, reporter) or not _stays_at_home(writer, parsed):
        return None
    before = reporter.errors
    value = check_expression(parsed, writer.dialect, relation, reporter)
    if condition:
        _check_condition(parsed, value.type, reporter)
    if reporter.errors == before:
        note_part(writer.lowering, parsed, relation, writer.dialect)
    return (
        as_read(parsed.written, writer.dialect)
        if parsed.dialect == writer.dialect
        else translate_expression(parsed, writer.dialect, reporter, writer.lowering.allowance)
    )


def _check_condition(parsed: SqlTree, kind: DataType, reporter: Reporter) -> None:
    """Reports a value that cannot be true or false."""
    numbers = source_of(parsed.dialect).numeric_conditions and kind.is_number
    if kind.kind not in (Kind.BOOL, Kind.UNKNOWN) and not numbers:
        message = f"this is a value of type {kind}, and has to be a condition"
        helps = ("compare it with something: a condition is true or false for each row",)
        reporter.error("not-a-condition", message, parsed.span(parsed.tree), helps=helps)


def _stays_at_home(writer: _Writer, parsed: SqlTree) -> bool:
    """Where loads work beside the tables, a condition sees the rows alone."""
    dialect = DIALECTS.get(writer.target.connection.kind.value)
    found = parsed.tree.find(exp.Table)
    if dialect is None or not dialect.attached or found is None:
        return True
    message = f"a subquery cannot read `{found.name}` here: no SQL runs in a connection of kind `{dialect.name}`"
    helps = ("join it in the `sql` of the pipeline",)
    writer.lowering.reporter.error("not-a-row-condition", message, parsed.span(found.this), helps=helps)
    return False


def _is_plain(parsed: SqlTree, reporter: Reporter) -> bool:
    """A condition judges one row: outside subqueries it holds no aggregate and no window."""
    for kind, name in ((exp.Window, "a window function"), (exp.AggFunc, "an aggregate")):
        for node in parsed.tree.find_all(kind):
            select = node.find_ancestor(exp.Select)
            if select is None or select.parent is None:
                message = f"{name} is not allowed here: it is asked of each row"
                reporter.error("not-a-row-condition", message, parsed.span(node))
                return False
    return True


def _expectations(writer: _Writer, table: Table | None) -> tuple[Expectation, ...]:
    if not writer.pipeline.spec.expect:
        return ()
    relation = _relation(writer, table)
    return tuple(_expectation(writer, spec, i, relation) for i, spec in enumerate(writer.pipeline.spec.expect, 1))


def _expectation(writer: _Writer, spec: ExpectSpec, number: int, relation: Relation) -> Expectation:
    sql, source, columns = None, None, tuple(c.value for c in spec.columns)
    if spec.sql is not None:
        parsed = writer.parsed(spec.sql, parse_condition)
        sql = _checked(writer, parsed, relation, condition=True) if parsed else None
        source = parsed.own if parsed else None
    known = None if relation.fields is None else [f.name for f in relation.fields]
    for column in spec.columns:
        if known is not None and column.value not in known:
            message = f"column `{column.value}` does not exist in {relation.title}"
            helps = did_you_mean(column.value, known)
            writer.lowering.reporter.error("unknown-column", message, column.span, helps=helps)
    name = spec.name.value if spec.name else f"{spec.kind}({', '.join(columns)})" if columns else f"sql_{number}"
    kind: Any = spec.kind
    aside = spec.quarantine is not None
    return Expectation(
        name, kind, columns=columns, sql=sql, error=spec.error, max_failures=spec.max_failures,
        max_ratio=spec.max_ratio, source=source, quarantine=aside,
    )  # fmt: skip


# Normalisers


def _derived(target: CheckedTarget) -> tuple[str, ...]:
    columns = target.table.columns if target.table is not None else ()
    return tuple(c.name.value for c in columns if is_derived(c))


def _normalizers(writer: _Writer) -> tuple[Normalize, ...]:
    """The normalisers of the columns that the rows have, or that are derived from them."""
    table = writer.target.table
    if table is None or writer.target.connection.kind.value not in DIALECTS:
        return ()
    found = (_normalizer(writer, column) for column in table.columns if column.normalize and _has(writer, column))
    return tuple(n for n in found if n is not None)


def _has(writer: _Writer, column: ColumnSpec) -> bool:
    made = any(n.name.value in ("derive", "default") for n in column.normalize)
    return made or writer.columns is None or find_column(writer.columns, column.name.value) is not None


def _normalizer(writer: _Writer, column: ColumnSpec) -> Normalize | None:
    reporter, before = writer.lowering.reporter, writer.lowering.reporter.errors
    column = replace(column, normalize=tuple(_translated(writer, column, each) for each in column.normalize))
    if reporter.errors > before:
        return None
    for count in range(1, len(column.normalize) + 1):
        part = replace(column, normalize=column.normalize[:count])
        try:
            made = normalize_column(part, ident(column.name.value), DIALECTS[writer.target.connection.kind.value])
        except UsageError as error:
            wrong = column.normalize[count - 1]
            span = wrong.argument.span if wrong.argument else wrong.name.span
            reporter.error(error.code, error.message, span, helps=[error.help] if error.help else [])
            return None
    return made


def _translated(writer: _Writer, column: ColumnSpec, normalizer: NormalizeSpec) -> NormalizeSpec:
    """A normaliser with its SQL, of `sql` and `derive`, checked and in the words of the target."""
    argument, written = normalizer.argument, sqlglot_name(writer.target.connection.sql_kind)
    if normalizer.name.value not in ("sql", "derive") or argument is None or not isinstance(argument.value, str):
        return normalizer
    own, rows, same = column.name.value, _rows(writer), written == writer.dialect
    if not same and rows.fields is not None:  # what stands for the value has to be found again in the translation
        value = next((field for field in rows.fields if field.name == own), Field(_VALUE, column.type.value))
        rows = replace(rows, fields=(*rows.fields, replace(value, name=_VALUE)))
    text = _argument_text(argument, quoted(own if same else _VALUE, written))
    parsed = parse_condition(text, written, writer.lowering.reporter)
    made = _checked(writer, parsed, rows) if parsed is not None else None
    if same or made is None:
        return normalizer
    return replace(normalizer, argument=Located(made.replace(ident(_VALUE), _VALUE), argument.span))


def _argument_text(argument: Located[Any], reference: str) -> MappedText:
    text = str(argument.value).replace(_VALUE, reference)
    span = argument.span
    return MappedText(text, span.file, (Segment(0, len(text), span.start, span.end),))
