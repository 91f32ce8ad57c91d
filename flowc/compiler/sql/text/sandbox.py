"""The Jinja environment of SQL templates: sandboxed, strict, and bounded in time and memory.

A template can loop, so it could run for ever or fill the memory. Turns of loops are counted; every filter, test, call
and operator is charged for what it is given and what it makes; what goes beyond the limits raises `TooMuchWork`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, ItemsView, Iterable, Iterator, KeysView, Mapping, Sequence, ValuesView
from dataclasses import dataclass
from functools import partial, wraps
from io import StringIO
from math import isfinite
from typing import Any, cast

from jinja2 import StrictUndefined, Template, Undefined, nodes
from jinja2.compiler import CodeGenerator, Frame
from jinja2.exceptions import SecurityError
from jinja2.runtime import LoopContext, Macro
from jinja2.sandbox import SandboxedEnvironment
from jinja2.utils import Namespace

MAX_ITERATIONS = 100_000
MAX_SIZE = 1_000_000
MAX_WORK = 1_000_000
"""What a template may do in all: one for each value that is taken or made, and for each 32 characters of a text."""
PROJECT_WORK, WORK_PER_CHARACTER = 2 * MAX_WORK, 20
"""What all templates of a project may do together: so much in any, and more for each character that is written."""
PROJECT_SIZE, SIZE_PER_CHARACTER = 150_000, 1
"""How many characters they may make together."""
MAX_WIDTH = 10_000
"""The widest that a number in `%`, `batch`, `slice` or `round` makes something."""
_MAX_BITS = 4096
_TOO_LONG, _TOO_WIDE = f"it makes more than {MAX_SIZE:,} characters", f"a width is more than {MAX_WIDTH:,}"
_TOO_BIG = f"a whole number has more than {_MAX_BITS:,} bits, or an exponent is more than that"
_CALL = 50
_CHARGED = (nodes.TemplateData, nodes.Const, nodes.Operand, nodes.Call, nodes.Filter)
"""What needs no charge of its own, or has one."""
_ITEM = 5
_CHARACTERS = 32
_SMALL = 1 << 63
_SIZED = (list, tuple, dict, range, set, KeysView, ValuesView, ItemsView)
_FORMAT, _KEYED_FORMAT = re.compile(r"%[^a-zA-Z%]*"), re.compile(r"[%)][^a-zA-Z%)]*")
"""Flags, width and precision of a value that `%` puts into a text; those of `%(name)s` stand behind the name."""
_WIDTH = re.compile(r"\*|\d+")

_FILTERS = re.findall(
    r"\w+",
    "abs batch capitalize count d default dictsort first float int items join last length list lower map max min"
    " reject rejectattr replace reverse round select selectattr slice sort string sum title trim unique upper",
)
_METHODS: Sequence[tuple[type, str, str]] = (
    (str, "text", "capitalize count endswith find index isdigit lower lstrip rstrip split splitlines startswith strip"
     " swapcase title upper"),
    (list, "list", "copy count index"),
    (tuple, "list", "count index"),
    (range, "list", "count index"),
    (dict, "dictionary", "copy get items keys values"),
    (int, "number", ""),
    (float, "number", ""),
)  # fmt: skip
"""What a template may call of a value. None of it makes much more than there is: what could is refused by its name,
for what it makes would be weighed too late. None changes a value: all templates have the project's in common."""
_CHANGING = {
    "list": "{% set all = all + [one] %}`; of a `namespace` where a loop makes it: `{% set ns.all = ns.all + [one] %}",
    "dictionary": "{% set all = dict(all, key=value) %}",
}
"""What to write instead of methods that change lists and dictionaries."""
_CHANGES = frozenset(("append", "clear", "extend", "insert", "pop", "popitem", "remove", "setdefault", "update"))
_OF_JINJA = (LoopContext, Macro, Namespace)


class TooMuchWork(Exception):
    """The template went beyond a limit: the message says which."""


class Refused(SecurityError):
    """A method that no template may call; `helps` say what to do instead."""

    def __init__(self, help_: str, message: str) -> None:
        super().__init__(message)
        self.helps = (help_,)


@dataclass(slots=True)
class Work:
    """What the templates of a project may still do together."""

    left: int = PROJECT_WORK
    characters: int = PROJECT_SIZE

    @property
    def excess(self) -> str:
        """What they do together, where it is that which one has failed for."""
        if self.left <= 0:
            return f"they take more than {PROJECT_WORK:,} steps, and {WORK_PER_CHARACTER} for each character of theirs"
        made = f"they make more than {PROJECT_SIZE:,} characters, and {SIZE_PER_CHARACTER} for each of theirs"
        return made if self.characters < 0 else ""

    def admit(self, size: int) -> None:
        """Allows what a text of so many characters may need."""
        self.left += WORK_PER_CHARACTER * size
        self.characters = max(0, self.characters) + SIZE_PER_CHARACTER * size

    def make(self, text: str) -> None:
        """Counts what a template has made; raises TooMuchWork."""
        if len(text) > MAX_SIZE:
            raise TooMuchWork(_TOO_LONG)
        self.characters -= len(text)
        if self.characters < 0:
            raise TooMuchWork(self.excess)


@dataclass(frozen=True, slots=True)
class Compiled:
    """A template that can be run, and the names that it does not define."""

    template: Template
    undeclared: frozenset[str]


class _Generator(CodeGenerator):
    """Also finds what `jinja2.meta.find_undeclared_variables` generates code once more for; computes nothing itself."""

    def __init__(self, environment: Sandbox) -> None:
        self.written = StringIO()
        super().__init__(environment, None, None, self.written, optimized=False)
        self.undeclared: set[str] = set()

    def enter_frame(self, frame: Frame) -> None:
        """Takes down what is looked up in the context."""
        super().enter_frame(frame)
        names = (name for action, name in frame.symbols.loads.values() if action == "resolve" and name is not None)
        self.undeclared.update(name for name in names if name not in self.environment.globals)

    def _output_child_to_const(self, node: nodes.Expr, frame: Frame, finalize: Any) -> str:
        if not isinstance(node, nodes.TemplateData):
            raise nodes.Impossible
        return super()._output_child_to_const(node, frame, finalize)


class Sandbox(SandboxedEnvironment):
    """Renders templates; one instance serves all, `run` resets its count."""

    intercepted_binops = frozenset(["+", "-", "*", "**", "%"])

    def __init__(self) -> None:
        super().__init__(undefined=StrictUndefined, keep_trailing_newline=True, autoescape=False, cache_size=0)
        adding = _numbers_only(self.filters["sum"])
        own: dict[str, Callable[..., Any]] = {"replace": _replace, "join": _join, "sum": adding, "trim": _trim}
        known: dict[str, Callable[..., Any]] = {name: own.get(name, self.filters[name]) for name in _FILTERS}
        self.filters = {name: self._charged(function) for name, function in known.items()}
        self.filters |= {"flowc_count": self._count, "flowc_charge": self._charge, "flowc_turn": self._turn}
        self.tests = {name: self._charged(cast(Callable[..., Any], function)) for name, function in self.tests.items()}
        self.globals = {"range": _range, "dict": _dict, "namespace": Namespace}
        self._left, self._work = MAX_ITERATIONS, MAX_WORK

    def add_filter(self, name: str, function: Callable[..., Any]) -> None:
        """Has templates of this instance know one more filter, which is charged as all are."""
        self.filters[name] = self._charged(function)

    def bound(self, tree: nodes.Template) -> None:
        """Puts into a parsed template what charges it: once, and before it is compiled."""
        self._wrap(tree)

    def compiled(self, tree: nodes.Template) -> Compiled:
        """Raises jinja2's errors, and what Python raises for code whose parts are too deep in each other."""
        generator = self._generated(tree)
        code = self._compile(generator.written.getvalue(), "<template>")
        template = self.template_class.from_code(self, code, self.make_globals(None))
        return Compiled(template, frozenset(generator.undeclared))

    def undeclared(self, tree: nodes.Template) -> set[str]:
        """The names that a parsed template does not define. Raises jinja2's errors, and RecursionError."""
        return self._generated(tree).undeclared

    def _generated(self, tree: nodes.Template) -> _Generator:
        """What is computed already, as Jinja may do with values that stand in a template, would be charged to nobody.

        So there is nothing to spend, and it is left to `run`.
        """
        self._left = self._work = 0
        generator = _Generator(self)
        generator.visit(tree)
        return generator

    def run(self, template: Template, context: Mapping[str, object], work: Work, most: int = MAX_SIZE) -> str:
        """The rendered text, of `most` characters.

        Raises jinja2's errors, TooMuchWork, and what a filter raises for odd arguments.
        """
        allowed = min(MAX_WORK, work.left)
        self._left, self._work = MAX_ITERATIONS, allowed
        size, parts = 0, []
        try:
            for part in template.generate(context):
                size += len(part)
                if size > most:
                    raise TooMuchWork(_TOO_LONG)
                parts.append(part)
        finally:
            work.left -= allowed - max(self._work, 0)
        return "".join(parts)

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        """Those methods of values that are listed, and what Jinja's own objects show."""
        if isinstance(obj, _OF_JINJA):
            return bool(super().is_safe_attribute(obj, attr, value))
        return any(isinstance(obj, kind) and attr in names.split() for kind, _, names in _METHODS)

    def unsafe_undefined(self, obj: Any, attribute: str) -> Any:
        """The value of that name where a dictionary has one; else what says why nothing else is had."""
        if isinstance(obj, dict) and attribute in obj:
            return obj[attribute]
        word, names = next(((word, names) for kind, word, names in _METHODS if isinstance(obj, kind)), ("value", ""))
        refused = partial(Refused, self._instead(attribute, word, names))
        message = f"`{attribute}` of a {word} is none of the methods that a template may call"
        if attribute in _CHANGES and word in _CHANGING:
            message = f"`{attribute}` changes a {word}, and a template changes no value"
        return self.undefined(message, obj, attribute, cast(Any, refused))

    def _instead(self, attribute: str, word: str, names: str) -> str:
        if attribute in self.filters:
            return f"write it as a filter: `| {attribute}`, or `| {attribute}(…)`"
        if attribute in _CHANGES and word in _CHANGING:
            return f"make a new one: `{_CHANGING[word]}`"
        return f"a {word} has {', '.join(f'`{name}`' for name in names.split()) or 'no methods'} in templates"

    def wrap_str_format(self, value: Any) -> None:
        """`format` is no safe method here."""
        return

    def call(self, context: Any, function: Any, *args: Any, **kwargs: Any) -> Any:
        """Charges a call of a macro, a method or a global."""
        self._spend(_CALL)
        if type(function) is not Macro:
            self._charge_owner(function, args)
        for value in (*args, *kwargs.values()):
            self._charge(value)
        return self._charge(super().call(context, function, *args, **kwargs))

    def _charge_owner(self, function: Any, args: tuple[Any, ...]) -> None:
        owner = getattr(function, "__self__", None)
        if isinstance(owner, str | list | tuple | range | dict):
            self._charge(owner)
        if isinstance(owner, str) and function.__name__.endswith("strip") and args:
            _trim(owner, *args)

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        """Refuses what would be too large before it is computed."""
        self._charge((left, right))
        if operator == "**":
            _demand_small(left, right)
        if operator == "%" and isinstance(left, str):
            _demand_narrow(left, right)
        for value, times in ((left, right), (right, left)):
            if operator == "*" and hasattr(value, "__len__") and isinstance(times, int):
                _bounded(len(value) * times)
        return self._charge(super().call_binop(context, operator, left, right))

    def _wrap(self, node: nodes.Node) -> int:
        """Charges what is put together, compared and shown, and counts turns; gives how many characters are shown."""
        within, shown = isinstance(node, nodes.Output | nodes.Compare | nodes.Operand | nodes.Concat), 0
        for name, value in node.iter_fields():
            if isinstance(value, list):
                shown += sum(self._wrap(item) for item in value if isinstance(item, nodes.Node))
                setattr(node, name, [self._wrapped(item, within) for item in value])
            elif isinstance(value, nodes.Node):
                shown += self._wrap(value)
                setattr(node, name, self._wrapped(value, within))
        if isinstance(node, nodes.Const) and isinstance(node.value, float) and not isfinite(node.value):
            raise ValueError("a number is too large")
        if isinstance(node, nodes.For):
            cost = nodes.Const(1 + shown // _CHARACTERS)
            node.iter = self._filter(node.iter, "flowc_count", [cost])
            if node.recursive:  # `loop(…)` gives it other values
                turn = self._filter(nodes.Const(None, lineno=node.lineno), "flowc_turn", [cost])
                node.body.insert(0, nodes.ExprStmt(turn, lineno=node.lineno))
        return shown + (len(node.data) if isinstance(node, nodes.TemplateData) else 0)

    def _wrapped(self, value: Any, within: bool) -> Any:
        if not isinstance(value, nodes.Expr) or isinstance(value, _CHARGED):
            return value
        made = isinstance(value, nodes.Concat | nodes.List | nodes.Tuple | nodes.Dict | nodes.Getitem)
        loaded = getattr(value, "ctx", "load") == "load"
        return self._filter(value, "flowc_charge", []) if loaded and (made or within) else value

    def _filter(self, node: Any, name: str, arguments: list[nodes.Expr]) -> nodes.Filter:
        return nodes.Filter(node, name, arguments, [], None, None, lineno=node.lineno, environment=self)

    def _count(self, values: Iterable[Any], cost: int) -> Iterator[Any]:
        for value in values:
            self._left -= 1
            self._spend(cost)
            if self._left < 0:
                raise TooMuchWork(f"its loops turn more than {MAX_ITERATIONS:,} times")
            yield value

    def _turn(self, _: None, cost: int) -> None:
        self._spend(cost)

    def _charged(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """A filter or test that is charged for its arguments, its result, and each item that it gives later."""

        @wraps(function)
        def charged(*args: Any, **kwargs: Any) -> Any:
            for value in (*args, *kwargs.values()):
                self._charge(value)
            for width in (*args[1:], *kwargs.values()):
                if isinstance(width, int) and abs(width) > MAX_WIDTH:
                    raise TooMuchWork(_TOO_WIDE)
            made = function(*args, **kwargs)
            return self._items(made) if isinstance(made, Iterator) else self._charge(made)

        return charged

    def _items(self, values: Iterator[Any]) -> Iterator[Any]:
        for value in values:
            self._spend(_ITEM)
            yield self._charge(value)

    def _charge(self, value: Any) -> Any:
        """The value, after its weight is taken off what is left."""
        small = len(value) < _CHARACTERS if type(value) is str else type(value) is int and -_SMALL < value < _SMALL
        if small and self._work > 0:  # as most are
            self._work -= 1
            return value
        if isinstance(value, int) and value.bit_length() > _MAX_BITS:
            raise TooMuchWork(_TOO_BIG)
        shown, pending = 0, [value]
        while pending:
            one = pending.pop()
            if isinstance(one, str):
                self._spend(1 + len(one) // _CHARACTERS)
                shown += len(one) if one is value or one.isprintable() else len(repr(one))
            else:
                self._spend(1)
                shown += one.bit_length() // 3 if isinstance(one, int) else 0
                pending.extend(self._parts(one))
            _bounded(shown)
        return value

    def _parts(self, value: Any) -> Iterable[Any]:
        """What a value holds, after the number of it is charged."""
        if isinstance(value, _SIZED):
            _bounded(len(value))
            self._spend(len(value))
        if isinstance(value, dict):
            return (*value, *value.values())
        if isinstance(value, Namespace):
            return (object.__getattribute__(value, "_Namespace__attrs"),)
        return value if isinstance(value, _SIZED) and not isinstance(value, range) else ()

    def _spend(self, cost: int) -> None:
        self._work -= cost
        if self._work < 0:
            raise TooMuchWork(f"it takes more than {MAX_WORK:,} steps")


def _bounded(size: int) -> None:
    if size > MAX_SIZE:
        raise TooMuchWork(f"a text or a list has more than {MAX_SIZE:,} characters or values")


def _range(*bounds: int) -> range:
    """The global `range`, which nothing needs to be longer than all loops together may turn."""
    made = range(*bounds)
    if made[MAX_ITERATIONS:]:  # its length may be more than an integer of C
        raise TooMuchWork(f"a `range` has more than {MAX_ITERATIONS:,} numbers")
    return made


def _dict(*values: Any, **named: Any) -> dict[Any, Any]:
    """The global `dict`, without what a type has more than a function."""
    return dict(*values, **named)


def _demand_small(base: object, exponent: object) -> None:
    """Bounds a power by the bits that it will have."""
    if not isinstance(exponent, int) or abs(exponent) > _MAX_BITS:
        raise TooMuchWork(_TOO_BIG)
    if isinstance(base, int) and (base.bit_length() - 1) * exponent > _MAX_BITS:
        raise TooMuchWork(_TOO_BIG)


def _demand_narrow(text: str, values: object) -> None:
    """Bounds what `%` makes of a text: the width of each value, where `*` has it from elsewhere, and all together."""
    is_keyed = "%(" in text
    if hasattr(values, "__getitem__") and not isinstance(
        values, (str, Undefined, *_SIZED)
    ):  # as the environment, unweighed
        raise TypeError("`%` puts in texts, numbers, lists and dictionaries")
    specs = (_KEYED_FORMAT if is_keyed else _FORMAT).findall(text)
    widths = [width.lstrip("0") or "0" for spec in specs for width in _WIDTH.findall(spec)]
    if any(width == "*" or len(width) > len(str(MAX_WIDTH)) or int(width) > MAX_WIDTH for width in widths):
        raise TooMuchWork(_TOO_WIDE)
    longest = max((len(str(value)) for value in values.values()), default=0) if isinstance(values, dict) else 0
    _bounded(sum(map(int, widths)) + is_keyed * text.count("%(") * longest)


def _replace(value: object, old: object, new: object, count: int = -1) -> str:
    text, before, after = str(value), str(old), str(new)
    _bounded(len(text) + text.count(before) * len(after))
    return text.replace(before, after, count)


def _trim(value: object, chars: str | None = None) -> str:
    text = str(value)
    if chars is not None:
        _bounded(len(text) * len(chars) // 100)  # each character of the one may be looked for in all of the other
    return text.strip(chars)


def _numbers_only(add: Callable[..., Any]) -> Callable[..., Any]:
    """The filter `sum` without lists, of which each would be copied once more for every one behind it."""

    @wraps(add)
    def added(environment: Any, values: Any, attribute: Any = None, start: Any = 0) -> Any:
        if not isinstance(start, int | float):
            raise TypeError("`sum` adds numbers")
        return add(environment, values, attribute, start)

    return added


def _join(values: Iterable[object], separator: object = "", attribute: str | None = None) -> str:
    parts, size = [], 0
    for value in values:
        part = str(value[attribute]) if attribute is not None and isinstance(value, Mapping) else str(value)
        size += len(part) + len(str(separator))
        _bounded(size)
        parts.append(part)
    return str(separator).join(parts)
