"""Bad and odd files: each has a diagnostic of its own at the right place, none a traceback."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from flowc.compiler.front.specfiles import project_root, read_text
from flowc.compiler.front.yamltree import MAX_ALIASED, MAX_DEPTH, TreeMap, parse, plain
from flowc.diagnostics import Diagnostic, Reporter, Severity
from flowc.source import SourceFile
from tests.unit.project import load


def read(text: str) -> tuple[object, list[Diagnostic]]:
    reporter = Reporter()
    tree = parse(SourceFile("spec.yaml", text), reporter)
    return (plain(tree) if tree else None), reporter.sorted()


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("on: yes", {"on": "yes"}),
        ("1: off", {"1": "off"}),
        ("a: [true, True, no, null, ~, '']", {"a": [True, True, "no", None, None, ""]}),
        ("a: [1, 0o17, 0x1F, 1e3, .5]", {"a": [1, 15, 31, 1000.0, 0.5]}),
        ("a: [1_000, 12:30, 2020-01-01]", {"a": ["1_000", "12:30", "2020-01-01"]}),
        ("a: ['1', \"true\", !!str 5]", {"a": ["1", "true", "5"]}),
        ("base: &b {x: 1, y: 2}\na: {<<: *b, y: 3}", {"base": {"x": 1, "y": 2}, "a": {"y": 3, "x": 1}}),
        ("a: &x [1]\nb: {<<: [{p: *x}, {p: 0, q: 2}]}", {"a": [1], "b": {"p": [1], "q": 2}}),
        ("=: 1", {"=": 1}),
    ],
)  # fmt: skip
def test_values(text: str, value: object) -> None:
    assert read(text) == (value, [])


def test_huge_numbers_stay_text() -> None:
    value, _ = read("a: " + "9" * 5000)
    assert value == {"a": "9" * 5000}


@pytest.mark.parametrize(
    ("text", "code", "position"),
    [
        ("a: 1\n\tb: 2\n", "tab-indentation", (2, 1)),
        ("a:\n\t- 1\n", "tab-indentation", (2, 1)),
        ("a: {b: 1\n", "yaml-syntax", (2, 1)),
        ("a: b: c\n", "yaml-syntax", (1, 5)),
        ("a: 1\nb: 2\na: 3\n", "duplicate-key", (3, 1)),
        ("a: 1\n---\nb: 2\n", "several-documents", (2, 1)),
        ("a: &x [*x]\n", "cyclic-alias", (1, 8)),
        ("a: *x\n", "unknown-anchor", (1, 4)),
        ("[a]: 1\n", "key-not-text", (1, 1)),
        ("<<: 5\n", "bad-merge-key", (1, 5)),
        ("a: \0\n", "control-character", (1, 4)),
        ('a: "x\\0y"\n', "control-character", (1, 4)),
        ("a: " + "[" * 150, "nesting-too-deep", (1, 103)),
        ("a: " + "[" * 90_000, "nesting-too-deep", None),
        ("a: " + "{x: " * 120, "nesting-too-deep", None),
    ],
)  # fmt: skip
def test_faults(text: str, code: str, position: tuple[int, int] | None) -> None:
    _, diagnostics = read(text)
    assert [d.code for d in diagnostics] == [code]
    assert diagnostics[0].span is not None
    if position:
        assert diagnostics[0].span.file.position(diagnostics[0].span.start) == position


@pytest.mark.parametrize(
    ("text", "help"),
    [
        ("schedule: */5 * * * *\n", "begins with `*`"),
        ("a: [1, *]\n", "begins with `*`"),
        ("a: { url: ${URL} }\n", "${NAME}"),
        ("a: { b: c: d }\n", "holds `{` or `: `"),
        ("a: { b: 1\nc: 2\n", "close the bracket"),
        ("a: [1,\n", "close each bracket"),
        ("sql: 'it's'\n", "whole value in quotes"),
        ('sql: "x" y\n', "whole value in quotes"),
        ("a:\n  - x\n y: 1\n", "align the keys"),
        ("- a\nb: 1\n", "below its `- `"),
        ('path: "C:\\data"\n', "single quotes"),
        ("sql: >= 3\n", "begins with `>`"),
        ("a: - x\n", "line of its own"),
    ],
)
def test_syntax_faults_say_how_to_correct_them(text: str, help: str) -> None:
    _, (diagnostic,) = read(text)
    assert [help in each for each in diagnostic.helps] == [True]


def test_duplicate_key_shows_the_first() -> None:
    _, (diagnostic,) = read("a: 1\na: 2\n")
    (note,) = diagnostic.notes
    assert note.span is not None
    assert note.span.start == 0


def test_aliases_cannot_explode() -> None:
    names = "abcdefghij"
    bomb = 'a: &a ["x","x","x","x","x","x","x","x","x","x"]\n'
    bomb += "".join(f"{b}: &{b} [{','.join(['*' + a] * 10)}]\n" for a, b in pairwise(names))
    _, diagnostics = read(bomb)
    assert [d.code for d in diagnostics] == ["alias-expansion"]


@pytest.mark.parametrize(("text", "most", "code"), [
    (lambda count: f"a: {'[' * (count - 1)}{']' * (count - 1)}", MAX_DEPTH, "nesting-too-deep"),
    # each alias stands for a list and its ten values
    (lambda count: f"a: &a [{'1, ' * 10}]\nb: [{'*a, ' * count}]", MAX_ALIASED // 11, "alias-expansion"),
    # and for a text of a thousand characters
    (lambda count: f"a: &a {'x' * 1000}\nb: [{'*a, ' * count}]", MAX_ALIASED // 126, "alias-expansion"),
])  # fmt: skip
def test_what_is_just_within_a_limit_is_read(text: Callable[[int], str], most: int, code: str) -> None:
    assert read(text(most))[1] == []
    assert [found.code for found in read(text(most + 1))[1]] == [code]


def test_empty_files_are_a_warning(tmp_path: Path) -> None:
    project, diagnostics = load(tmp_path, "", "# nothing\n", "---\n")
    assert [(d.code, d.severity) for d in diagnostics[:2]] == [("empty-file", Severity.WARNING)] * 2
    assert project is not None


def test_mark_and_line_ends_shift_nothing(tmp_path: Path) -> None:
    _, (diagnostic,) = load(tmp_path, b"\xef\xbb\xbfvars: {}\r\npipes: {}\r\n")
    assert diagnostic.span is not None
    assert (diagnostic.code, diagnostic.span.file.position(diagnostic.span.start)) == ("unknown-key", (2, 1))


def test_columns_count_characters_not_bytes() -> None:
    _, (diagnostic,) = read("é: ü\n😀: 1\n  é: 1\n")
    assert diagnostic.span is not None
    assert diagnostic.span.file.position(diagnostic.span.start)[0] == 3


def test_not_utf8(tmp_path: Path) -> None:
    _, (diagnostic,) = load(tmp_path, b"vars:\n  a: \xe4\n")
    assert diagnostic.span is not None
    assert (diagnostic.code, diagnostic.span.file.position(diagnostic.span.start)) == ("not-utf8", (2, 6))


def test_utf16_is_named(tmp_path: Path) -> None:
    _, (diagnostic,) = load(tmp_path, "vars: {}".encode("utf-16"))
    assert diagnostic.code == "not-utf8"


def test_no_specs(tmp_path: Path) -> None:
    project, (diagnostic,) = load(tmp_path)
    assert (project, diagnostic.code) == (None, "no-specs")


def test_a_folder_called_like_a_file_is_walked(tmp_path: Path) -> None:
    (tmp_path / "specs" / "x.yaml").mkdir(parents=True)
    _, (diagnostic,) = load(tmp_path)
    assert diagnostic.code == "no-specs"


def test_a_pipe_among_the_specs_is_not_waited_for(tmp_path: Path) -> None:
    (tmp_path / "specs").mkdir()
    os.mkfifo(tmp_path / "specs" / "x.yaml")
    _, found = load(tmp_path)
    assert [d.code for d in found] == ["no-specs", "unreadable-file"]


def test_a_file_without_an_end_is_too_large(tmp_path: Path) -> None:
    (tmp_path / "specs").mkdir()
    (tmp_path / "specs" / "x.yaml").symlink_to("/dev/zero")
    reporter = Reporter()
    assert read_text(tmp_path / "specs" / "x.yaml", reporter) is None
    assert [d.code for d in reporter.found] == ["file-too-large"]


def test_ten_megabytes_take_seconds() -> None:
    text = "vars:\n" + "".join(f"  key_{i}: some value of a variable number {i}\n" for i in range(200_000))
    started = time.thread_time()
    value, diagnostics = read(text)
    assert not diagnostics
    assert isinstance(value, dict)
    assert time.thread_time() - started < 20


def test_one_long_line_takes_seconds() -> None:
    started = time.thread_time()
    value, _ = read("a: '" + "x" * 10_000_000 + "'")
    assert isinstance(value, dict)
    assert time.thread_time() - started < 20


@pytest.mark.parametrize("given", ["", "specs", "specs/sub", "specs/sub/a.yaml", "specs/a.yaml"])
def test_the_root_is_the_same_wherever_one_points(tmp_path: Path, given: str) -> None:
    (tmp_path / "specs" / "sub").mkdir(parents=True)
    for name in ("specs/a.yaml", "specs/sub/a.yaml"):
        (tmp_path / name).write_text("vars: {}\n")
    assert project_root([tmp_path / given]) == tmp_path


def test_an_entry_keeps_its_order() -> None:
    tree = parse(SourceFile("spec.yaml", "b: 1\na: 2\n"), Reporter())
    assert isinstance(tree, TreeMap)
    assert list(tree.entries) == ["b", "a"]
