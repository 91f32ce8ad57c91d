"""`tag:nightly`, `+name` and `name+` in the place of names: what each command makes of them."""

from __future__ import annotations

import pytest

from tests.commands import Inside

SPECS = """
connections:
  drop: { kind: files, uri: data }
  db: { kind: duckdb, path: store.duckdb }
  other: { kind: sqlite, path: other.db }
tables:
  orders: { connection: db, columns: { id: bigint primary key, amount: double } }
  spare: { connection: other, columns: { id: bigint } }
pipelines:
  report:
    from: db
    sql: SELECT t.total, c.n FROM totals t CROSS JOIN CLICKS c
    to: { connection: db, table: report, mode: truncate }
    tags: [nightly, board]
  totals:
    from: db
    sql: SELECT sum(amount) AS total FROM orders
    to: { connection: db, table: totals, mode: truncate }
  load:
    from: { connection: drop, path: orders.csv, format: csv, columns: { id: bigint, amount: double } }
    to: orders
    mode: merge
    tags: [nightly]
  apart:
    from: db
    sql: SELECT id FROM orders
    to: { connection: db, table: apart, mode: truncate }
    depends_on: []
streams:
  seen:
    source: { connection: drop, path: "clean/*.jsonl", format: json, columns: { n: bigint } }
    sql: SELECT s.n, t.total FROM source s LEFT JOIN totals t ON true
    lookups: { totals: { connection: db, table: totals } }
    to: { connection: db, table: seen, mode: append }
    tags: [web]
  cleaned:
    source: { connection: drop, path: "raw/*.jsonl", format: json, columns: { n: bigint } }
    to: { connection: drop, path: clean, format: jsonl }
    tags: [web]
  clicks:
    source: { connection: drop, path: "raw/*.jsonl", format: json, columns: { n: bigint } }
    to: { connection: db, table: clicks, mode: append }
    on_error: dlq
    tags: [live]
  "odd+":
    source: { connection: drop, path: "raw/*.jsonl", format: json, columns: { n: bigint } }
    to: { connection: db, table: odd, mode: append }
tests:
  sums:
    pipeline: totals
    given: { orders: [{ id: 1, amount: 2.0 }] }
    expect: [{ total: 2.0 }]
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Inside:
    made = Inside(tmp_path_factory.mktemp("selectors"))
    made.write("specs/project.yaml", SPECS)
    made.write("data/orders.csv", "id,amount\n1,2.5\n")
    made.write("data/raw/a.jsonl", '{"n": 1}\n')
    return made


def shown(folder: Inside, *names: str) -> set[str]:
    """What `flowc graph` shows of a project."""
    done = folder.flowc("graph", *names, "--json")
    assert done.code == 0, done.err
    return {flow["writer"] for flow in done.json["flows"]}


@pytest.mark.parametrize(
    ("selector", "chosen"),
    [
        ("tag:nightly", {"load", "report"}),
        ("tag:web", {"seen", "cleaned"}),
        ("+totals", {"load", "totals"}),
        ("totals+", {"totals", "report", "seen"}),
        ("+totals+", {"load", "totals", "report", "seen"}),
        ("+report", {"load", "totals", "report", "clicks"}),
        ("+seen", {"load", "totals", "seen", "cleaned"}),
        ("clicks+", {"clicks", "report"}),
        ("cleaned+", {"cleaned", "seen"}),
        ("+apart", {"apart"}),
        ("load+", {"load", "totals", "report", "seen"}),
        ("+tag:board", {"load", "totals", "report", "clicks"}),
        ("tag:live+", {"clicks", "report"}),
        ("+tag:live+", {"clicks", "report"}),
        ("+orders", {"load"}),
        ("orders+", {"totals", "report", "seen", "apart"}),
        ("odd+", {"odd+"}),
    ],
)
def test_a_selector_chooses(folder, selector, chosen):
    assert shown(folder, selector) == chosen


def test_selectors_stand_beside_names_and_paths(folder):
    assert shown(folder, "specs", "tag:live", "apart", "+totals") == {"clicks", "apart", "load", "totals"}


def test_a_path_that_exists_is_specs(tmp_path):
    made = Inside(tmp_path)
    made.write("tag:nightly/a.yaml", SPECS.replace("report:\n    from", "weekly:\n    from"))
    assert "weekly" in shown(made, "tag:nightly")


@pytest.mark.parametrize(
    ("arguments", "message", "help"),
    [
        (["run", "--once", "tag:nigtly"], "no pipeline and no stream has the tag `nigtly`", "mean `nightly`?"),
        (["compile", "+tag:x"], "no pipeline and no stream has the tag `x`", "are `board`, `live`, `nightly`, `web`"),
        (["plan", "--select", "+reprt"], "there is no pipeline, stream or table `reprt`", "did you mean `report`?"),
        (["graph", "zzz+"], "there is no pipeline, stream or table `zzz`", "name a pipeline"),
        (["graph", "+spare+"], "no pipeline and no stream reads or writes table `spare`", "flowc graph"),
        (["validate", "tag:web"], "chooses nothing that this command takes", "is `cleaned`, `seen`"),
        (["dlq", "list", "tag:nightly"], "chooses nothing that this command takes", "is `load`, `report`"),
        (["test", "tag:nightly"], "chooses nothing that this command takes", "is `load`, `report`"),
    ],
)
def test_a_selector_that_chooses_nothing_is_an_error(folder, arguments, message, help):
    done = folder.flowc(*arguments)
    assert done.code == 2
    assert "error[unknown-selection]: " in done.err
    assert message in done.err
    assert help in done.err


@pytest.mark.parametrize(
    "arguments",
    [["preview", "tag:web"], ["rewind", "tag:web", "--to", "earliest"], ["dlq", "show", "+seen"]],
    ids=lambda arguments: arguments[0],
)
def test_a_command_of_one_name_refuses_several(folder, arguments):
    done = folder.flowc(*arguments)
    assert done.code == 2
    assert "error[missing-name]: `flowc " in done.err
    assert "chooses 2: `cleaned`, `seen`" in done.err


def test_a_command_of_one_name_takes_a_selector_that_chooses_one(folder):
    assert folder.flowc("preview", "tag:live").code == 0


def test_commands_without_a_server_take_selectors(folder):
    plans = folder.flowc("compile", "+totals", "--to", "plan").json
    assert [plan["pipeline"] for plan in plans] == ["load", "totals"]
    assert "1 passed" in folder.flowc("test", "load+").out


def test_a_run_goes_in_the_order_of_dependencies(folder):
    done = folder.flowc("run", "--once", "--json", "+report", "tag:web")
    assert done.code == 0, done.err
    assert [each["name"] for each in done.json["pipelines"]] == ["load", "totals", "report"]
    assert [each["stream"] for each in done.json["streams"]] == ["clicks", "cleaned", "seen"]
    alone = folder.flowc("run", "--once", "--json", "tag:web").json
    assert [each["stream"] for each in alone] == ["cleaned", "seen"], "seen reads what cleaned writes"


def test_commands_that_look_take_selectors(folder):
    folder.flowc("run", "--once")
    assert [each["pipeline"] for each in folder.flowc("validate", "+report", "--json").json] == [
        "load",
        "totals",
        "report",
    ]
    assert "clicks" in folder.flowc("status", "tag:live").out
    assert folder.flowc("dlq", "list", "+report").code == 0


def test_a_saved_plan_keeps_what_its_selector_chose(folder):
    assert folder.flowc("plan", "--select", "+totals", "tag:board", "--out", "plan.json").code == 0
    folder.write(
        "specs/more.yaml",
        "pipelines:\n  also:\n    from: db\n    sql: SELECT 1 AS a\n    tags: [board]\n"
        "    to: { connection: db, table: also, mode: truncate }\n",
    )
    done = folder.flowc("apply", "plan.json")
    (folder.path / "specs" / "more.yaml").unlink()
    assert done.code == 0, done.err
    applied = folder.flowc("plan", "tag:nightly", "--json").json
    assert [change["name"] for change in applied["changes"]] == []


def test_a_tag_is_no_change_of_what_it_stands_on(folder):
    assert folder.flowc("apply", "--yes").code == 0
    folder.write("specs/project.yaml", SPECS.replace("[web]", "[web, clean]").replace("[nightly]", "[hourly]"))
    assert folder.flowc("plan", "--detailed-exitcode").code == 0
    folder.write("specs/project.yaml", SPECS)


@pytest.mark.parametrize(
    "command",
    [["run"], ["run-due"], ["scheduler"], ["schedule", "list"], ["schedule", "pause"], ["schedule", "resume"]],
    ids=" ".join,
)
def test_who_looks_at_schedules_takes_pipelines_that_have_one(folder, command):
    done = folder.flowc(*command, "tag:nightly")
    assert done.code == 2
    assert "`tag:nightly` chooses nothing that this command takes" in done.err


def test_with_a_selector_any_error_stops_the_command(folder):
    broken = folder.write("specs/broken.yaml", "pipelines: { broken: { sql: SELECT 1, tags: [nightly] } }\n")
    try:
        assert folder.flowc("status", "load").code == 0
        for command in (["run", "--once"], ["status"], ["validate"]):
            done = folder.flowc(*command, "tag:nightly")
            assert done.code == 1
            assert "broken.yaml" in done.err
    finally:
        broken.unlink()
