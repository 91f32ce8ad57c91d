"""`flowc run --once` on real engines: what it does, and what it says when something is wrong. Never a traceback."""

import sqlite3

import pytest

from flowc.loadplan import Counter
from tests.commands import Inside

SPECS = """
connections:
  inbox: { kind: files, uri: data, format: csv }
  store: { kind: sqlite, path: store.db }
tables:
  orders:
    connection: store
    columns:
      id: bigint primary key
      customer: text not null
      amount: numeric(10,2)
  totals:
    connection: store
    columns: { customer: text primary key, total: "numeric(10,2)" }
pipelines:
  load:
    from: { connection: inbox, path: orders.csv }
    sql: SELECT id, customer, CAST(amount AS DECIMAL(10, 2)) AS amount FROM source
    to: orders
    mode: merge
    expect: [{ name: positive, sql: amount > 0 }]
  sum_up:
    sql: SELECT customer, sum(amount) AS total FROM orders GROUP BY customer
    to: totals
    mode: merge
"""
ORDERS = "id,customer,amount\n1,ada,1.50\n2,ada,2.25\n3,bob,4.00\n"


@pytest.fixture
def folder(tmp_path) -> Inside:
    made = Inside(tmp_path)
    made.write("specs/project.yaml", SPECS)
    made.write("data/orders.csv", ORDERS)
    return made


def rows(folder: Inside, sql: str) -> list[tuple]:
    with sqlite3.connect(folder.path / "store.db") as connection:
        return connection.execute(sql).fetchall()


def counts(done, name: str) -> dict[str, int]:
    [pipeline] = [p for p in done.json["pipelines"] if p["name"] == name]
    return pipeline["targets"][0]["counts"]


def test_a_run_loads_in_order_and_a_second_one_changes_nothing(folder):
    first = folder.flowc("run", "--once", "--json")
    assert (first.code, first.json["status"]) == (0, "ok")
    assert [p["name"] for p in first.json["pipelines"]] == ["load", "sum_up"]
    assert counts(first, "load") == {"read": 3, "inserted": 3, "updated": 0, "deleted": 0, "unchanged": 0}
    assert sorted(rows(folder, "SELECT customer, total FROM totals")) == [("ada", 3.75), ("bob", 4)]
    again = folder.flowc("run", "--once", "--json")
    assert counts(again, "load") == {"read": 3, "inserted": 0, "updated": 0, "deleted": 0, "unchanged": 3}


def test_the_summary_is_a_table_and_talk_is_not_on_stdout(folder):
    done = folder.flowc("run", "load", "--once")
    header, row = done.out.splitlines()[:2]
    counted = (counter for counter in Counter if counter is not Counter.BAD)
    assert header.split() == ["pipeline", "target", "mode", *counted, "seconds", "status"]
    assert row.split()[:8] == ["load", "store.orders", "merge", "3", "3", "0", "0", "0"]
    assert "positive" in done.out
    assert done.err == ""


def test_a_failing_expectation_leaves_the_target_as_it_was(folder):
    assert folder.flowc("run", "--once").code == 0
    folder.write("data/orders.csv", "id,customer,amount\n1,ada,-1\n9,eve,1\n")
    done = folder.flowc("run", "--once", "--json")
    assert done.code == 1
    load, sum_up = done.json["pipelines"]
    assert load["targets"][0]["error"]["code"] == "expectation-failed"
    assert (sum_up["status"], sum_up["reason"]) == ("skipped", "because `load` did not finish")
    assert rows(folder, "SELECT id FROM orders ORDER BY id") == [(1,), (2,), (3,)]


def test_duplicate_keys_are_shown_and_nothing_is_loaded(folder):
    folder.write("data/orders.csv", ORDERS + "3,bob,5.00\n")
    done = folder.flowc("run", "load", "--once")
    assert done.code == 1
    assert "error[duplicate-keys]" in done.err
    assert "id = `3`" in done.err
    assert rows(folder, "SELECT name FROM sqlite_master WHERE name = 'orders'") == []


def test_a_table_that_differs_stops_the_run_before_anything_is_read(folder):
    rows(folder, "CREATE TABLE totals (customer TEXT PRIMARY KEY NOT NULL, total TEXT)")
    done = folder.flowc("run", "--once")
    assert done.code == 1
    assert "error[table-differs]" in done.err
    assert "column `total` is text, declared numeric(10,2)" in done.err
    assert "flowc plan" in done.err
    assert rows(folder, "SELECT name FROM sqlite_master WHERE name = 'orders'") == []


def test_extra_columns_that_may_be_left_out_do_no_harm(folder):
    rows(folder, "CREATE TABLE totals (customer TEXT PRIMARY KEY NOT NULL, total DECIMAL(10,2), note TEXT)")
    assert folder.flowc("run", "--once").code == 0
    assert "note: the table also has column `note`" in folder.flowc("validate", "sum_up").out


def test_a_missing_file_is_named(folder):
    (folder.path / "data/orders.csv").unlink()
    done = folder.flowc("run", "load", "--once")
    assert done.code == 1
    assert "orders.csv" in done.err


def test_errors_in_the_specs_stop_the_run_but_not_a_named_pipeline_elsewhere(folder):
    folder.write("specs/more.yaml", "pipelines:\n  broken: { sql: SELEC 1, to: orders }\n")
    stopped = folder.flowc("run", "--once")
    assert (stopped.code, stopped.out) == (1, "")
    assert "specs/more.yaml:2" in stopped.err
    assert not (folder.path / "store.db").exists()
    named = folder.flowc("run", "load", "--once")
    assert named.code == 0, named.err
    assert folder.flowc("run", "broken", "--once").code == 1


def test_a_bad_schedule_breaks_only_its_own_pipeline(folder):
    folder.write(
        "specs/more.yaml", SPECS.replace("    sql: SELECT customer", "    schedule: often\n    sql: SELECT customer")
    )
    (folder.path / "specs/project.yaml").unlink()
    done = folder.flowc("run", "--once", "--json")
    assert done.code == 1
    assert {p["name"]: p["status"] for p in done.json["pipelines"]} == {"sum_up": "failed", "load": "ok"}


def test_bad_yaml_is_a_diagnostic(folder):
    folder.write("specs/more.yaml", "pipelines: [\n")
    for name in ([], ["load"], ["in_that_file"]):
        done = folder.flowc("run", *name, "--once")
        assert done.code == 1
        assert "specs/more.yaml" in done.err


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["run", "lod", "--once"], 2, "did you mean `load`?"),
        (["run", "zzz", "--once"], 2, "error[unknown-pipeline]"),
        (["run", "nowhere/specs", "--once"], 2, "error[missing-specs]"),
        (["run"], 2, "error[unknown-selection]"),
        (["preview"], 2, "error[missing-name]"),
        (["run", "--once", "--env", "prod"], 1, "prod"),
    ],
)
def test_wrong_arguments_are_explained(folder, arguments, code, words):
    done = folder.flowc(*arguments)
    assert done.code == code
    assert words in done.err


def test_systems_of_later_versions_are_named(folder):
    folder.write(
        "specs/more.yaml",
        "connections:\n  old: { kind: snowflake, account: a, user: u, database: d, warehouse: w }\n"
        "pipelines:\n  copy: { from: store, table: totals, to: { connection: old, table: t }, mode: append }\n",
    )
    done = folder.flowc("run", "copy", "--once")
    assert done.code == 1
    assert "error[not-runnable-yet]" in done.err
    assert "`snowflake`" in done.err


def test_preview_shows_rows_and_changes_nothing(folder):
    done = folder.flowc("preview", "load", "--rows", "2", "--json")
    assert done.code == 0
    assert [(row["change"], row["row"]["id"]) for row in done.json["rows"]] == [("insert", 1), ("insert", 2)]
    assert counts(done, "load")["inserted"] == 3
    assert rows(folder, "SELECT name FROM sqlite_master") == []
    assert "insert  1   ada" in folder.flowc("preview", "load").out


def test_validate_compares_with_what_is_there(folder):
    before = folder.flowc("validate", "--json")
    assert before.code == 0
    load, sum_up = before.json
    assert (load["table_exists"], load["waits_for"]) == (False, None)
    assert [column["name"] for column in load["columns"]] == ["id", "customer", "amount"]
    assert sum_up["waits_for"] == "load"
    folder.flowc("run", "--once")
    after = folder.flowc("validate", "sum_up", "--explain")
    assert after.code == 0
    assert "table: as declared" in after.out
    assert "SCAN" in after.out
