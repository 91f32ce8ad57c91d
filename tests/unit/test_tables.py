"""Tables lose nothing: aligned where nothing is too narrow for them, folded by a terminal's width where it is."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowc.masker import Masker
from flowc.render.style import Style, harmless, width
from flowc.render.tables import table

TEXTS = st.one_of(
    st.lists(st.sampled_from([*"ab 日本[]:/\x1b\n│", "e\u0301", "👩\u200d🚀", "[red]"]), max_size=40).map("".join),
    st.sampled_from(["[link=x]y[/link]", ":smile:", "[/]", "\\[b]", "http://h/p?q=1", "'quoted' 12 True", "x" * 300]),
)
HEADERS = ("näme", "value", "count")
CODE = re.compile(r"\x1b\[[0-9;]*m")


def bare(text: str) -> str:
    """What a terminal shows of a text, without the places where it was broken."""
    return re.sub(r"\s", "", CODE.sub("", harmless(text)))


@given(st.lists(st.tuples(TEXTS, TEXTS, st.integers()), max_size=5), st.integers(1, 130), st.booleans())
def test_a_narrow_terminal_shows_every_character_in_lines_that_fit(
    rows: list[tuple[str, str, int]], columns: int, color: bool
) -> None:
    shown = harmless(table(HEADERS, rows, Style(color, columns, terminal=True), right=(2,)))
    assert color or "\x1b" not in shown
    shown = CODE.sub("", shown)
    assert not rows or all(width(line) <= max(columns, 20) for line in shown.splitlines())
    head, body = "".join(HEADERS), bare(table(HEADERS, rows, Style()).partition("\n")[2])
    assert sorted(bare(shown)) in (sorted(head + body), sorted(head * len(rows) + body))


@given(st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=5))
def test_a_file_holds_a_line_for_each_row_and_columns_under_each_other(rows: list[tuple[str, str]]) -> None:
    first, *lines = table(("a", "b"), [(left, f"|{right}") for left, right in rows], Style(columns=20)).split("\n")
    assert len(lines) == len(rows)
    assert {width(line[: line.index("|")]) for line in lines} == {width(first[: first.rindex("b")])}


@pytest.mark.parametrize("size", [500, 501])
def test_a_cell_says_what_it_leaves_out(size: int) -> None:
    shown = table(("a",), [("x" * size,)], Style())
    assert shown == ("a\n" + "x" * 500 + ("… (501 characters)" if size > 500 else ""))


@pytest.mark.parametrize("columns", [20, 40, 90, 1000])
@pytest.mark.parametrize("terminal", [True, False])
def test_a_secret_is_masked_before_a_cell_is_cut_or_folded(columns: int, terminal: bool) -> None:
    masker = Masker()
    masker.remember_secret(secret := "s3cr3t word\twith-" + "x7" * 20)
    rows = [("v" * 490 + f" {secret}", secret), ("a" * 30, f"pw={secret}")]
    shown = bare(table(("one", "two"), rows, Style(True, columns, terminal, masker.redact)))
    assert "s3cr" not in shown
    assert "x7x7" not in shown
    assert shown.count("***") == 3


def test_what_is_painted_is_what_has_a_colour() -> None:
    rows, roles = [("ok", "ok"), ("no", "failed")], {1: {"ok": "good", "failed": "bad"}}
    shown = harmless(table(("a", "b"), rows, Style(True), roles=roles))
    assert shown == "\x1b[1ma\x1b[0m   \x1b[1mb\x1b[0m\nok  \x1b[32mok\x1b[0m\nno  \x1b[31mfailed\x1b[0m"


@pytest.mark.parametrize(
    ("style", "loads"), [("Style()", False), ("Style(True, 80, True)", False), ("Style(True, 20, True)", True)]
)
def test_rich_is_loaded_only_to_fold(style: str, loads: bool) -> None:
    code = (
        "import sys; from flowc.render.tables import table; from flowc.render.style import Style\n"
        f"table(('a', 'b'), [('x' * 30, 1)], {style}); print('rich' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.stdout.strip(), done.stderr) == (str(loads), "")
