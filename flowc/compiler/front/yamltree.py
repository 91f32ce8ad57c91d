"""Text to nodes: a YAML file as a small frozen tree, each node with its span.

The tree is built from libyaml's events without recursion, so that no input can exhaust the stack. Scalars follow YAML
1.2 (`on`, `yes` and `12:30` are text). Whatever is wrong becomes a diagnostic with a code of its own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from flowc.compiler.front.yamlscalars import Plain, control_character, plain_value
from flowc.diagnostics import Note, Reporter
from flowc.source import SourceFile, Span

MAX_DEPTH = 100
MAX_ALIASED = 100_000
"""How many nodes aliases may add to one file."""
_CHARACTERS = 8
"""So many of a text that is repeated count as a node."""

_PROPERTIES = re.compile(r"(?:[&!]\S*\s+)*")
_TAB = re.compile(r" *\t")
_TAGS = {"tag:yaml.org,2002:str"}


@dataclass(frozen=True, slots=True)
class Scalar:
    """One value. `text` is what it says, `value` what it means; `style` is None, `'`, `"`, `|` or `>`."""

    span: Span
    text: str
    value: Plain
    style: str | None


@dataclass(frozen=True, slots=True)
class Sequence:
    """A list of nodes."""

    span: Span
    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Entry:
    """One key of a mapping and its value."""

    key: Scalar
    value: Node


@dataclass(frozen=True, slots=True)
class TreeMap:
    """A mapping, by the text of its keys, in the order of the file."""

    span: Span
    entries: Mapping[str, Entry]
    dropped: tuple[Entry, ...] = ()
    """Those of keys that were given before, which are errors: they count for nothing, and may hold secrets."""

    @staticmethod
    def empty(file: SourceFile) -> TreeMap:
        """The mapping of a file that holds nothing."""
        return TreeMap(Span(file, 0, 0), {})

    def get(self, key: str) -> Node | None:
        """The value of a key, or None."""
        entry = self.entries.get(key)
        return entry.value if entry else None


Node = Scalar | Sequence | TreeMap


def plain(node: Node) -> Any:
    """The node as plain Python values."""
    if isinstance(node, Scalar):
        return node.value
    if isinstance(node, Sequence):
        return [plain(item) for item in node.items]
    return {key: plain(entry.value) for key, entry in node.entries.items()}


def parse(file: SourceFile, reporter: Reporter) -> Node | None:
    """The tree of a file; None when it is empty or broken, which is then reported."""
    if (found := control_character(file.text)) is not None:
        span = Span(file, found, found + 1)
        message = f"the file holds the control character U+{ord(file.text[found]):04X}"
        reporter.error("control-character", message, span, helps=("remove the character, or write it as an escape",))
        return None
    try:
        return _Composer(file, reporter).compose()
    except yaml.YAMLError as error:
        _report_syntax(file, error, reporter)
    except _Stop:
        pass
    return None


class _Stop(Exception):
    """The file cannot be read further; the reason has been reported."""


@dataclass
class _Open:
    """A collection that has begun and not ended."""

    start: int
    anchor: str | None
    mapping: bool
    items: list[Node] = field(default_factory=list)
    size: int = 1


class _Composer:
    """Builds the tree of one document from events, with a stack of its own."""

    def __init__(self, file: SourceFile, reporter: Reporter) -> None:
        self._file = file
        self._reporter = reporter
        self._events = yaml.CSafeLoader(file.text)
        self._stack: list[_Open] = []
        self._anchors: dict[str, tuple[Node, int]] = {}
        self._aliased = 0
        self._root: Node | None = None
        self._documents = 0

    def compose(self) -> Node | None:
        handlers = {
            yaml.ScalarEvent: self._scalar, yaml.AliasEvent: self._alias, yaml.MappingStartEvent: self._start,
            yaml.SequenceStartEvent: self._start, yaml.MappingEndEvent: self._end, yaml.SequenceEndEvent: self._end,
            yaml.DocumentStartEvent: self._document,
        }  # fmt: skip
        get, nothing = self._events.get_event, yaml.StreamEndEvent
        while not isinstance(event := get(), nothing):
            if handler := handlers.get(type(event)):
                handler(event)
        if self._root is None:
            span = Span(self._file, 0, 0)
            self._reporter.warning("empty-file", "the file holds nothing", span, helps=("delete it or fill it",))
        return self._root

    def _span(self, start: int, end: int) -> Span:
        return Span(self._file, start, end)

    def _stop(self, code: str, message: str, event: Any, *helps: str) -> _Stop:
        span = self._span(event.start_mark.index, event.end_mark.index)
        self._reporter.error(code, message, span, helps=helps)
        return _Stop()

    def _document(self, event: Any) -> None:
        self._documents += 1
        if self._documents > 1:
            raise self._stop(
                "several-documents", "the file holds several YAML documents", event,
                "remove the `---`, or put each document into a file of its own",
            )  # fmt: skip

    def _scalar(self, event: Any) -> None:
        start = event.start_mark.index
        if event.anchor or event.tag:
            found = _PROPERTIES.match(self._file.text, start)
            start = min(found.end(), event.end_mark.index) if found else start
        text, style = event.value, event.style or None
        text_wanted = style is not None or event.tag in _TAGS
        span = self._span(start, event.end_mark.index)
        if "\0" in text:
            self._reporter.error("control-character", "the value holds a NUL character", span)
            text = text.replace("\0", "\N{SYMBOL FOR NULL}")  # what quotes names takes none
        node = Scalar(span, text, text if text_wanted else plain_value(text), style)
        self._add(node, event.anchor, 1 + len(text) // _CHARACTERS)

    def _alias(self, event: Any) -> None:
        if any(opened.anchor == event.anchor for opened in self._stack):
            raise self._stop("cyclic-alias", f"`*{event.anchor}` stands inside what it repeats", event)
        if event.anchor not in self._anchors:
            raise self._stop("unknown-anchor", f"`*{event.anchor}` repeats an anchor that is not there", event,
                             f"write `&{event.anchor}` before the value to repeat")  # fmt: skip
        node, size = self._anchors[event.anchor]
        self._aliased += size
        if self._aliased > MAX_ALIASED:
            raise self._stop("alias-expansion", f"aliases repeat more than {MAX_ALIASED} values", event)
        self._add(node, None, size)

    def _start(self, event: Any) -> None:
        if len(self._stack) >= MAX_DEPTH:
            raise self._stop("nesting-too-deep", f"values are nested more than {MAX_DEPTH} deep", event)
        mapping = isinstance(event, yaml.MappingStartEvent)
        self._stack.append(_Open(event.start_mark.index, event.anchor, mapping))

    def _end(self, event: Any) -> None:
        opened = self._stack.pop()
        span = self._span(opened.start, event.end_mark.index)
        node = self._mapping(opened, span) if opened.mapping else Sequence(span, tuple(opened.items))
        self._add(node, opened.anchor, opened.size)

    def _add(self, node: Node, anchor: str | None, size: int) -> None:
        if anchor:
            self._anchors[anchor] = (node, size)
        if self._stack:
            self._stack[-1].items.append(node)
            self._stack[-1].size += size
        else:
            self._root = node

    def _mapping(self, opened: _Open, span: Span) -> TreeMap:
        entries: dict[str, Entry] = {}
        merged, dropped = list[Node](), list[Entry]()
        items = iter(opened.items)
        for key, value in zip(items, items, strict=True):
            if not isinstance(key, Scalar):
                template = key.span.file.text.startswith("{{", key.span.start - 1)
                helps = ('put a template in quotes: `"{{ var.name }}"`',) if template else ()
                self._reporter.error("key-not-text", "a key must be a plain name", key.span, helps=helps)
            elif key.text == "<<" and key.style is None:
                merged.append(value)
            elif key.text in entries:
                self._duplicate(key, entries[key.text].key)
                dropped.append(Entry(key, value))
            else:
                entries[key.text] = Entry(key, value)
        for node in merged:
            self._merge(entries, node)
        return TreeMap(span, entries, tuple(dropped))

    def _duplicate(self, key: Scalar, first: Scalar) -> None:
        note = Note(f"`{key.text}` is first given here", first.span)
        self._reporter.error("duplicate-key", f"key `{key.text}` is given twice", key.span, notes=(note,))

    def _merge(self, entries: dict[str, Entry], node: Node) -> None:
        parts = node.items if isinstance(node, Sequence) else (node,)
        for part in parts:
            if not isinstance(part, TreeMap):
                message = "`<<` takes a mapping or a list of mappings"
                self._reporter.error("bad-merge-key", message, part.span, helps=("write `<<: *name`",))
                continue
            for key, entry in part.entries.items():
                entries.setdefault(key, entry)


def _report_syntax(file: SourceFile, error: yaml.YAMLError, reporter: Reporter) -> None:
    mark = getattr(error, "problem_mark", None)
    offset = min(mark.index, len(file.text)) if mark else 0
    span = Span(file, offset, min(offset + 1, len(file.text)))
    problem = getattr(error, "problem", None) or str(error)
    context = getattr(error, "context", None)
    if (tab := _indenting_tab(file.text, offset)) is not None:
        span, helps = Span(file, tab, tab + 1), ("indent with spaces",)
        reporter.error("tab-indentation", "a tab indents this line; YAML allows spaces only", span, helps=helps)
        return
    if "maximum nesting" in problem:
        reporter.error("nesting-too-deep", f"values are nested more than {MAX_DEPTH} deep", span)
        return
    start = getattr(error, "context_mark", None)
    notes = (Note(context, Span(file, start.index, start.index)),) if context and start else ()
    reporter.error(
        "yaml-syntax",
        f"the YAML cannot be read: {problem}",
        span,
        notes=notes,
        helps=_syntax_help(problem, file.text, offset),
    )


def _indenting_tab(text: str, offset: int) -> int | None:
    """The offset of a tab before the first word of the line that cannot be read."""
    start = text.rfind("\n", 0, offset) + 1
    found = _TAB.match(text, start)
    return found.end() - 1 if found else None


_SYNTAX_HELPS = {
    "mapping values are not allowed": "put a value that holds `: ` in quotes",
    "cannot start any token": "put the value in quotes",
    "did not find expected key": "align the keys of one mapping",
    "did not find expected '-' indicator": "indent the keys of a list's entry below its `- `",
    "did not find expected alphabetic": "put a value that begins with `*` or `&` in quotes",
    "did not find expected node content": "write a value here, and close each bracket",
    "expected comment or line break": "put a value that begins with `>` or `|` in quotes",
    "unknown escape character": r"put a text that holds `\` in single quotes",
    "sequence entries are not allowed": "begin each `- ` on a line of its own",
    "expected ',' or": "close the bracket, or put a comma between the values",
    "could not find expected ':'": "write `key: value`",
    "unexpected end of stream": "close the quote",
}


def _syntax_help(problem: str, text: str, offset: int) -> tuple[str, ...]:
    line = text[text.rfind("\n", 0, offset) + 1 : offset]
    if "did not find expected key" in problem and line.strip():
        return ("put the whole value in quotes, with `''` for each `'` between single quotes",)
    cut = text.startswith("${", offset - 1) or (text.startswith(": ", offset) and any(each in line for each in "{["))
    if "expected ',' or" in problem and cut:
        return ('inside brackets, put a value that holds `{` or `: ` in quotes, such as `"${NAME}"`',)
    return next(((help,) for part, help in _SYNTAX_HELPS.items() if part in problem), ())
