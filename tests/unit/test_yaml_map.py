"""Every character of a scalar's value is found where it was written, in every style of scalar."""

from __future__ import annotations

import yaml
from hypothesis import example, given, reject
from hypothesis import strategies as st

from flowc.compiler.front.yamlmap import mapped
from flowc.compiler.front.yamltree import Scalar, TreeMap, parse
from flowc.diagnostics import Reporter
from flowc.source import MappedText, SourceFile

BREAKS = "\n\r\x85\u2028\u2029"
words = st.text(st.sampled_from("ab é😀\t:#'\"\\{}-,%"), max_size=12)
lines = st.lists(words, max_size=6)


def read(text: str) -> tuple[Scalar, MappedText]:
    """The value of the key `k`, and its map."""
    tree = parse(SourceFile("spec.yaml", text), Reporter())
    scalar = tree.get("k") if isinstance(tree, TreeMap) else None
    if not isinstance(scalar, Scalar):
        reject()
    return scalar, mapped(scalar)


def check(text: str) -> None:
    """Copied characters are found; a folded break is found at a break, an escape at its sign."""
    scalar, result = read(text)
    assert result.text == scalar.text == yaml.load(text, yaml.CBaseLoader)["k"]
    for i, char in enumerate(result.text):
        span = result.span(i, i + 1)
        source = text[span.start : span.end]
        assert scalar.span.start <= span.start <= span.end <= scalar.span.end
        folded = char in " \n" and any(b in source for b in BREAKS)
        assert source == char or folded or source[0] in "\\'", (char, source)
    whole = (scalar.span.start, scalar.span.end)
    assert not any((s.origin, s.origin_end) == whole and not s.exact for s in result.segments), "the map fell back"


@given(lines, st.sampled_from("|>"), st.sampled_from(["", "-", "+", "2", "2-", "+2"]), st.sampled_from(["\n", "\r\n"]))
@example(["a", "", "  b", "c", "d", ""], ">", "", "\n")
@example(["", "", "a"], ">", "+", "\n")
@example(["  a", " ", "b"], "|", "2", "\n")
def test_block(content: list[str], style: str, header: str, end: str) -> None:
    body = end.join("  " + line for line in content)
    check(f"k: {style}{header} # comment{end}{body}{end}z: 1{end}")


@given(lines, st.sampled_from(["\n", "\r\n"]))
@example(["a", "", "", "b  ", "c"], "\n")
def test_plain(content: list[str], end: str) -> None:
    check("k: x" + (end + "  ").join(content) + end)


@given(lines)
@example(["it''s", "", " b ", "c"])
def test_single_quoted(content: list[str]) -> None:
    check("k: '" + "\n  ".join(line.replace("'", "''") for line in content) + "'\n")


@given(st.lists(words | st.sampled_from(["\\n", "\\x41", "\\u00e9", "\\U0001F600", "\\\\", '\\"', "\\ "]), max_size=8))
@example(["a\\", "b"])
def test_double_quoted(parts: list[str]) -> None:
    safe = [p if p.startswith("\\") else p.replace("\\", "\\\\").replace('"', '\\"') for p in parts]
    check('k: "' + "\n  ".join(safe) + '"\n')


def test_double_quoted_joined_lines() -> None:
    text = 'k: "ab \\\n   cd\\\n\n  ef"\n'
    scalar, result = read(text)
    assert scalar.text == "ab cd\nef"
    assert [text[result.span(i, i + 1).start] for i in (0, 3, 6)] == ["a", "c", "e"]


def test_tag_and_anchor_are_not_part_of_the_scalar() -> None:
    text = "k: &a !!str 2020\n"
    _, result = read(text)
    assert [text[result.span(i, i + 1).start] for i in range(4)] == list("2020")


def test_a_tab_in_a_block_is_kept() -> None:
    text = "k: |\n  a\tb\n\n  c\n"
    _, result = read(text)
    assert [text[result.span(i, i + 1).start] for i in (0, 1, 2, 5)] == ["a", "\t", "b", "c"]
