"""The commands that need no database, as processes: what they print where, and how they exit."""

import json
import os
import re
import stat
import subprocess

import pytest

from flowc.cli.main import COMMANDS
from flowc.compiler.sql.text.allowance import Allowance
from tests.commands import Folder, Inside

SPECS = """
connections:
  raw: { kind: postgres, url: "${RAW}" }
  store: { kind: sqlite, path: store.db }
tables:
  src: { connection: raw, schema: shop, name: customers, columns: { id: bigint, first: text, last: text } }
  dim: { connection: store, columns: { id: bigint primary key, name: text } }
pipelines:
  sync: { from: raw, sql: "SELECT id, first || last AS name FROM shop.customers", to: dim, mode: merge }
  copy: { from: raw, sql: "SELECT * FROM shop.unknown", to: { connection: store, table: c }, mode: append }
"""


@pytest.fixture
def folder(tmp_path) -> Folder:
    made = Folder(tmp_path)
    made.write("specs/project.yaml", SPECS)
    return made


def test_lint_says_what_is_wrong_on_stdout_and_counts_on_stderr(folder):
    assert folder.flowc("lint").code == 0
    folder.write("specs/bad.yaml", "pipelines:\n  x: { sql: SELECT 1 AS id, to: dimm }\n")
    done = folder.flowc("lint")
    assert done.code == 1
    assert done.out.startswith("error[unknown-table]")
    assert "specs/bad.yaml:2:33" in done.out
    assert "help: did you mean `dim`?" in done.out
    assert done.err.strip() == "1 error"
    [found] = [d for d in folder.flowc("lint", "--format", "json").json if d["severity"] == "error"]
    assert (found["code"], found["file"], found["line"], found["column"]) == ("unknown-table", "specs/bad.yaml", 2, 33)
    assert "specs/bad.yaml:2:33: error[unknown-table]" in folder.flowc("lint", "--format", "concise").out
    assert folder.flowc("lint", "--format", "github").out.startswith("::error file=specs/bad.yaml,line=2")
    sarif = folder.flowc("lint", "--format", "sarif").json
    assert sarif["runs"][0]["results"][0]["ruleId"] == "unknown-table"
    assert folder.flowc("lint", "specs/project.yaml", "--format", "json").json == []


def test_a_named_pipeline_whose_sql_is_not_written_is_not_nothing_to_do(tmp_path, monkeypatch):
    monkeypatch.setattr(Allowance.__init__, "__defaults__", (5_000, False, 0))
    project, doubling = Inside(tmp_path), f"{'to_array(' * 30}id{')' * 30}"
    project.write("rows.csv", "id\n1\n")
    project.write(
        "specs/project.yaml",
        f"""
connections: {{ data: {{ kind: files, uri: {tmp_path} }}, store: {{ kind: sqlite, path: store.db }} }}
pipelines:
  a_hard:
    from: {{ rows: {{ connection: data, path: rows.csv, columns: {{ id: bigint }} }} }}
    sql: SELECT {doubling} AS x FROM rows
    to: {{ connection: store, table: hard }}
    mode: append
  easy:
    from: {{ rows: {{ connection: data, path: rows.csv, columns: {{ id: bigint }} }} }}
    sql: SELECT id + 1 AS id FROM rows
    to: {{ connection: store, table: easy }}
    mode: append
""",
    )
    done = project.flowc("run", "easy", "--once")
    assert (done.code, done.out, done.err.count("error[sql-too-large]")) == (1, "", 2), done.err
    assert "2 errors; nothing was run" in done.err


@pytest.mark.parametrize(
    ("arguments", "undone"),
    [
        (("plan",), "planned"), (("apply", "--yes"), "changed"), (("drift",), "compared"), (("run", "--once"), "run"),
        (("run",), "run"), (("preview", "p"), "read"), (("validate",), "validated"), (("status",), "looked at"),
        (("dlq", "list"), "counted"), (("dlq", "show", "s"), "shown"), (("dlq", "replay", "s"), "replayed"),
        (("dlq", "purge", "s"), "removed"), (("rewind", "s", "--to", "now"), "moved"), (("test",), "tested"),
        (("project", "take", "t"), "taken over"), (("project", "rename", "a", "b"), "renamed"),
    ],
)  # fmt: skip
def test_a_command_says_what_errors_in_the_specs_keep_it_from(tmp_path, arguments, undone):
    project = Inside(tmp_path)
    project.write("specs/p.yaml", "tables:\n  t: { connection: nowhere, columns: { id: bigint } }\n")
    project.write("specs/q.yaml", "pipelines:\n  p: { from: nowhere, mode: append, to: t }\n")
    done = project.flowc(*arguments)
    assert (done.code, done.out) == (1, ""), done.err
    assert done.err.rstrip().endswith(f"; nothing was {undone}")


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT id FROM source",
        "SELECT window_start, count(*) AS n FROM tumble(source, INTERVAL '1 minute') GROUP BY window_start, window_end",
    ],
)
def test_a_wrong_connection_of_a_source_is_one_error(tmp_path, sql):
    project = Inside(tmp_path)
    project.write("specs/p.yaml", f"""
connections: {{ drop: {{ kind: files, uri: in, format: jsonl }}, store: {{ kind: sqlite, path: t.db }} }}
streams:
  s:
    source: {{ connection: dorp, path: a.jsonl, columns: {{ id: bigint, at: timestamptz }}, event_time: at }}
    sql: {sql}
    to: {{ connection: store, table: t }}
""")  # fmt: skip
    done = project.flowc("lint", "--format", "concise")
    assert [line.partition("[")[2].partition("]")[0] for line in done.out.splitlines()] == ["unknown-connection"]


def test_lint_does_not_call_an_event_time_that_nobody_declares_no_time(folder):
    history = "mode: scd2, keys: [id], event_time: upd, ttl: 30d, to: { connection: store, table: h }"
    query = 'sql: "SELECT id, {} AS upd FROM shop.anything"'
    for column, code in (("changed", 0), ("1", 1)):
        folder.write("specs/more.yaml", f"pipelines:\n  h: {{ from: raw, {query.format(column)}, {history} }}\n")
        done = folder.flowc("lint", "--format", "concise")
        assert (done.code, "event-time-not-a-time" in done.out) == (code, code == 1), done.out


@pytest.mark.parametrize("name", ["none", "none.yaml", "a/b"])
def test_lint_of_nothing_is_an_error_of_usage(folder, name):
    done = folder.flowc("lint", name)
    assert done.code == 2
    assert "error[missing-specs]" in done.err


def test_lint_of_sql_says_that_specs_are_yaml(folder):
    folder.write("m/1.sql", "DROP TABLE old;")
    done = folder.flowc("lint", "m/1.sql")
    assert (done.code, "error[missing-specs]: `m/1.sql` is SQL, and specs are YAML" in done.err) == (2, True)


def test_compile_shows_sql_ir_and_plan(folder):
    sql = folder.flowc("compile", "sync")
    assert sql.code == 0
    assert "BEGIN;" in sql.out
    assert re.search(r'\n-- .*insert.*\nINSERT INTO "dim"', sql.out)
    assert "CREATE TABLE" not in sql.out
    assert 'CREATE TABLE "dim"' in folder.flowc("compile", "sync", "--new").out
    [ir] = folder.flowc("compile", "sync", "--to", "ir").json
    assert [c["type"] for c in ir["applies"][0]["input"]["columns"]] == ["bigint", "text"]
    [plan] = folder.flowc("compile", "sync", "--to", "plan").json
    assert plan["steps"][0]["step"] in ("execute", "ingest")
    assert folder.flowc("compile", "sync", "--to", "flink").code == 2


def test_compile_says_which_table_to_declare(folder):
    done = folder.flowc("compile", "copy")
    assert done.code == 1
    assert "error[unknown-source-columns]" in done.err
    assert "declare `shop.unknown`" in done.err


def test_compile_makes_no_table_with_a_column_without_a_name(folder):
    more = "pipelines: { more: { from: store, sql: 'SELECT 1, 2.5', to: { connection: store, table: made } } }"
    folder.write("specs/more.yaml", more)
    assert folder.flowc("lint", "specs").code == 0
    done = folder.flowc("compile", "more")
    assert done.code == 1
    assert "help: name each column of the query: `… AS column_name`" in done.err


def test_graph_in_three_forms(folder):
    text = folder.flowc("graph", "--columns").out
    assert "store.dim\n  sync (merge)\n    <- raw.shop.customers" in text
    assert "    name <- raw.shop.customers.first, raw.shop.customers.last" in text
    assert folder.flowc("graph", "--format", "mermaid").out.startswith("flowchart LR\n")
    done = folder.flowc("graph", "sync", "--format", "html", "--columns", "--out", "g.html")
    assert (done.code, done.out) == (0, "")
    page = (folder.path / "g.html").read_text()
    assert page.count("<path ") == 3
    assert "copy" not in page
    assert not re.search(r"(?:src|href)=|url\(|import ", page)


def test_explain_prints_pages_and_proposes_near_codes(folder):
    done = folder.flowc("explain", "unknown-table")
    assert done.code == 0
    assert "Fix" in done.out
    assert "```" not in done.out
    assert "did you mean `unknown-table`?" in folder.flowc("explain", "unknwon-table").err
    assert "unknown-table  " in folder.flowc("explain").out
    assert folder.flowc("explain", "../../../etc/passwd").code == 2


def test_connections_set_writes_one_entry_and_keeps_the_rest(folder):
    done = folder.flowc("connections", "set", "lake", "kind=duckdb", "path=a b.duckdb")
    assert done.code == 0, done.err
    file = folder.path / "home/.flowc/connections.yaml"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    file.write_text(
        "# mine\nconnections:\n    # old\n    other: { kind: sqlite, path: x.db } # keep\n"
        + "    lake:\n        kind: duckdb\n        path: y\n"
    )
    assert folder.flowc("connections", "set", "lake", "path=${LAKE}").code == 0
    assert file.read_text() == (
        "# mine\nconnections:\n    # old\n    other: { kind: sqlite, path: x.db } # keep\n"
        '    lake: { kind: duckdb, path: "${LAKE}" }\n'
    )
    listed = folder.flowc("connections", "list", "--json").json
    assert {c["name"] for c in listed} == {"lake", "other", "raw", "store"}
    assert next(c for c in listed if c["name"] == "store")["origin"] == "project"


@pytest.mark.parametrize(
    ("pairs", "code", "words"),
    [
        (["kind=duckdbb", "path=x"], 1, "duckdb"),
        (["kind=duckdb", "pth=x"], 1, "path"),
        (["kind"], 2, "error[unreadable-argument]"),
    ],
)
def test_connections_set_refuses_what_is_no_connection(folder, pairs, code, words):
    done = folder.flowc("connections", "set", "lake", *pairs)
    assert done.code == code
    assert words in done.err
    assert not (folder.path / "home/.flowc/connections.yaml").exists()


def test_connections_from_the_environment_win(folder):
    folder.env["FLOWC_DSN_STORE"] = "sqlite:///elsewhere.db"
    shown = folder.flowc("connections", "list").out
    assert re.search(r"store +sqlite +variable FLOWC_DSN_STORE", shown)
    assert "elsewhere" not in shown


def test_an_unknown_connection_is_proposed(folder):
    done = folder.flowc("connections", "check", "stor")
    assert done.code == 2
    assert "did you mean `store`?" in done.err


def test_init_makes_a_project_that_lints_and_runs(tmp_path):
    folder = Folder(tmp_path)
    assert folder.flowc("init", "shop").code == 0
    shop = Folder(tmp_path / "shop")
    linted = shop.flowc("lint")
    assert (linted.code, linted.out) == (0, "")
    done = shop.flowc("run", "--once", "--json")
    assert done.code == 0, done.out
    assert [p["name"] for p in done.json["pipelines"]] == ["load_orders", "sum_up_days"]
    assert done.json["pipelines"][1]["targets"][0]["counts"]["inserted"] == 2
    assert [load["diagnostics"] for load in shop.flowc("validate", "--json").json] == [[], []]
    assert "{" not in (shop.path / "Dockerfile").read_text()
    again = folder.flowc("init", "shop")
    assert again.code == 2
    assert "error[existing-file]" in again.err


@pytest.mark.parametrize(
    ("arguments", "code"), [(["--version"], 0), (["--help"], 0), (["-h"], 0), (["lnt"], 2), (["lint", "--nope"], 2)]
)
def test_the_frame(folder, arguments, code):
    assert folder.flowc(*arguments).code == code


def test_every_command_has_the_line_that_the_list_shows():
    from importlib import import_module

    for name, (module, words) in COMMANDS.items():
        command = import_module(f"flowc.cli.{module}").command
        assert command.get_short_help_str(limit=200) == words, name


def test_a_reader_that_goes_away_is_no_error(folder):
    command = " ".join(folder.command("explain"))
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command} | head -c 1 > /dev/null"],
        cwd=folder.path,
        env=folder.environment(),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_colour_stays_away_from_pipes_and_obeys_no_color(folder):
    folder.write("specs/bad.yaml", "pipelines:\n  x: { sql: SELECT 1 AS id, to: dimm }\n")
    assert "\x1b" not in folder.flowc("lint").out
    shell = f"script -qec '{' '.join(folder.command('lint'))}' /dev/null"
    if not os.access("/usr/bin/script", os.X_OK):
        pytest.skip("no `script` to make a terminal with")
    for environment, colored in (({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)):
        done = subprocess.run(
            ["bash", "-c", shell],
            cwd=folder.path,
            env=folder.environment() | {"TERM": "xterm"} | environment,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert ("\x1b[1;31merror" in done.stdout) == colored, environment


@pytest.mark.parametrize("columns", ["9" * 5000, "²", "-1", "wide"])
def test_a_width_that_is_none_does_not_count(folder, columns):
    shown = folder.flowc("connections", "list").out
    folder.env["COLUMNS"] = columns
    assert folder.flowc("connections", "list").out == shown


def test_a_bug_is_reported_without_a_traceback(folder, monkeypatch, capsys):
    import flowc.cli.lint as module
    from flowc.cli.main import run

    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError("by design")

    monkeypatch.chdir(folder.path)
    monkeypatch.setattr(module, "findings", fail)
    assert run(["lint"]) == 2
    shown = capsys.readouterr().err
    assert "error[internal]" in shown
    assert "ZeroDivisionError: by design" in shown
    assert "flowc --debug lint" in shown
    assert run(["lint"], debug=True) == 2
    assert capsys.readouterr().err.splitlines()[-1] == "ZeroDivisionError: by design"


def test_sarif_and_json_are_whole_documents_when_nothing_is_wrong(folder):
    assert json.loads(folder.flowc("lint", "--format", "sarif").out)["runs"][0]["results"] == []


HOOKS = """connections: { w: { kind: sqlite, path: w.db } }
pipelines:
  p: { from: w, table: s, to: { connection: w, table: t }, mode: append, before: [SELECT 1], after: [DELETE FROM u] }
"""


def test_the_ir_shows_statements_around_a_load_as_texts(tmp_path):
    made = Inside(tmp_path)
    made.write("specs/a.yaml", HOOKS)
    [ir] = made.flowc("compile", "p", "--to", "ir").json
    assert [ir["applies"][0][key] for key in ("before", "after")] == [["SELECT 1"], ["DELETE FROM u"]]
