"""Every limit that a user can meet: what is just under it passes, one more is told, and the reference has the number."""

# ruff: noqa: E501 -- a table of cases reads best with one case in a few lines

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import click
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from flowc.catalog import Column, TableName
from flowc.cli.arguments import seconds
from flowc.compiler import stages
from flowc.compiler.dialects import DIALECTS
from flowc.compiler.front import schemas
from flowc.compiler.front.schemacheck import check
from flowc.compiler.front.specfiles import read_text
from flowc.compiler.front.yamltree import parse
from flowc.compiler.loads.replace import replaced
from flowc.compiler.sql.relations import Catalogue, Relation
from flowc.compiler.sql.text.placed import is_small
from flowc.compiler.sql.text.sqltext import SqlTree, parse_query
from flowc.compiler.sql.translate import translate
from flowc.compiler.sql.types.infer import infer
from flowc.diagnostics import Reporter
from flowc.durations import size_text
from flowc.errors import FlowcError
from flowc.runtime.badrows import brief
from flowc.runtime.engine.context import demand_shallow
from flowc.runtime.formats.csv.options import CsvOptions
from flowc.runtime.formats.values import to_value
from flowc.runtime.systems.files.hive import unnameable
from flowc.source import MappedText, SourceFile
from flowc.types import BIGINT, DataType, Kind
from tests.commands import Inside
from tests.streams.filefolder import put
from tests.unit import project
from tests.unit.service_bounds import NOBODY_MEETS, SERVICE
from tests.unit.test_sql_templates import rendered

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "reference" / "limits.md"
WIDE = 1_000
"""Columns of the table that queries read."""


def codes_of(reporter: Reporter) -> list[str]:
    return [found.code for found in reporter.sorted()]


def query(sql: str, dialect: str = "duckdb") -> tuple[SqlTree | None, Reporter]:
    """A query as it is parsed."""
    reporter = Reporter()
    return parse_query(MappedText.whole(SourceFile("q.sql", sql)), dialect, reporter), reporter


def parsed(sql: str, dialect: str = "duckdb") -> list[str]:
    return codes_of(query(sql, dialect)[1])


def small(sql: str) -> list[str]:
    """What is told of a query before flowc's own engine is given it."""
    tree, reporter = query(sql)
    assert tree is not None
    is_small(tree, reporter)
    return codes_of(reporter)


def translated(sql: str) -> list[str]:
    tree, reporter = query(sql)
    assert tree is not None
    translate(tree, "datafusion", reporter)
    return codes_of(reporter)


def inferred(sql: str) -> list[str]:
    """What is told of the columns of a query of a table `t`."""
    table, catalogue = TableName.parse("t"), Catalogue()
    columns = [Column(f"c{number}", BIGINT) for number in range(WIDE)]
    catalogue.add("c", "duckdb", table, Relation.of_table(table, columns, "table `t`"))
    tree, reporter = query(sql)
    assert tree is not None
    infer(tree, "duckdb", lambda name: catalogue.find("c", "duckdb", name), reporter)
    return codes_of(reporter)


def shaped(text: str) -> list[str]:
    """What is told of the shape of a spec."""
    reporter = Reporter()
    root = parse(SourceFile("a.yaml", text), reporter)
    assert root is not None
    check(root, reporter)
    return codes_of(reporter)


def template(text: str) -> list[str]:
    return [code for code, _ in rendered(text)[1]]


def raised(act: Callable[..., object], *given: object) -> list[str]:
    """The code of what an action raises."""
    try:
        act(*given)
    except FlowcError as error:
        return [error.code or ""]
    except (ValueError, click.BadParameter):
        return ["refused"]
    return []


def pattern(text: str) -> list[str]:
    return raised(replaced, "x", text, "-", DIALECTS["postgres"])


def file_of(size: int, folder: Path) -> list[str]:
    reporter, path = Reporter(), folder / "a.sql"
    with path.open("wb") as file:
        file.truncate(size)
    read_text(path, reporter)
    return codes_of(reporter)


def table_named(kind: str, name: str, folder: Path) -> list[str]:
    spec = f"""
connections: {{ db: {{ kind: {kind}, url: "${{DB}}" }} }}
tables: {{ t: {{ connection: db, columns: {{ id: bigint primary key, {name}: int }} }} }}
"""
    return [found.code for found in project.check(folder, spec)[1]]


def normalised(steps: str, folder: Path) -> list[str]:
    table = f"tables: {{ t: {{ connection: db, columns: {{ a: {{ type: text, normalize: [{steps}] }} }} }} }}\n"
    made, reporter = "pipelines: { p: { from: db, sql: SELECT 'a' AS a, to: t } }\n", Reporter()
    stages.lint([project.write(folder, "connections: { db: { kind: duckdb, path: a } }\n" + table + made)], reporter)
    return [code for code in codes_of(reporter) if code == LARGE]


def columns_of(count: int) -> str:
    stars, rest = divmod(count, WIDE)
    return ", ".join([*["*"] * stars, *(f"1 AS z{number}" for number in range(rest))])


def wide_ctes(columns: int) -> str:
    """CTEs of ten times the table's columns, to which the table's own are counted."""
    each = ", ".join(["*"] * 10)
    return f"WITH {', '.join(f'q{n} AS (SELECT {each} FROM t)' for n in range(columns // (11 * WIDE)))} SELECT 1 AS x"


def read_again(steps: int, tokens: int) -> str:
    """An array in which each sign is read 31 times more, in so many brackets that 20 signs stand around its values."""
    deep = (steps + tokens * 20 - 109) // (31 - tokens)
    return f"SELECT {'ARRAY[' * 5}{', '.join(['1'] * ((deep + 1) // 2))}{']' * 5} AS x FROM t"


def folder_name(size: int) -> list[str]:
    told = unnameable(pa.array(["x" * (size - len("c="))]), "c")
    return ["value-does-not-fit" for marks, _, _ in told if pc.any(marks).as_py()]


def number_in_yaml(size: int) -> list[str]:
    return shaped(f"pipelines: {{ p: {{ to: t, retry: {{ factor: 1.{'0' * (size - 2)} }} }} }}")


def cut_words(size: int) -> list[str]:
    return [] if brief("x" * size) == "x" * size else ["cut"]


STREAM = """
connections: { drop: { kind: files, uri: ./drop }, wh: { kind: sqlite, path: wh.db } }
streams:
  s:
    source: { connection: drop, path: "*.jsonl", format: jsonl, columns: { id: bigint, n: text } }
    sql: SELECT id, CAST(n AS bigint) AS n FROM source
    to: { connection: wh, table: made, mode: append }
    on_error: dlq
"""


def replayed(attempt: int, folder: Path) -> list[str]:
    """Whether a letter is replayed that fails for the time `attempt`."""
    made = Inside(folder)
    made.write("specs/s.yaml", STREAM)
    put(folder / "drop", "a.jsonl", '{"id": 1, "n": "x"}\n')
    made.flowc("run", "s", "--once")
    (letter,) = made.flowc("dlq", "show", "s", "--json").json
    with sqlite3.connect(folder / "wh.db") as database:
        (table,) = database.execute("SELECT name FROM sqlite_master WHERE name LIKE '%dead_letters'").fetchone()
        database.execute(f"UPDATE {table} SET attempt = ?", [attempt])
    assert letter["attempt"] == 1
    return [] if made.flowc("dlq", "replay", "s", "--json").json["failed"] else ["parked"]


PARTED = """
connections: { drop: { kind: files, uri: ./drop }, lake: { kind: files, uri: ./lake } }
streams:
  s:
    source: { connection: drop, path: "*.jsonl", format: jsonl, columns: { id: bigint, n: bigint } }
    to: { connection: lake, path: out, format: jsonl, partition_by: [id] }
    batch: { max_rows: @ }
"""


def more_files(folders: int, folder: Path) -> list[str]:
    """Whether two epochs into so many folders each are more than a file in each of them."""
    made = Inside(folder)
    made.write("specs/s.yaml", PARTED.replace("@", str(folders)))
    put(folder / "drop", "a.jsonl", "".join(f'{{"id": {id_}, "n": {n}}}\n' for n in range(2) for id_ in range(folders)))
    assert made.flowc("run", "s", "--once").code == 0
    files = [path.read_text("utf-8") for path in (folder / "lake").rglob("*.jsonl")]
    assert sum(text.count("\n") for text in files) == 2 * folders
    return ["more files"] if len(files) > folders else []


Case = Callable[[int, Path], list[str]]


@dataclass(frozen=True, slots=True)
class Limit:
    """A row of the page: the number in its cell, what one more is told as, and how to come to it.

    `tried` makes something of a size and gives the codes of what is told of it; a text is the test elsewhere that does.
    """

    most: int
    tried: Case | str
    code: str = ""
    unit: str = "{}"
    step: int = 1
    """How much more is surely over."""
    by: str = ""

    @property
    def value(self) -> str:
        return self.unit.format(f"{self.most:,}")


LISTED = set[str]()
"""The constants that are limits."""


def of(module: str, name: str) -> Any:
    """A constant of the code."""
    LISTED.add(f"flowc.{module}:{name}")
    return getattr(import_module(f"flowc.{module}"), name)


def option(name: str) -> Any:
    return CsvOptions.__dataclass_fields__[name].default


def of_size(size: int) -> str:
    """A size as pages have it."""
    return re.sub(r"(?<=\d)(?=\D)", " ", size_text(size), count=1)


LARGE, DEEP, TEMPLATE, PATTERN = "sql-too-large", "sql-too-deep", "template-too-large", "normalizer-argument"
BOUNDS, PLACED, SANDBOX = "compiler.sql.text.bounds", "compiler.sql.text.placed", "compiler.sql.text.sandbox"
YAML, TEXTS, STREAMS = "unit/test_yaml_tree.py::", "unit/test_sql_text.py::", "unit/test_stream_sql_bounds.py::"
FILES, OVERFLOWS = "integration/test_files_bounded.py::", "integration/test_run_overflow.py::"
PARQUET, BAD_ROWS = "integration/test_files_parquet_sizes.py::", "integration/test_bad_rows_of_files.py::"
BATCHES = "streams/test_batch_bytes.py::"
_STEPS, _PER_TOKEN = of(BOUNDS, "MAX_STEPS"), of(BOUNDS, "STEPS_PER_TOKEN")
_PARTS, _PER_NODE = of("compiler.sql.text.allowance", "PARTS"), of("compiler.sql.text.allowance", "PARTS_PER_NODE")
_KEPT = of("runtime.streams.state.payloads", "MAX_LOOKUP")
_FILE, _LOOKUP = of("compiler.front.specfiles", "MAX_BYTES"), of("runtime.streams.lookups", "MAX_BYTES")
_LINE, _XZ = option("max_line"), of("runtime.stores.members", "MOST_MEMORY")
_LONG_LINE, _EPOCH = of("runtime.stores.files", "LARGEST"), of("compiler.names.windows", "LARGEST_EPOCH")
_SUM = 2 * 10_000 + 55
"""Steps of the sum of a range of 10,000."""

LIMITS = {
    "a file of YAML or SQL": Limit(_FILE, file_of, "file-too-large", of_size(_FILE)),
    "lists and mappings in each other": Limit(
        of("compiler.front.yamltree", "MAX_DEPTH"), YAML + "test_what_is_just_within_a_limit_is_read", "nesting-too-deep", "{} levels"
    ),
    "values that the aliases of a file repeat": Limit(
        of("compiler.front.yamltree", "MAX_ALIASED"), YAML + "test_what_is_just_within_a_limit_is_read", "alias-expansion"
    ),
    "a number in YAML": Limit(of("compiler.front.yamlscalars", "MAX_DIGITS"), lambda n, _: number_in_yaml(n), "wrong-type", "{} characters"),
    "the name of a project": Limit(of("compiler.front.build", "LONGEST_PROJECT"), lambda n, _: shaped(f"project: {'p' * n}"), "bad-value", "{} characters"),
    "the name of a table, column or index in PostgreSQL": Limit(
        DIALECTS["postgres"].names.longest or 0, lambda n, folder: table_named("postgres", "é" + "x" * (n - 2), folder),
        "name-too-long", "{} bytes",
    ),
    "the name of a table, column or index in MySQL": Limit(
        DIALECTS["mysql"].names.longest or 0, lambda n, folder: table_named("mysql", "é" * n, folder), "name-too-long", "{} characters"
    ),
    "a schedule": Limit(of("schedule", "MAX_CHARACTERS"), "unit/test_schedule.py::test_a_schedule_has_as_many_characters_as_are_read", "bad-schedule", "{} characters"),
    "due times that `--missing` looks at": Limit(of("service.runs.backfill", "MAX_SLOTS"), "runs/test_backfill.py::test_what_is_wrong_is_said", "unusable-option", by="a shorter range"),
    "turns of all loops of a text, and numbers of a `range`": Limit(
        of(SANDBOX, "MAX_ITERATIONS"),
        lambda n, _: template(f"{{% for i in range({n}) %}}{{% endfor %}}")
        or template(f"{{% for i in range({n // 2}) %}}{{% endfor %}}{{% for i in range({n - n // 2}) %}}{{% endfor %}}"),
        TEMPLATE,
    ),
    "what a template makes": Limit(of(SANDBOX, "MAX_SIZE"), lambda n, _: template("x" * (n - 1) + "{{ 1 }}"), TEMPLATE, "{} characters"),
    "steps: values that filters, calls and operators take and make": Limit(
        of(SANDBOX, "MAX_WORK"), lambda n, _: template("{% set x = range(10000) | sum %}" * (n // _SUM)), TEMPLATE, step=_SUM
    ),
    "steps of all templates of a project": Limit(
        of(SANDBOX, "PROJECT_WORK"), "unit/test_sql_templates.py::test_the_templates_of_a_project_may_do_so_much_together", TEMPLATE,
        f"{{}}, and {of(SANDBOX, 'WORK_PER_CHARACTER')} for each character",
    ),
    "what all templates of a project make": Limit(
        of(SANDBOX, "PROJECT_SIZE"), "unit/test_sql_templates.py::test_the_templates_of_a_project_make_so_much_together", TEMPLATE,
        f"{{}} characters, and {of(SANDBOX, 'SIZE_PER_CHARACTER')} for each of theirs",
    ),
    "the width that a number gives (`%9d`, `batch`, `slice`, `round`)": Limit(
        of(SANDBOX, "MAX_WIDTH"),
        lambda n, _: template(f"{{{{ '%{n}d' % 1 }}}}") + template(f"{{{{ [1] | batch({n}, 0) | list | length }}}}"),
        TEMPLATE,
    ),
    "a whole number": Limit(of(SANDBOX, "_MAX_BITS"), lambda n, _: template(f"{{% set x = 2 ** {n - 1} %}}"), TEMPLATE, "{} bits"),
    "a SQL text": Limit(of("compiler.sql.text.sqltext", "MAX_CHARACTERS"), lambda n, _: parsed("SELECT 1 AS a".ljust(n)), LARGE, "{} characters"),
    "an interval in SQL": Limit(of(BOUNDS, "MAX_INTERVAL"), TEXTS + "test_an_interval_has_as_many_characters_as_can_be_read", LARGE, "{} characters"),
    "dedupes of a query": Limit(of("compiler.sql.streams.tablefunctions", "MAX_CALLS"), "streams/test_graph_sql.py::test_a_query_has_as_many_dedupes_as_are_quick", LARGE),
    "windows of a query": Limit(of("compiler.sql.streams.windowcalls", "MAX_WINDOWS"), "unit/test_window_sql.py::test_a_query_has_as_many_windows_as_are_quick", LARGE),
    "values that a window or a running aggregate puts together": Limit(
        of("compiler.lowering.windowcut", "MAX_AGGREGATES"), "unit/test_window_sql.py::test_windows_have_as_many_aggregates_as_are_quick", LARGE
    ),
    "values that windows and running aggregates of a project put together": Limit(
        of("compiler.sql.text.allowance", "VALUES"), "unit/test_window_sql.py::test_the_windows_of_a_project_have_as_many_aggregates_as_are_quick",
        LARGE, f"{{}}, and one for each {of('compiler.sql.text.allowance', 'CHARACTERS_PER_VALUE')} characters of their SQL",
    ),
    "windows of a hop that a row is in, and steps of a window of `cumulate`": Limit(
        of("compiler.sql.streams.windowcalls", "MAX_OVERLAPS"), "unit/test_window_sql.py::test_windows_overlap_as_often_as_is_quick", LARGE
    ),
    "normalisers of a column": Limit(of("compiler.loads.normalize", "MAX_STEPS"), lambda n, folder: normalised("trim, " * n, folder), LARGE),
    "SQL of a column's normalisers": Limit(
        of("compiler.loads.normalize", "MAX_SQL"), lambda n, folder: normalised("{ sql: \"'" + "x" * (n - 6) + "'\" }", folder), LARGE, "{} characters"
    ),
    "a number in SQL": Limit(of(BOUNDS, "MAX_DIGITS"), TEXTS + "test_a_number_has_as_many_digits_as_can_be_read", LARGE, "{} digits"),
    "columns of a query": Limit(of("compiler.sql.types.inferfrom", "MAX_COLUMNS"), lambda n, _: inferred(f"SELECT {columns_of(n)} FROM t"), LARGE),
    "columns of all queries of a text": Limit(
        of("compiler.sql.types.inferfrom", "_MAX_ALL"), lambda n, _: inferred(wide_ctes(n)), LARGE, step=11 * WIDE
    ),
    "brackets, CASE and nested types in each other": Limit(
        of(BOUNDS, "MAX_NESTING"), TEXTS + "test_parentheses_are_read_up_to_the_limit", DEEP, "{} levels"
    ),
    "operators in a row": Limit(of(BOUNDS, "MAX_OPERATORS"), TEXTS + "test_operators_in_a_row_are_read_up_to_the_limit", DEEP),
    "terms in a row of AND, OR, `+`, <code>&#124;&#124;</code> and the like": Limit(
        of(BOUNDS, "MAX_LISTED"), TEXTS + "test_operators_in_a_row_are_read_up_to_the_limit", DEEP
    ),
    "steps to read what stands behind names of types again": Limit(
        _STEPS, lambda n, _: parsed(read_again(n, _PER_TOKEN)), DEEP, f"{{}}, and {_PER_TOKEN} for each word and sign",
        step=2 * (31 - _PER_TOKEN),
    ),
    "joins in a row that need no condition, as of `json_each(…)`": Limit(
        of(BOUNDS, "_MAX_BARE_JOINS"),
        lambda n, _: parsed(f"SELECT 1 AS a FROM t {' '.join(f'JOIN json_each(t.j) j{i}' for i in range(n))}", "sqlite"),
        "join-without-condition",
    ),
    "what is written in the place of a project's SQL for other engines": Limit(
        _PARTS, "unit/test_allowance.py::test_as_much_is_written_as_is_allowed", LARGE, f"{{}} parts, and {_PER_NODE} for each of the author's"
    ),
    "tables that a query reads, a CTE's as often as it is named": Limit(
        of(PLACED, "MAX_TABLES"), lambda n, _: small(" UNION ALL ".join(["SELECT a FROM t"] * n)), LARGE
    ),
    "tables in one FROM": Limit(
        of(PLACED, "MAX_JOINED"), lambda n, _: small(f"SELECT 1 AS a FROM {', '.join(f't t{i}' for i in range(n))}"), LARGE
    ),
    "queries that read from each other in a row": Limit(
        of(PLACED, "MAX_QUERIES"), STREAMS + "test_what_grows_in_the_engine_is_refused_before_it_does", LARGE
    ),
    "levels of `coalesce` or BETWEEN in each other": Limit(
        of(PLACED, "MAX_TAKEN"), STREAMS + "test_values_that_the_optimizer_looks_at_again_and_again_are_bounded", DEEP
    ),
    "terms in a row of operators, but for AND and OR": Limit(
        of("compiler.sql.translate", "MOST_TERMS"), lambda n, _: translated(f"SELECT {' + '.join(['a'] * n)} AS x FROM t"), DEEP
    ),
    "brackets, calls and CASE in each other": Limit(
        of("runtime.engine.context", "_DEPTH") - 4,
        lambda n, _: raised(demand_shallow, f"SELECT {'abs(' * n}a{')' * n} AS x"), DEEP, "{} levels",
    ),
    "groups of a pattern in each other": Limit(
        of("compiler.regex.reader", "_DEEPEST"), lambda n, _: pattern("(" * n + "a" + ")" * n), PATTERN
    ),
    "a count in a pattern (`a{9}`)": Limit(of("compiler.regex.reader", "_MOST_COUNT"), lambda n, _: pattern(f"a{{{n}}}"), PATTERN),
    "steps of a pattern of `regex_replace`: its characters, classes and alternatives": Limit(
        of("compiler.regex.machine", "_MOST_STEPS"), lambda n, _: pattern("|".join("a" * (n - 1))), PATTERN
    ),
    "states in which `regex_replace` may be within a text, about one for each step": Limit(
        of("compiler.regex.same", "_MOST_STATES"), lambda n, _: pattern("a" * (n - 2)), PATTERN
    ),
    "the time of the processor that SQLite spends on a pattern and one text": Limit(int(of("runtime.systems.sqlite.patterns", "_SECONDS")), "unit/test_patterns_timed.py::test_they_end", "value-refused", "{} seconds"),
    "a line of CSV or JSON, a row, an element of an array": Limit(
        _LINE, FILES + "test_a_line_over_the_limit_is_a_bad_row", "", of_size(_LINE), by=f"`read.max_line`, up to {of_size(_LONG_LINE)}"
    ),
    "columns of a file": Limit(option("max_columns"), FILES + "test_too_many_columns_are_an_error", "unreadable-file", by="`read.max_columns`"),
    "the memory that a file of `.xz` takes to be decompressed": Limit(_XZ, "integration/test_files_members.py::test_xz_takes_no_more_memory_than_it_may", "unreadable-file", of_size(_XZ)),
    "a row of Parquet": Limit(_LONG_LINE, PARQUET + "test_a_value_that_nothing_can_hold_is_told", "unreadable-file", of_size(_LONG_LINE)),
    "lists and objects in each other in a field of JSON that nobody declared": Limit(
        of("runtime.formats.json.kinds", "_DEEPEST"), BAD_ROWS + "test_types_are_made_of_so_many_levels", "", "{} levels", by="`columns` of the source"
    ),
    "fields of the first messages of a topic whose `columns` nobody declared, with those within others": Limit(
        of("runtime.formats.json.discover", "_MOST"), FILES + "test_messages_with_too_many_fields_are_an_error", "unknown-source-columns", by="`columns` of the source"
    ),
    "the exponent of a number in JSON that a decimal or text takes": Limit(
        of("runtime.formats.values", "_MOST_DIGITS"),
        lambda n, _: raised(to_value, pa.array([f"1e{n}"]), DataType(Kind.DECIMAL)) + raised(to_value, pa.array([f"1e-{n}"]), DataType(Kind.DECIMAL)),
    ),
    "the bytes of an epoch": Limit(
        of("stream", "MAX_BYTES"), BATCHES + "test_rows_of_a_file_come_together_up_to_so_many_bytes", "", of_size(of("stream", "MAX_BYTES")), by=f"`batch.max_bytes`, up to {of_size(_EPOCH)}"
    ),
    "one column of what the SQL makes of an epoch": Limit(2**31, BATCHES + "test_more_bytes_than_a_column_counts_are_a_diagnostic", "epoch-too-large", of_size(2**31)),
    "what one operator of a stream remembers, in memory": Limit(
        of("nodes", "MAX_STATE"), "streams/test_keyed.py::test_what_takes_too_much_is_refused_with_the_mend", "state-too-large",
        of_size(of("nodes", "MAX_STATE")), by=f"`state.max_bytes`, up to {of_size(of('compiler.names.windows', 'LARGEST_STATE'))}",
    ),
    "a lookup that an epoch names, compressed": Limit(
        _KEPT, "streams/test_state_store.py::test_a_lookup_that_is_too_large_is_not_kept", "lookup-too-large", of_size(_KEPT)
    ),
    "a lookup in memory": Limit(
        _LOOKUP, "streams/test_sql_lookups.py::test_a_lookup_that_is_too_large_is_refused", "lookup-too-large", of_size(_LOOKUP)
    ),
    "the name of a folder, `column=value`, of `partition_by`": Limit(
        of("runtime.systems.files.hive", "_LONGEST"), lambda n, _: folder_name(n), "value-does-not-fit", "{} bytes"
    ),
    "folders of `partition_by` in which a file is open": Limit(of("runtime.systems.files.target", "_OPEN_FILES"), more_files),
    "times that a dead letter is replayed": Limit(of("stream", "MAX_ATTEMPTS"), replayed, by="`dead_letter.max_attempts`"),
    "what is kept of the words about a bad row": Limit(
        of("runtime.badrows", "_WORDS"), lambda n, _: cut_words(n), unit="{} characters"
    ),
    "seconds that an option names": Limit(int(of("cli.arguments", "_LONGEST")), lambda n, _: raised(seconds, str(n))),
    "clients that the daemon answers at a time": Limit(
        of("service.daemon.http", "_MOST"), "unit/test_daemon_http.py::test_clients_that_wait_do_not_pile_up_and_shut_nobody_out"
    ),
    "a plan as Markdown, for a comment": Limit(
        of("render.migration_markdown", "LONGEST"), "integration/test_plan_forms.py::test_a_comment_fits_whatever_the_plan", unit="{} characters"
    ),
}  # fmt: skip
TRIED = [
    pytest.param(limit, limit.tried, id=name) for name, limit in LIMITS.items() if not isinstance(limit.tried, str)
]


@pytest.mark.parametrize(("limit", "tried"), TRIED)
def test_a_limit_is_where_it_is_said_to_be(limit: Limit, tried: Case, tmp_path: Path):
    under, over = tmp_path / "under", tmp_path / "over"
    under.mkdir()
    over.mkdir()
    assert tried(limit.most, under) == []
    told = set(tried(limit.most + limit.step, over))
    assert told == {limit.code} if limit.code else len(told) == 1


def rows() -> Iterator[list[str]]:
    """The cells of the page's tables."""
    for line in PAGE.read_text("utf-8").splitlines():
        if line.startswith("| ") and not line.startswith("| limit "):
            yield [cell.strip() for cell in line.strip("|").split("|")]


def test_the_page_has_each_limit_and_its_number():
    assert [name for name, *_ in rows()] == list(LIMITS)
    for name, value, told, by in rows():
        limit = LIMITS[name]
        assert (value, by) == (limit.value if limit.unit.count("{") else limit.unit, limit.by), name
        assert re.findall(r"diagnostics/([\w-]+)\.md", told) == [limit.code] * bool(limit.code), name


def test_the_pages_of_codes_have_the_same_numbers():
    """Those that have numbers of a code's own."""
    for name, limit in LIMITS.items():
        page = ROOT / "docs" / "diagnostics" / f"{limit.code}.md"
        if limit.code.endswith(("-too-large", "-too-deep", "-too-long", "-expansion")):
            number = re.match(r"[\d,]*\d( [KMG]iB)?", limit.value)
            assert number is not None
            assert re.search(rf"(?<![\d,]){number[0]}(?![\d,]\d)", page.read_text("utf-8")), name


@pytest.mark.parametrize("place", sorted({limit.tried for limit in LIMITS.values() if isinstance(limit.tried, str)}))
def test_what_is_tried_elsewhere_is(place: str):
    path, _, name = place.partition("::")
    assert f"def {name}(" in (ROOT / "tests" / path).read_text("utf-8")


INTERNAL = {
    **NOBODY_MEETS,
    "compiler.front.schemacheck": "how many words a help lists",
    "compiler.lowering.output": "how long a help is",
    "compiler.names.lookup": "after so many, unknown names are told without a near match",
    "compiler.systems.": "what rules of translation write, each by its engine's types",
    "compiler.sql.rewrite.": "what rules of translation write, each by its engine's types",
    "runtime.streams.trail": "places of a partition that are kept: the begin is always one of them",
    "runtime.streams.queues": "how much of a source that forgets is in hand: nothing is refused for it",
    "compiler.sql.text.statements": "places that are tried to find where a statement ends",
    "compiler.tables.ddl": "names that flowc makes itself",
    "render.snippet": "lines that are shown of a text",
    "render.tables": "what is folded into the width of a terminal",
    "runtime.arrow": "digits of Arrow's decimals; longer ones are kept as texts",
    "runtime.systems.delta.": "how much is done in one go",
    "runtime.systems.kafka.sizes": "what librdkafka's own settings may be",
    "runtime.systems.sqlite.limits": "what the types of databases hold",
    "runtime.systems.mysql.wire": "of MySQL's protocol",
    "runtime.systems.sqlite.patterns": "which of two engines matches a pattern",
    "runtime.text.jsonb": "digits of PostgreSQL's numeric",
    "runtime.text.jsonparts": "of places in JSON, as 32 bits count them",
    "runtime.text.postgres": "digits of a float",
    "runtime.streams.aggregates.": "the greatest number of 64 bits, and when the parts of a sum are put in order",
    "runtime.streams.keyed.firsts": "which of two ways is taken",
    "service.checking.duckdb": "which of two ways is taken",
    "service.access.locks": "a wait of days is one without an end",
}
"""Constants that look like limits and that nobody meets, by the start of their modules."""
CONSTANT = re.compile(r"^_?(?:[A-Z]+_)*(?:MAX|MOST|LONGEST|DEEPEST|LARGEST)(?:_[A-Z]+)*$")
ASSIGNED = re.compile(r"^([A-Z_]+(?:, [A-Z_]+)*)(?:: [^=]+)? = ", re.MULTILINE)


def constants() -> Iterator[str]:
    """The names of modules that sound like limits."""
    for path in sorted((ROOT / "flowc").rglob("*.py")):
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        names = ", ".join(ASSIGNED.findall(path.read_text("utf-8"))).split(", ")
        yield from (f"{module}:{name}" for name in names if CONSTANT.match(name))


def test_each_constant_that_sounds_like_a_limit_is_one_or_is_known_to_be_none():
    inner, found = tuple(f"flowc.{start}" for start in INTERNAL), list(constants())
    assert [name for name in found if name not in LISTED and not name.startswith(inner)] == []
    assert [start for start in inner if not any(name.startswith(start) for name in found)] == []


PIPELINE, STREAM_ = "pipelines: { p: { to: t, %s } }", "streams: { s: { to: t, %s } }"
EXPECT = PIPELINE % "expect: [{ %s, max_failures: @ }]"
READ = PIPELINE % "from: { connection: f, path: x, format: csv, read: { %s: @ } }"
WINDOW = STREAM_ % "window: { %s, group_by: [a], aggregate: { n: count(*) }, max_groups: @ }"
BOUNDED = {
    **SERVICE,
    "expectation/anyOf/0/properties/max_failures/anyOf/0": EXPECT % "not_null: [a]",
    "expectation/anyOf/1/properties/max_failures/anyOf/0": EXPECT % "unique: [a]",
    "expectation/anyOf/2/properties/max_failures/anyOf/0": EXPECT % "sql: a > 1",
    "messages/items/properties/_partition": "tests: { t: { stream: s, steps: [{ rows: [{ _partition: @ }] }] } }",
    "pipeline/properties/max_bad/anyOf/0": PIPELINE % "max_bad: @",
    **{f"pipeline/properties/retry/properties/{k}": PIPELINE % f"retry: {{ {k}: @ }}" for k in ("attempts", "factor")},
    **{f"read/properties/{key}": READ % key for key in ("infer_rows", "skip_rows", "max_columns")},
    "roll/properties/rows": "streams: { s: { to: { connection: f, path: x, roll: { rows: @ } } } }",
    "stream/properties/dead_letter/properties/max_attempts": STREAM_ % "dead_letter: { max_attempts: @ }",
    "stream/properties/batch/properties/max_rows": STREAM_ % "batch: { max_rows: @ }",
    "stream/properties/parallelism": STREAM_ % "parallelism: @",
    "stream/properties/restart/properties/max_restarts": STREAM_ % "restart: { max_restarts: @ }",
    "window/oneOf/0/properties/max_groups": WINDOW % "kind: tumbling, size: 1m",
    "window/oneOf/1/properties/max_groups": WINDOW % "kind: hopping, size: 2m, hop: 1m",
    "window/oneOf/2/properties/max_groups": WINDOW % "kind: cumulating, size: 2m, step: 1m",
    "window/oneOf/3/properties/max_groups": WINDOW % "kind: session, gap: 1m, max_duration: 1h",
    "pubsub/properties/dead_letter_policy/properties/max_delivery_attempts": "connections: { c: { kind: pubsub, "
    "project: p, dead_letter_policy: { topic: t, max_delivery_attempts: @ } } }",
    "rabbitmq/properties/prefetch": 'connections: { c: { kind: rabbitmq, url: "${R}", prefetch: @ } }',
}
"""A spec for each number that a schema bounds, by its place in that."""


def bounds(schema: Any, place: str) -> Iterator[tuple[str, int, int]]:
    """The places of a schema that bound a number, and between what."""
    if isinstance(schema, dict) and "maximum" in schema and not isinstance(schema["maximum"], dict):
        yield place, schema["minimum"], schema["maximum"]
    parts = schema.items() if isinstance(schema, dict) else enumerate(schema) if isinstance(schema, list) else ()
    for name, part in parts:
        yield from bounds(part, f"{place}/{name}")


def every_bound() -> Iterator[tuple[str, int, int]]:
    for name, schema in schemas.load("project.json")["$defs"].items():
        yield from bounds(schema, name)
    for path in sorted((ROOT / "schemas" / "connectors").glob("*.json")):
        yield from bounds(schemas.load(f"connectors/{path.name}"), path.stem)


@pytest.mark.parametrize(("place", "least", "most"), [pytest.param(*bound, id=bound[0]) for bound in every_bound()])
def test_a_number_of_a_spec_is_within_what_its_schema_says(place: str, least: int, most: int):
    spec = BOUNDED[place]
    for number, told in ((least, []), (most, []), (least - 1, ["bad-value"]), (most + 1, ["bad-value"])):
        assert shaped(spec.replace("@", str(number))) == told, number


@pytest.mark.parametrize(
    ("kind", "spec"), [("duration", PIPELINE % "timeout: @"), ("size", STREAM_ % "batch: { max_bytes: @ }")]
)
def test_a_number_with_a_unit_has_as_many_digits_as_its_schema_says(kind: str, spec: str):
    schema = schemas.load("project.json")["$defs"][kind]
    digits = re.findall(r"\{1,(\d+)\}[^a-zA-Z]*([a-zA-Z]+)", schema["pattern"])
    assert re.findall(r"\d+", schema["description"]) == [count for count, _ in digits]
    for count, unit in digits:
        assert shaped(spec.replace("@", "9" * int(count) + unit)) == []
        assert shaped(spec.replace("@", "9" * (int(count) + 1) + unit)) == ["bad-value"]


@pytest.mark.parametrize("name", ["delimiter", "quote", "escape", "comment"])
def test_a_mark_of_csv_is_one_character(name: str):
    assert shaped((READ % name).replace("@", '";"')) == []
    assert shaped((READ % name).replace("@", '";;"')) == ["bad-value"]
