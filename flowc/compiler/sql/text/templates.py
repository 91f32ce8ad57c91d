"""Jinja templates in SQL: rendered in a sandbox, with a map of every rendered character back to the template.

The template is cut into chunks with Jinja's own lexer. Before each chunk that is shown, its parsed form gets a mark
(private-use characters and a number) that survives rendering, loops and conditionals included; the marks are then
taken out again, and what stood between two of them came from the chunk of the first. A template that captures what it
shows (a block that is set, a macro whose text a filter gets) may measure it, so that one is rendered without marks
too: where the two texts differ, the plain one wins and maps to the template as a whole.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from secrets import randbelow

from jinja2 import StrictUndefined, TemplateError, TemplateSyntaxError, UndefinedError, nodes

from flowc.compiler.sql.text.sandbox import MAX_SIZE, Compiled, Refused, Sandbox, TooMuchWork, Work
from flowc.diagnostics import Reporter, did_you_mean
from flowc.source import MappedText, Segment, Span

_OPEN, _CLOSE = chr(0xF0000 + randbelow(0xFFFE)) + chr(0x100000 + randbelow(0xFFFE)), "\ue0f1"
"""Around the number of a mark, short, and by chance: nothing that a template shows holds what nobody knows."""
_MARK = re.compile(f"{_OPEN}([0-9]+){_CLOSE}")
_CAPTURES = (nodes.CallBlock, nodes.FilterBlock, nodes.AssignBlock, nodes.Block)
_PRINT = "print"
_TWICE = re.compile("keyword argument repeated|duplicate argument")
_HALF = re.compile("[\ud800-\udfff]")
_SANDBOX = Sandbox()
_MARKED = 10
"""How much longer than what it shows a text becomes by marks, one for each value that is shown."""
_NAMES = ("var", "env", "ref", "watermark", "incremental")


@dataclass(frozen=True, slots=True)
class Values:
    """What a template may name. `watermark` and `incremental` are SQL text; None where the pipeline has none.

    `env` are the variables that it may read, None for one that is not set.
    `ref` gives the SQL name of a declared table by its key, and raises `NoSuchTable`.
    """

    vars: Mapping[str, object]
    env: Mapping[str, str | None]
    ref: Callable[[str], str]
    watermark: str | None = None
    incremental: str | None = None
    work: Work = field(default_factory=Work)
    """What the templates of the project may do together."""
    kept: Callable[[str], str | None] = lambda _: None
    """Why SQL may not have a variable, of those that it may not, whether the project lists them or not."""
    listed: Collection[str] = ()
    """The variables that the project lists: of those that are kept, it has been told where they are listed."""


class NoSuchTable(Exception):
    """What `ref` was asked for is no table that the SQL could name; `helps` say what is."""

    def __init__(self, key: str, message: str, helps: Sequence[str]) -> None:
        super().__init__(message)
        self.key, self.helps = key, helps


class Unset(UndefinedError):
    """A variable of the environment that is not set is used; the message is its name."""


class Unlisted(Exception):
    """A variable of the environment that a template may not read."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


_EXCESSES = (TooMuchWork, RecursionError, MemoryError, SyntaxError)
"""The last is what Python says of what Jinja makes of blocks or values in each other by the dozen."""
_FAULTS = (TemplateError, ArithmeticError, TypeError, ValueError, LookupError, AttributeError)
_FAILURES = (*_EXCESSES, *_FAULTS, NoSuchTable, Unlisted)
_QUOTED_WATERMARK = re.compile(r"""(['"])\s*\{\{-?\s*watermark\b[^}]*\}\}\s*\1""")


class Absent(str):
    """SQL that stands where there is no watermark yet: printed as it is, and false in `{% if … %}`."""

    __slots__ = ()

    def __bool__(self) -> bool:
        return False


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    start: int

    @property
    def end(self) -> int:
        return self.start + len(self.text)


@dataclass(frozen=True, slots=True)
class _Read:
    """A template: its tokens, with marks, and without where it captures what it shows."""

    tokens: list[_Token]
    marked: Compiled
    plain: Compiled | None


_BY_NAME = "`env` has variables by their names only: `env.NAME`"
_OF_FILES = ("include", "import", "from", "extends")


class _Ref:
    """The function `ref` of templates: it shows nothing of itself."""

    __slots__ = ("_find",)

    def __init__(self, find: Callable[[str], str]) -> None:
        self._find = find

    def __call__(self, *keys: object, **named: object) -> str:
        if len(keys) != 1 or named:
            raise TypeError("`ref` takes the key of one table: `ref('orders')`")
        return self._find(str(keys[0]))

    def __str__(self) -> str:
        return ""


class _Environment:
    """The environment variables that a template may read, by name only: it shows nothing of itself."""

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[str, str | None]) -> None:
        self._values = values

    def __getitem__(self, name: object) -> str | StrictUndefined:
        if not isinstance(name, str):
            raise ValueError(_BY_NAME)  # a TypeError would be one more name that is not defined
        if name not in self._values:
            raise Unlisted(name)
        value = self._values[name]
        return StrictUndefined(name, exc=Unset) if value is None else value

    def __iter__(self) -> Iterator[str]:
        raise ValueError(_BY_NAME)

    def __str__(self) -> str:
        return ""


def is_template(text: str) -> bool:
    """Whether a text holds anything for Jinja."""
    return "{{" in text or "{%" in text or "{#" in text


def uses_watermark(text: str) -> bool:
    """Whether a template names `watermark` or `incremental`."""
    if not is_template(text):
        return False
    try:
        names = _SANDBOX.undeclared(_SANDBOX.parse(text))
    except (*_EXCESSES, *_FAULTS):
        return False
    return not names.isdisjoint(("watermark", "incremental"))


def render(template: MappedText, values: Values, reporter: Reporter) -> MappedText | None:
    """The rendered text with its map, or None after reporting why it cannot be rendered."""
    if not is_template(template.text):
        return template
    template = _plain_newlines(template)
    read = _read(template, reporter)
    if quotes := _QUOTED_WATERMARK.search(template.text):
        message = "`watermark` is a SQL literal with quotes of its own: write `{{ watermark }}`, without any around it"
        reporter.error("template-error", message, template.span(*quotes.span()))
        return None
    if (
        read is None
        or _report_files(template, read, reporter)
        or _report_unknown_names(template, read, values, reporter)
    ):
        return None
    return _render(template, read, values, reporter)


def _render(template: MappedText, read: _Read, values: Values, reporter: Reporter) -> MappedText | None:
    tokens = read.tokens
    try:
        plain, marked = _run(template, read, values)
        _check_characters(plain)
    except Unset as error:
        _report_unset(str(error), _named_span(template, tokens, str(error), error), reporter)
    except UndefinedError as error:
        _report_undefined(template, tokens, error, reporter)
    except NoSuchTable as error:
        reporter.error("unknown-table", str(error), _named_span(template, tokens, error.key, error), helps=error.helps)
    except Unlisted as error:
        _report_unlisted(error.name, _named_span(template, tokens, error.name, error), values, reporter)
    except _EXCESSES as error:
        _report_excess(error, values.work, _place(template, tokens, error), reporter)
    except _FAULTS as error:
        mends: Sequence[str] = error.helps if isinstance(error, Refused) else ()
        message, span = f"the template fails: {_one_line(error)}", _place(template, tokens, error)
        reporter.error("template-error", message, span, helps=mends)
    else:
        return _mapped(template, tokens, plain, marked)
    return None


def _run(template: MappedText, read: _Read, values: Values) -> tuple[str, str]:
    """What a template makes, and the same with marks. Raises what fails in it, and TooMuchWork."""
    context, marks = _context(values), read.marked.template
    values.work.admit(len(template.text))
    if read.plain is None:
        marked = _SANDBOX.run(marks, context, values.work, _MARKED * MAX_SIZE)
        plain = _MARK.sub("", marked)
    else:
        plain = _SANDBOX.run(read.plain.template, context, values.work)
        try:
            marked = _SANDBOX.run(marks, context, Work(), _MARKED * MAX_SIZE)
        except _FAILURES:  # what it does with captured text that has marks is no fault of its author's
            marked = ""
    values.work.make(plain)
    return plain, marked


def _check_characters(text: str) -> None:
    """Raises ValueError where a text holds half of a pair of surrogates, which no file, terminal or database takes."""
    if not text.isascii() and (half := _HALF.search(text)):
        raise ValueError(f"it makes U+{ord(half[0]):04X}, which is half a character")


def _context(values: Values) -> dict[str, object]:
    context: dict[str, object] = {"var": dict(values.vars), "env": _Environment(values.env)}
    context["ref"] = _Ref(values.ref)
    if values.watermark is not None:
        context["watermark"] = values.watermark
    if values.incremental is not None:
        context["incremental"] = values.incremental
    return context


def _plain_newlines(template: MappedText) -> MappedText:
    """Turns all line ends into newlines, as Jinja does, so that its offsets are ours."""
    if "\r" not in template.text:
        return template
    parts, segments, at = [], [], 0
    for match in re.finditer(r"\r\n?|[^\r]+", template.text):
        text = "\n" if match[0][0] == "\r" else match[0]
        segments.append(Segment(at, at + len(text), match.start(), match.end()))
        parts.append(text)
        at += len(text)
    return template.derive("".join(parts), segments)


def _read(template: MappedText, reporter: Reporter) -> _Read | None:
    text = template.text
    try:
        tree, tokens = _SANDBOX.parse(text), _tokens(text)
        parts = [*_parts(tree)]
        plain = _compiled(text) if _captures(parts) else None
        _SANDBOX.bound(tree)
        _mark((part for part in parts if isinstance(part, nodes.Output)), tokens)
        return _Read(tokens, _SANDBOX.compiled(tree), plain)
    except TemplateSyntaxError as error:
        span = _line_span(template, error.lineno)
        words = _one_line(error.message or "")
        reporter.error("template-syntax", words, span, label="not a template that can be read")
    except _EXCESSES as error:
        if isinstance(error, SyntaxError) and _TWICE.match(error.msg):
            reporter.error("template-syntax", "an argument is named twice", _block_span(template, _tokens(text)))
        else:
            reporter.error("template-too-large", "the template is nested too deeply", template.span(0, len(text)))
    except _FAULTS as error:
        reporter.error("template-error", f"the template fails: {_one_line(error)}", _block_span(template, []))
    return None


def _tokens(text: str) -> list[_Token]:
    tokens, at = list[_Token](), 0
    for _, kind, value in _SANDBOX.lex(text):
        start = text.index(value, at) if value else at  # the lexer drops white space that `-` takes away
        tokens.append(_Token(kind, value, start))
        at = start + len(value)
    return tokens


def _compiled(text: str) -> Compiled:
    tree = _SANDBOX.parse(text)
    _SANDBOX.bound(tree)
    return _SANDBOX.compiled(tree)


def _parts(tree: nodes.Template) -> Iterator[nodes.Node]:
    """The nodes of a template in the order in which they are written."""
    pending: list[nodes.Node] = [tree]
    while pending:
        node = pending.pop()
        yield node
        pending += reversed([*node.iter_child_nodes()])


def _captures(parts: Sequence[nodes.Node]) -> bool:
    """Whether a template may do anything else with what it shows than show it."""
    if any(isinstance(part, _CAPTURES) or (isinstance(part, nodes.For) and part.recursive) for part in parts):
        return True
    macros = {part.name for part in parts if isinstance(part, nodes.Macro)}
    outputs = (part.nodes for part in parts if isinstance(part, nodes.Output))
    shown = (call.node for output in outputs for call in output if isinstance(call, nodes.Call))
    named = sum(isinstance(node, nodes.Name) and node.name in macros for node in shown)
    return named != sum(isinstance(part, nodes.Name) and part.name in macros for part in parts)


def _line_span(template: MappedText, line: int) -> Span:
    """The template code of a line: from its first brace, else from its first character."""
    lines = template.text.split("\n")
    line = min(max(line, 1), len(lines))
    start = sum(len(one) + 1 for one in lines[: line - 1])
    text = lines[line - 1]
    brace = next((m.start() for m in re.finditer(r"\{[{%#]", text)), len(text) - len(text.lstrip()))
    return template.span(start + brace, start + max(len(text.rstrip()), brace))


@dataclass(frozen=True, slots=True)
class _Chunk:
    """A piece of a template: data, which is shown as it is (`exact`), or one whole `{{ … }}`, `{% … %}`, `{# … #}`."""

    start: int
    end: int
    exact: bool = False
    tag: str | None = None
    """Of what is not shown but for `{% print … %}`."""

    @property
    def shown(self) -> bool:
        return self.tag is None or self.tag == _PRINT


def _chunks(tokens: Iterable[_Token]) -> Iterable[_Chunk]:
    start, tag, is_block = -1, "", False
    for token in tokens:
        if token.kind in ("variable_begin", "block_begin", "comment_begin", "raw_begin"):
            start, tag, is_block = token.start, "", token.kind == "block_begin"
            if token.kind == "raw_begin":
                yield _Chunk(start, token.end, tag=tag)
        elif token.kind in ("variable_end", "block_end", "comment_end", "raw_end"):
            begin = token.start if token.kind == "raw_end" else start
            yield _Chunk(begin, token.end, tag=None if token.kind == "variable_end" else tag)
        elif token.kind == "data":
            yield _Chunk(token.start, token.end, exact=True)
        elif is_block and not tag and token.kind == "name":
            tag = token.text


def _mark(outputs: Iterable[nodes.Output], tokens: list[_Token]) -> None:
    """Puts a mark before each chunk that is shown; as many are in the parsed template, in the same order.

    Data and `{{ … }}` that follow each other are parts of one output, and a `{% print … %}` is an output of its own.
    """
    chunks = deque(chunk for chunk in _chunks(tokens) if chunk.shown)
    for output in outputs:
        marked: list[nodes.Expr] = []
        if chunks and chunks[0].tag == _PRINT:
            output.nodes = [_marking(chunks.popleft(), output), *output.nodes]
            continue
        for node in output.nodes:
            marked += [_marking(chunks.popleft(), output), node]
        output.nodes = marked


def _marking(chunk: _Chunk, output: nodes.Output) -> nodes.TemplateData:
    return nodes.TemplateData(f"{_OPEN}{chunk.start}{_CLOSE}", lineno=output.lineno)


def _mapped(template: MappedText, tokens: list[_Token], plain: str, marked: str) -> MappedText:
    chunks = {chunk.start: chunk for chunk in _chunks(tokens) if chunk.shown}
    segments, parts, size = [], [], 0
    pieces = _MARK.split(marked)  # what stands before the first mark, and the number and the text of each
    for number, text in zip(pieces[1::2], pieces[2::2], strict=True):
        if text:
            chunk = chunks[int(number)]
            start = chunk.start
            stop = start + len(text) if chunk.exact and len(text) <= chunk.end - start else chunk.end
            segments.append(Segment(size, size + len(text), start, stop))
            parts.append(text)
            size += len(text)
    if "".join(parts) != plain:
        return template.derive(plain, [Segment(0, len(plain), 0, len(template.text))])
    return template.derive(plain, segments)


def _report_files(template: MappedText, read: _Read, reporter: Reporter) -> bool:
    """Reports what would read another template: there is none."""
    found = [chunk for chunk in _chunks(read.tokens) if chunk.tag in _OF_FILES]
    for chunk in found:
        message = f"a template reads no other files: there is no `{{% {chunk.tag} %}}`"
        helps = (
            "write the macro or the text into each SQL that needs it; values that several need belong into `vars`",
        )
        reporter.error("template-error", message, template.span(chunk.start, _end(chunk, template.text)), helps=helps)
    return bool(found)


def _report_unknown_names(template: MappedText, read: _Read, values: Values, reporter: Reporter) -> bool:
    """Reports every name that cannot be defined, before rendering: all of them, also in branches not taken."""
    unknown = read.marked.undeclared - {*_context(values), *_SANDBOX.globals}
    code = [t for t in read.tokens if t.kind in ("name", "operator", "string", "integer", "float")]
    before = reporter.errors
    for i, token in enumerate(code):
        previous = code[i - 1].text if i else ""
        if token.kind != "name" or previous == ".":
            continue
        if token.text in unknown:
            _report_name(template, token, reporter)
        elif token.text in ("var", "env") and i + 2 < len(code) and code[i + 1].text == ".":
            guarded = i + 3 < len(code) and code[i + 3].text in ("is", "|")
            _check_member(template, token, code[i + 2], values, reporter, guarded=guarded)
    return reporter.errors > before


def _report_name(template: MappedText, token: _Token, reporter: Reporter) -> None:
    span = template.span(token.start, token.end)
    if token.text in ("watermark", "incremental"):
        reporter.error(
            "undefined-template-name",
            f"`{token.text}` has no value: the pipeline has no `incremental`",
            span,
            helps=["add `incremental: { column: … }` to the pipeline"],
        )
        return
    helps = did_you_mean(token.text, _NAMES) or (
        "a template knows `var.NAME`, `env.NAME`, `ref('TABLE')`, `watermark`, `incremental`",
    )
    reporter.error("undefined-template-name", f"`{token.text}` is not defined in templates", span, helps=helps)


def _check_member(
    template: MappedText, root: _Token, name: _Token, values: Values, reporter: Reporter, *, guarded: bool
) -> None:
    """Reports `var.NAME` and `env.NAME` without a value, but for those whose template minds it."""
    span = template.span(name.start, name.end)
    if root.text == "env" and name.text not in values.env:
        _report_unlisted(name.text, span, values, reporter)
    elif root.text == "env" and values.env[name.text] is None and not guarded:
        _report_unset(name.text, span, reporter)
    elif root.text == "var" and name.text not in values.vars and not guarded:
        helps = did_you_mean(name.text, values.vars) or (f"declare it: `vars: {{ {name.text}: … }}`",)
        reporter.error("undefined-template-name", f"`var.{name.text}` is not one of `vars`", span, helps=helps)


def _report_unset(name: str, span: Span, reporter: Reporter) -> None:
    message, mend = f"the environment variable `{name}` is not set", f"set it where flowc runs: `export {name}=…`"
    reporter.error("undefined-environment-variable", message, span, helps=(mend,))


def _report_unlisted(name: str, span: Span, values: Values, reporter: Reporter) -> None:
    if why := values.kept(name):
        if name not in values.listed:
            mend = "give SQL what it needs by a variable of its own"
            reporter.error("variable-of-connection", f"SQL may not read `{name}`: {why}", span, helps=(mend,))
        return
    message = f"SQL may not read the environment variable `{name}`: it is none that the project lists"
    mend = f"list it in the project: `env: [{name}]`; what connections use, secrets above all, SQL cannot have"
    helps = did_you_mean(name, values.env) or (mend,)
    reporter.error("unlisted-variable", message, span, helps=helps)


def _report_excess(error: Exception, work: Work, span: Span, reporter: Reporter) -> None:
    message = f"the template does too much work: {error}"
    if work.excess:
        message = f"the templates of the project do too much work together: {work.excess}"
    elif not isinstance(error, TooMuchWork):
        message = "the template does too much work: its macros or values are too deep in each other"
    helps = ("see what counts, and how much may be: `flowc explain template-too-large`",)
    reporter.error("template-too-large", message, span, helps=helps)


def _report_undefined(template: MappedText, tokens: list[_Token], error: Exception, reporter: Reporter) -> None:
    named = re.findall(r"'([^']*)'", str(error))
    token = next((t for t in tokens if t.kind == "name" and named and t.text == named[-1]), None)
    span = template.span(token.start, token.end) if token else _place(template, tokens, error)
    shown = f"`{named[-1]}` is not defined" if named else "a value of the template is not defined"
    reporter.error("undefined-template-name", shown, span)


def _named_span(template: MappedText, tokens: list[_Token], name: str, error: Exception) -> Span:
    """Where a template says a text that it asks for, or where it fails for it."""
    token = next((t for t in tokens if t.kind == "string" and t.text[1:-1] == name), None)
    return template.span(token.start + 1, token.end - 1) if token else _place(template, tokens, error)


def _place(template: MappedText, tokens: list[_Token], error: Exception) -> Span:
    """What is Jinja's in the line in which a template fails; all of it where that is not known."""
    line, trace = 0, error.__traceback__
    while trace is not None:
        if "__jinja_exception__" in trace.tb_frame.f_globals:  # a frame that Jinja has put where its code stood
            line = trace.tb_lineno
        trace = trace.tb_next
    lines = template.text.split("\n")
    start = sum(len(one) + 1 for one in lines[: line - 1])
    end = start + len(lines[line - 1])
    code = ((chunk.start, _end(chunk, template.text)) for chunk in _chunks(tokens) if not chunk.exact)
    found = [(first, last) for first, last in code if line and first < end and start < last]
    return template.span(found[0][0], found[-1][1]) if found else _block_span(template, tokens)


def _end(chunk: _Chunk, text: str) -> int:
    """The end of a chunk without the white space that `-` takes away."""
    return chunk.start + len(text[chunk.start : chunk.end].rstrip())


def _block_span(template: MappedText, tokens: list[_Token]) -> Span:
    first = next((t for t in tokens if t.kind.endswith("_begin")), None)
    last = next((t for t in reversed(tokens) if t.kind.endswith("_end")), None)
    return template.span(first.start if first else 0, last.end if last else len(template.text))


def _one_line(error: Exception | str) -> str:
    text = " ".join(str(error).split()).rstrip(".")
    return text[:1].lower() + text[1:160]
