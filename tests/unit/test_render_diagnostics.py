"""How diagnostics look in each format."""

import json

import pytest

from flowc.diagnostics import Diagnostic, Note, Severity
from flowc.render.diagnostics import FORMATS, render, summary
from flowc.render.style import Style, harmless, width
from flowc.source import SourceFile, Span

TEXT = "pipelines:\n  orders:\n    keys: [order_id, custmer_id]\n    sql: |\n      select 1\n      from x\n    to: y\n"
FILE = SourceFile("specs/orders.yaml", TEXT)


def span(piece: str, file: SourceFile = FILE) -> Span:
    start = file.text.index(piece)
    return Span(file, start, start + len(piece))


def problem(where: Span | None, **more) -> Diagnostic:
    return Diagnostic("unknown-column", Severity.ERROR, "column `custmer_id` does not exist", where, **more)


def text(diagnostic: Diagnostic) -> str:
    return render([diagnostic], "text", Style())


def test_full_form_marks_the_place():
    shown = text(
        problem(
            span("custmer_id"),
            label="not produced by `orders`",
            notes=(Note("`orders` is defined here", span("orders")), Note("it has 2 columns")),
            helps=("did you mean `customer_id`?",),
        )
    )
    assert shown == (
        "error[unknown-column]: column `custmer_id` does not exist\n"
        " --> specs/orders.yaml:3:22\n"
        "  |\n"
        "3 |     keys: [order_id, custmer_id]\n"
        "  |                      ^^^^^^^^^^ not produced by `orders`\n"
        "  |\n"
        "note: `orders` is defined here\n"
        "  --> specs/orders.yaml:2:3\n"
        "note: it has 2 columns\n"
        "help: did you mean `customer_id`?"
    )


def test_a_span_over_lines_gets_a_bar():
    shown = text(problem(span("|\n      select 1\n      from x\n"), label="here"))
    assert shown.splitlines()[2:] == [
        "  |",
        "4 | /     sql: |",
        "5 | |       select 1",
        "6 | |       from x",
        "  | |____________^ here",
        "  |",
    ]


def test_the_middle_of_a_long_span_is_left_out():
    file = SourceFile("a.yaml", "".join(f"line {n}\n" for n in range(1, 31)))
    shown = text(problem(Span(file, 0, len(file.text)))).splitlines()
    assert [line[:2].strip() for line in shown[3:-2]] == ["1", "2", "3", "..", "29", "30"]


def test_tabs_and_wide_characters_keep_the_underline_in_place():
    file = SourceFile("a.yaml", "\t顧客: [名前, e\u0301x]")
    lines = text(problem(span("e\u0301x", file))).splitlines()
    assert lines[3] == "1 |     顧客: [名前, e\u0301x]"
    marker = lines[4].removeprefix("  | ")
    assert marker == " " * width("    顧客: [名前, ") + "^^"


@pytest.mark.parametrize("piece", ["x" * 10, "needle"])
def test_a_very_long_line_is_cut_around_the_place(piece):
    file = SourceFile("a.yaml", "x" * 5000 + "needle" + "y" * 5000)
    lines = text(problem(span(piece, file))).splitlines()
    assert len(lines[3]) < 160
    start = lines[4].index("^")
    assert lines[3][start : start + len(piece)] == piece


def test_control_characters_cannot_reach_the_terminal():
    file = SourceFile("a.yaml", "k: \x1b[2Jx\u202e")
    shown = text(Diagnostic("c", Severity.ERROR, "bad \x1b]0;title\x07", Span(file, 3, 6), helps=("\x9b1m",)))
    assert not set(shown) & {"\x1b", "\x07", "\x9b", "\u202e"}
    assert "␛[2Jx" in shown


@pytest.mark.parametrize("start", [0, 3, 8])
def test_empty_spans_and_the_end_of_the_file_can_be_shown(start):
    file = SourceFile("a.yaml", "one\ntwo\n")
    assert "^" in text(problem(Span(file, start, start)))
    assert "^" in text(problem(Span(SourceFile("empty.yaml", ""), 0, 0)))


def test_colour_only_when_asked():
    plain, painted = text(problem(span("orders"))), FORMATS["text"]([problem(span("orders"))], Style(color=True))
    assert "\x1b[" not in plain
    assert "\x1b[1;31merror[unknown-column]\x1b[0m" in harmless(painted)


def test_concise_is_one_line():
    shown = render([problem(span("custmer_id")), problem(None)], "concise", Style())
    assert shown.splitlines() == [
        "specs/orders.yaml:3:22: error[unknown-column] column `custmer_id` does not exist",
        "error[unknown-column] column `custmer_id` does not exist",
    ]


def test_json_holds_the_same_facts():
    diagnostic = problem(span("custmer_id"), label="here", notes=(Note("n", span("orders")),), helps=("a", "b"))
    [found] = json.loads(render([diagnostic], "json", Style()))
    assert found == {
        "code": "unknown-column",
        "severity": "error",
        "message": "column `custmer_id` does not exist",
        "file": "specs/orders.yaml",
        "line": 3,
        "column": 22,
        "end_line": 3,
        "end_column": 32,
        "label": "here",
        "notes": [{"message": "n", "file": "specs/orders.yaml", "line": 2, "column": 3}],
        "help": "a\nb",
    }
    assert json.loads(render([], "json", Style())) == []


def test_github_escapes_data_and_properties():
    file = SourceFile("a,b:c.yaml", "x")
    diagnostic = Diagnostic("c", Severity.WARNING, "50% of\r\nit: yes, no", Span(file, 0, 1), helps=("do",))
    assert render([diagnostic], "github", Style()) == (
        "::warning file=a%2Cb%3Ac.yaml,line=1,endLine=1,col=1,endColumn=2,title=flowc c"
        "::50%25 of%0D%0Ait: yes, no%0Ahelp: do"
    )


def test_github_gives_no_columns_to_a_span_over_lines():
    shown = render([problem(span("select 1\n      from x"))], "github", Style())
    assert "line=5,endLine=6,title" in shown


def test_sarif_has_rules_places_and_related_places():
    diagnostics = [problem(span("custmer_id"), notes=(Note("n", span("orders")), Note("m"))), problem(None)]
    log = json.loads(render(diagnostics, "sarif", Style()))
    [run] = log["runs"]
    first, second = run["results"]
    assert log["version"] == "2.1.0"
    assert [rule["id"] for rule in run["tool"]["driver"]["rules"]] == ["unknown-column"]
    assert first["locations"][0]["physicalLocation"] == {
        "artifactLocation": {"uri": "specs/orders.yaml"},
        "region": {"startLine": 3, "startColumn": 22, "endLine": 3, "endColumn": 32},
    }
    assert [r["message"]["text"] for r in first["relatedLocations"]] == ["n"]
    assert "locations" not in second
    assert json.loads(render([], "sarif", Style()))["runs"][0]["results"] == []


@pytest.mark.parametrize(
    ("severities", "words"),
    [
        ([], "no problems"),
        ([Severity.ERROR], "1 error"),
        ([Severity.ERROR, Severity.ERROR, Severity.WARNING], "2 errors and 1 warning"),
        ([Severity.INFO], "no problems"),
    ],
)
def test_summary_counts(severities, words):
    assert summary([Diagnostic("c", severity, "m") for severity in severities]) == words
