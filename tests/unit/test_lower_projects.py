"""Projects to IR: what pipelines wait for, what they read and write, and what is wrong with them."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from flowc.compiler.ir import Ir, Source, Sql
from flowc.compiler.lowering.lower import lower, lower_pipeline
from flowc.diagnostics import Reporter
from flowc.service.loads.blame import blame
from tests.unit.project import Found, check, found

HEAD = """
vars: { region: eu }
connections:
  db: { kind: postgres, url: "${DB}" }
  lite: { kind: sqlite, path: app.db }
  drop: { kind: files, uri: inbox }
tables:
  orders:
    connection: db
    columns: { id: bigint primary key, customer_id: bigint, amount: "numeric(12,2)", note: text, placed: timestamptz }
  dim:
    connection: db
    columns: { id: bigint primary key, note: { type: text, normalize: [lower, trim] }, placed: timestamptz }
  strict:
    connection: db
    columns: { id: smallint primary key, note: varchar(3) not null, kind: { type: text, default: "'x'" } }
pipelines:
"""


def lowered(folder: Path, pipelines: str, env: dict[str, str] | None = None) -> tuple[Ir, list[Found]]:
    checked, problems = check(folder, HEAD + pipelines)
    assert checked is not None
    assert problems == []
    reporter = Reporter()
    ir = lower(checked, reporter, env=env or {})
    return ir, found(reporter.sorted())


def test_sql_of_the_engines_own_dialect_stays_as_it_is(tmp_path: Path):
    ir, problems = lowered(tmp_path, "  p: { sql: 'select  ID, note   from orders;', to: dim }\n")
    assert problems == []
    node = ir.pipelines[0].applies[0].input
    assert isinstance(node, Sql)
    assert node.text == "select  ID, note   from orders"
    assert [str(name) for name in node.reads] == ["orders"]
    assert [f"{c.name} {c.type}" for c in node.columns or ()] == ["id bigint", "note text"]
    assert node.inputs[0].connection == "db"


def test_another_dialect_is_translated_and_its_names_are_resolved(tmp_path: Path):
    text = "  p: { dialect: mysql, sql: 'SELECT `id`, IFNULL(note, 1) AS note FROM orders', to: dim }\n"
    ir, problems = lowered(tmp_path, text)
    assert problems == []
    node = ir.pipelines[0].applies[0].input
    assert isinstance(node, Sql)
    assert 'SELECT "id", COALESCE(note, 1) AS note' in node.text


def test_what_cannot_be_translated_is_an_error(tmp_path: Path):
    text = "  p: { dialect: spark, sql: 'SELECT id, my_function(note) AS note FROM orders', to: dim }\n"
    assert lowered(tmp_path, text)[1] == [Found("untranslatable-sql", "my_function(note")]


def test_pipelines_come_after_what_they_read(tmp_path: Path):
    ir, problems = lowered(
        tmp_path,
        """
  c: { sql: SELECT id FROM b_out, to: { connection: db, table: c_out } }
  b: { sql: SELECT id FROM public.a_out, to: { connection: db, table: b_out } }
  a: { sql: SELECT id FROM orders, to: { connection: db, table: a_out } }
  d: { sql: SELECT id FROM a_out, to: { connection: db, table: d_out }, depends_on: [] }
""",
    )
    assert problems == []
    assert [(p.name, p.depends_on) for p in ir.pipelines] == [("a", ()), ("b", ("a",)), ("c", ("b",)), ("d", ())]


def test_columns_of_what_earlier_pipelines_create_are_known(tmp_path: Path):
    _, problems = lowered(
        tmp_path,
        """
  late: { sql: 'SELECT id, valid_from, nope FROM flat', to: { connection: db, table: late } }
  early: { sql: 'SELECT id, note FROM orders', to: { connection: db, table: flat }, mode: scd2, keys: [id] }
""",
    )
    assert problems == [Found("unknown-column", "nope")]


def test_a_declared_target_of_scd2_has_the_columns_of_its_history(tmp_path: Path):
    ir, problems = lowered(
        tmp_path,
        """
  p: { sql: 'SELECT id, note, placed FROM orders', to: dim, mode: scd2, event_time: placed }
  q: { sql: 'SELECT id, valid_from, row_hash FROM dim', to: { connection: db, table: q } }
""",
    )
    assert problems == []
    table = ir.pipelines[0].applies[0].target.table
    assert table is not None
    assert table.primary_key == ("id", "valid_from")
    assert table.column_names[-4:] == ("valid_from", "valid_to", "is_current", "row_hash")


def test_a_cycle_names_its_chain(tmp_path: Path):
    _, problems = lowered(
        tmp_path,
        """
  a: { sql: SELECT id FROM b_out, to: { connection: db, table: a_out } }
  b: { sql: SELECT id FROM c_out, to: { connection: db, table: b_out } }
  c: { sql: SELECT id FROM a_out, to: { connection: db, table: c_out } }
  own: { sql: SELECT id FROM own_out, to: { connection: db, table: own_out } }
""",
    )
    assert [p.code for p in problems] == ["dependency-cycle"]


def test_pipelines_that_all_read_and_write_one_table_are_told_in_seconds(tmp_path: Path):
    """Each waits for all others: there are more cycles than anybody can count."""
    one = "  p{0}: {{ sql: SELECT id FROM t, to: {{ connection: db, table: t }} }}\n"
    started = time.process_time()
    _, problems = lowered(tmp_path, "\n" + "".join(one.format(i) for i in range(600)))
    assert time.process_time() - started < 5
    assert {p.code for p in problems} == {"dependency-cycle"}


@pytest.mark.parametrize(
    ("pipeline", "problems"),
    [
        ("sql: SELECT note FROM orders, to: dim, mode: merge", [("missing-column", "dim")]),
        ("sql: 'SELECT id, note AS nope FROM orders', to: dim", [("unknown-output-column", "nope")]),
        ("sql: 'SELECT id, count(*) FROM orders GROUP BY 1', to: dim", [("unnamed-column", "count(*")]),
        ("sql: 'SELECT id::bigint, CAST((orders.note::text) AS text) FROM orders', to: dim", []),
        ("sql: 'SELECT id, lower(note)::text FROM orders', to: dim", [("unnamed-column", "lower(note")]),
        ("sql: 'SELECT id, count(*), max(note) FROM orders GROUP BY 1', to: { connection: db, table: made }", []),
        ("sql: 'SELECT id, note, id FROM orders', to: dim", [("duplicate-output-column", "id")]),
        ("sql: 'SELECT id, note, id FROM orders', to: { connection: db, table: made }",
         [("duplicate-output-column", "id")]),
        ("sql: 'SELECT *, note FROM (SELECT id, note FROM orders) o', to: dim", [("duplicate-output-column", "note")]),
        ("sql: 'SELECT a.id, b.* FROM orders a JOIN (SELECT id, note FROM orders) b ON true', to: dim",
         [("duplicate-output-column", "b.*")]),
        ("sql: 'SELECT * FROM (SELECT id FROM orders) a, (SELECT id, note FROM orders) b', to: dim",
         [("duplicate-output-column", "*")]),
        ("sql: 'SELECT o.* FROM (SELECT id, note, amount AS nope FROM orders) o', to: dim",
         [("unknown-output-column", "o.*")]),
        ("sql: 'SELECT id, amount AS placed FROM orders', to: dim", [("type-mismatch", "placed")]),
        ("sql: 'SELECT id, placed::timestamp AS placed FROM orders', to: dim", [("type-mismatch", "placed")]),
        ("sql: 'SELECT id, placed::timestamp AS placed FROM orders', to: dim, timezone: UTC", []),
        ("sql: \"SELECT id, 'abc' AS note FROM orders\", to: strict", [("narrowing", "id"), ("narrowing", "note")]),
        ("sql: 'SELECT 1::smallint AS id FROM orders', to: strict", [("missing-column", "strict")]),
        ("sql: 'SELECT 1::smallint AS id, note::varchar(3) AS note FROM orders', to: strict",
         [("nullable-into-not-null", "note")]),
        ("sql: 'SELECT id, note FROM orders', to: dim, incremental: { column: placed }",
         [("missing-column", "placed")]),
        ("sql: 'SELECT id, note FROM orders', to: dim, expect: [{ sql: 'length(nte) > 0', name: n }]",
         [("unknown-column", "nte")]),
        ("sql: 'SELECT id, note FROM orders', to: dim, expect: [{ sql: 'count(*) > 0', name: n }]",
         [("not-a-row-condition", "count(*")]),
        ("sql: 'SELECT id, note FROM orders', to: dim, mode: merge, dedupe: { order_by: plced desc }",
         [("unknown-column", "plced")]),
        ("sql: 'SELECT id, note FROM orders WHERE note = {{ var.regoin }}', to: dim",
         [("undefined-template-name", "regoin")]),
        ("table: orders, columns: { note: nte }, to: dim", [("unknown-column", "nte")]),
        ("sql: 'SELECT id, note AS \"ID\" FROM orders', to: { connection: db, table: made }", []),
        ("sql: 'SELECT id, note AS ID FROM orders', to: { connection: db, table: made }",
         [("duplicate-output-column", "ID")]),
        ("sql: 'SELECT id, count(*) FROM orders GROUP BY 1', to: { connection: db, table: made }", []),
        ("sql: SELECT id FROM external, to: dim", []),
        ("table: external, to: dim", []),
    ],
)  # fmt: skip
def test_the_output_is_checked_against_the_target(tmp_path: Path, pipeline: str, problems: list[tuple[str, str]]):
    assert lowered(tmp_path, f"  p: {{ {pipeline} }}\n")[1] == problems


def test_one_broken_pipeline_hides_nothing_of_the_others(tmp_path: Path):
    ir, problems = lowered(
        tmp_path,
        """
  bad: { sql: SELECT FRM, to: { connection: db, table: x } }
  good: { sql: SELECT id FROM x, to: { connection: db, table: y } }
  worse: { sql: SELECT nope FROM orders, to: { connection: db, table: z } }
  reader: { sql: SELECT anything FROM z, to: { connection: db, table: w } }
""",
    )
    assert [p.code for p in problems] == ["unknown-column", "unknown-column"]
    assert {p.name for p in ir.pipelines} >= {"good"}
    assert "worse" not in {p.name for p in ir.pipelines}


def test_sources_are_joined_on_datafusion(tmp_path: Path):
    text = """
  p:
    from:
      o: { connection: drop, path: "o*.csv", columns: { id: bigint, note: text } }
      c: { connection: db, table: orders }
      s: { connection: lite, sql: "SELECT id, label FROM labels" }
    sql: SELECT o.id, c.note, s.label, o.nope FROM o JOIN c USING (id) JOIN s USING (id) JOIN zz ON true
    to: { connection: db, table: joined }
"""
    _, problems = lowered(tmp_path, text)
    assert sorted(problems) == [Found("unknown-column", "nope"), Found("unknown-table", "zz")]
    ir, problems = lowered(tmp_path, text.replace(", o.nope", "").replace(" JOIN zz ON true", ""))
    assert problems == []
    node = ir.pipelines[0].applies[0].input
    assert isinstance(node, Sql)
    assert node.engine == "datafusion"
    assert [(i.name, i.connection, i.path, i.sql) for i in node.inputs] == [
        ("o", "drop", "o*.csv", None),
        ("c", "db", None, None),
        ("s", "lite", None, "SELECT id, label FROM labels"),
    ]


def test_a_table_is_renamed_by_its_map(tmp_path: Path):
    ir, problems = lowered(tmp_path, "  p: { from: lite, table: raw, columns: { note: Remark }, to: dim }\n")
    assert problems == []
    node = ir.pipelines[0].applies[0].input
    assert isinstance(node, Sql)
    assert node.text == 'SELECT "Remark" AS "note", "id" AS "id", "placed" AS "placed" FROM "raw"'
    ir, _ = lowered(tmp_path, "  p: { table: orders, to: { connection: db, table: copy } }\n")
    assert isinstance(ir.pipelines[0].applies[0].input, Source)


def test_the_watermark_fills_the_template(tmp_path: Path):
    text = """
  p:
    from: lite
    sql: "SELECT id, note, placed FROM raw WHERE {{ incremental }}"
    to: dim
    mode: merge
    incremental: { column: placed, start: "2020-01-01", lag: 5m }
"""
    checked, _ = check(tmp_path, HEAD + text)
    assert checked is not None

    def sql(watermark: str | None) -> str:
        pipeline = lower_pipeline(checked, "p", Reporter(), watermark=watermark)
        assert pipeline is not None
        node = pipeline.applies[0].input
        assert isinstance(node, Sql)
        assert pipeline.applies[0].incremental is not None
        assert pipeline.applies[0].incremental.in_sql
        return node.text.partition("WHERE ")[2]

    assert sql(None) == "\"placed\" >= '2020-01-01'"
    assert sql("2024-05-01 00:05:00") == "\"placed\" >= '2024-05-01'"
    assert sql("x' OR 1=1") == "\"placed\" >= 'x'' OR 1=1'"


def test_one_pipeline_is_lowered_with_what_it_reads(tmp_path: Path):
    checked, _ = check(
        tmp_path,
        HEAD
        + """
  early: { sql: 'SELECT id, note FROM orders', to: { connection: db, table: flat } }
  late: { sql: 'SELECT id, note FROM flat', to: dim }
  broken: { sql: 'SELECT nope FROM orders', to: dim }
""",
    )
    assert checked is not None
    reporter = Reporter()
    pipeline = lower_pipeline(checked, "late", reporter)
    assert reporter.found == []
    assert pipeline is not None
    assert pipeline.depends_on == ("early",)
    assert [str(c.type) for c in pipeline.applies[0].input.columns or ()] == ["bigint", "text"]
    assert lower_pipeline(checked, "broken", reporter) is None
    assert [d.code for d in reporter.found] == ["unknown-column"]


def test_normalisers_and_conditions_are_in_the_targets_dialect(tmp_path: Path):
    text = "  p: { from: lite, sql: 'SELECT id, note FROM raw', to: dim, expect: [{ sql: 'id > 0', name: n }] }\n"
    ir, problems = lowered(tmp_path, text)
    assert problems == []
    apply = ir.pipelines[0].applies[0]
    assert [n.column for n in apply.normalize] == ["note"]
    assert '"note"' in apply.normalize[0].sql
    assert apply.expect[0].sql == "id > 0"


def test_lowering_the_same_project_twice_gives_the_same(tmp_path: Path):
    text = "  p: { sql: 'SELECT id, note FROM orders', to: dim }\n"
    assert (
        lowered(tmp_path, text)[0].pipelines[0].applies[0].target
        == lowered(tmp_path, text)[0].pipelines[0].applies[0].target
    )


REFUSED_TWICE = """
  one: { from: { a: { connection: drop, path: a.csv } }, sql: "SELECT k FROM a EXCEPT ALL SELECT k FROM a", to: dim }
  two: { from: { a: { connection: drop, path: a.csv } }, sql: "SELECT k FROM a EXCEPT ALL SELECT k FROM a", to: strict }
"""
SHARED = """
  one: {{ from: {{ connection: drop, path: a.csv, columns: {{ id: bigint }} }}, sql_file: q.sql, to: dim }}
  two: {{ from: {{ connection: drop, path: a.csv, columns: {{ id: bigint }} }}, sql_file: q.sql, to: strict }}
"""


def test_a_query_that_is_refused_in_the_words_of_another_is_refused_too(tmp_path: Path):
    ir, problems = lowered(tmp_path, REFUSED_TWICE)
    assert ir.pipelines == ()
    assert [problem.code for problem in problems] == ["untranslatable-sql"] * 2


@pytest.mark.parametrize("sql", ["SELECT ident FROM source", "SELECT id FROM source EXCEPT ALL SELECT id FROM source"])
def test_what_is_wrong_with_a_shared_file_is_wrong_with_each_pipeline_of_it(tmp_path: Path, sql: str):
    (tmp_path / "q.sql").write_text(sql)
    ir, problems = lowered(tmp_path, SHARED.format())
    assert ir.pipelines == ()
    assert len(problems) == 1
    checked, _ = check(tmp_path, HEAD + SHARED.format())
    assert checked is not None
    reporter = Reporter()
    lower(checked, reporter)
    assert {*blame(reporter.found, checked.project.pipelines).own} == {"one", "two"}


def test_a_file_of_sql_that_is_not_there_is_told_to_each_pipeline_that_names_it(tmp_path: Path):
    checked, problems = check(tmp_path, HEAD + SHARED.format())
    assert [problem.code for problem in problems] == ["missing-file"] * 2
    assert checked is not None
