"""Lineage drawn for other programs: odd names stay names, the page needs only itself. And every code's page."""

from __future__ import annotations

import html
import re
from html.parser import HTMLParser

import pytest

from flowc.render.pages import codes, explain, page
from flowc.render.style import Style

SPEC = """
connections: { w: { kind: duckdb, path: w.duckdb } }
tables:
  raw: { connection: w, columns: { id: bigint primary key, v: text } }
pipelines:
  'p "q" | x':
    sql: 'SELECT id AS "a ""q"" [b] </script> #1;", v FROM raw'
    to: { connection: w, table: '%s' }
    mode: append
"""
NAMES = ["two words", 'a "quoted" [one] (x) {y}', "</script><b>&amp; #35; <!--", "end", "ü|é --> z"]


@pytest.fixture(params=NAMES)
def named(request, project):
    project.write("specs/p.yaml", SPEC % request.param)
    return project, request.param


def test_text_shows_names_as_they_are(named):
    project, name = named
    assert project.flowc("graph", "--columns").out.splitlines() == [
        f"w.{name}",
        '  p "q" | x (append)',
        "    <- w.raw",
        '    a "q" [b] </script> #1; <- w.raw.id',
        "    v <- w.raw.v",
    ]


def test_json_tells_programs_the_same(named):
    project, name = named
    told = project.flowc("graph", "--json", "--columns").json
    assert told["datasets"] == [{"connection": "w", "name": "raw"}, {"connection": "w", "name": name}]
    assert [(c["source_column"], c["target_column"]) for c in told["columns"]] == [
        ("id", 'a "q" [b] </script> #1;'),
        ("v", "v"),
    ]


LINES = re.compile(r'flowchart LR|  (?:subgraph )?(?:  )?\w+\["[^"]*"\]|  end|  \w+ -->(?:\|"[^"]*"\|)? \w+')


@pytest.mark.parametrize("columns", [(), ("--columns",)])
def test_mermaid_has_every_name_in_quotes_without_one_inside(named, columns):
    project, name = named
    lines = project.flowc("graph", "--format", "mermaid", *columns).out.splitlines()
    assert all(LINES.fullmatch(line) for line in lines), lines
    labels = re.findall(r'\["([^"]*)"\]', "\n".join(lines))
    assert f"w.{name}" in [unescaped(label) for label in labels]
    assert not any(re.search(r"[<>]", label) for label in labels)


def unescaped(label: str) -> str:
    """Mermaid's entity codes as what they stand for."""
    return html.unescape(re.sub(r"#(\d+|[a-z]+);", lambda m: f"&#{m[1]};" if m[1].isdigit() else f"&{m[1]};", label))


class Page(HTMLParser):
    """The tags that are open at the end, all attributes, and the texts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.texts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.attributes += attrs
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.attributes += attrs

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)


def test_the_page_is_whole_and_asks_for_nothing(named):
    project, name = named
    text = project.flowc("graph", "--format", "html", "--columns").out
    found = Page(text)
    assert found.open == []
    assert f"w.{name}" in found.texts
    assert 'a "q" [b] </script> #1;' in found.texts
    assert not [key for key, _ in found.attributes if key in ("src", "href") or key.startswith("on")]
    assert set(re.findall(r"https?://[^\"' ]+", text)) == {"http://www.w3.org/2000/svg"}
    assert text.count("<script>") == text.count("</script>") == 1


STREAM = """
connections:
  bus: { kind: kafka, bootstrap_servers: "${KAFKA}" }
  w: { kind: duckdb, path: w.duckdb }
tables:
  names: { connection: w, columns: { id: bigint primary key, name: text } }
streams:
  named:
    source: { connection: bus, topic: events, columns: { id: bigint } }
    lookups: { n: { connection: w, table: names } }
    sql: SELECT s.id, n.name FROM source s JOIN n ON n.id = s.id
    to:
      - { connection: w, table: named }
      - { connection: bus, topic: named }
    on_error: dlq
"""


def test_the_page_draws_streams_with_their_lookups_and_dead_letters(project):
    project.write("specs/s.yaml", STREAM)
    text = project.flowc("graph", "--format", "html").out
    found = Page(text)
    assert found.open == []
    assert {"bus.events", "w.names", "w.named", "bus.named", "w.flowc.dead_letters"} <= set(found.texts)
    assert "5 tables, file sets and topics, 1 stream" in found.texts
    assert (text.count("<path "), text.count('<path class="lookup" ')) == (5, 2)


@pytest.mark.parametrize("code", codes())
def test_every_page_can_be_shown(code):
    found = page(code)
    assert found is not None
    shown = explain(found, Style())
    assert shown.startswith(f"`{code}`\n\n{found.text.split(chr(10))[2]}")
    assert "```" not in shown
    assert "\nFix\n" in shown


@pytest.mark.parametrize(
    "given", ["unknown-column", "error[unknown-column]", "warning[unknown-column]", "info[unknown-column]"]
)
def test_a_code_may_be_copied_from_a_message(project, given):
    assert project.flowc("explain", given).out.startswith("`unknown-column`\n")


@pytest.mark.parametrize("given", ["unknwn-column", "error[unknwn-column]", "Unknown-Column"])
def test_a_near_code_is_proposed(project, given):
    done = project.flowc("explain", given)
    assert done.code == 2
    assert "did you mean `unknown-column`?" in done.err
