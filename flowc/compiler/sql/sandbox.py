"""The Jinja environment of SQL templates: sandboxed, strict, and bounded in time and memory.

A template can loop, so it could run for ever or fill the memory. Loops are counted, and every value that a filter, call
or operator makes is measured; what goes beyond the limits raises `TooMuchWork`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from jinja2 import StrictUndefined, nodes
from jinja2.sandbox import SandboxedEnvironment

MAX_ITERATIONS = 100_000
MAX_SIZE = 1_000_000
_MAX_BITS = 4096

_FILTERS = re.findall(
    r"\w+",
    "abs batch capitalize count d default dictsort first float int items join last length list lower map max min"
    " reject rejectattr replace reverse round select selectattr slice sort string sum title trim unique upper",
)
_TEXT_METHODS = frozenset(
    re.findall(
        r"\w+",
        "capitalize count endswith find index isdigit lower lstrip rstrip split splitlines startswith strip swapcase"
        " title upper",
    )
)


class TooMuchWork(Exception):
    """The template went beyond its limits."""


class Sandbox(SandboxedEnvironment):
    """Renders templates; one instance serves all, `run` resets its count."""

    intercepted_binops = frozenset(["+", "*", "**"])

    def __init__(self) -> None:
        super().__init__(undefined=StrictUndefined, keep_trailing_newline=True, autoescape=False, cache_size=0)
        self.filters = {name: self.filters[name] for name in _FILTERS}
        self.filters |= {"flowc_count": self._count, "flowc_measure": self._measure, "replace": _replace, "join": _join}
        self.globals = {name: self.globals[name] for name in ("range", "dict", "namespace")}
        self._left = MAX_ITERATIONS

    def run(self, source: str, context: Mapping[str, object]) -> str:
        """The rendered text. Raises jinja2's errors, TooMuchWork, and what a filter raises for odd arguments."""
        self._left = MAX_ITERATIONS
        size, parts = 0, []
        for part in self.from_string(source).generate(context):
            size += len(part)
            if size > MAX_SIZE:
                raise TooMuchWork
            parts.append(part)
        return "".join(parts)

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        """Also leaves out methods of text that can make gigabytes of it."""
        if isinstance(obj, str | bytes) and attr not in _TEXT_METHODS:
            return False
        return bool(super().is_safe_attribute(obj, attr, value))

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        """Refuses what would be too large before it is computed."""
        if operator == "**" and not (isinstance(right, int) and abs(right) <= _MAX_BITS):
            raise TooMuchWork
        for value, times in ((left, right), (right, left)):
            if operator == "*" and hasattr(value, "__len__") and isinstance(times, int):
                _bounded(len(value) * times)
        return self._measure(super().call_binop(context, operator, left, right))

    def _generate(self, source: nodes.Template, *args: Any, **kwargs: Any) -> str:
        for loop in list(source.find_all(nodes.For)):
            loop.iter = self._filter(loop.iter, "flowc_count")
        self._wrap(source)
        return super()._generate(source, *args, **kwargs)

    def _wrap(self, node: nodes.Node) -> None:
        """Measures what concatenations, filters and calls make."""
        for name, value in node.iter_fields():
            if isinstance(value, list):
                setattr(node, name, [self._measured(item) for item in value])
            else:
                setattr(node, name, self._measured(value))

    def _measured(self, value: Any) -> Any:
        if not isinstance(value, nodes.Node):
            return value
        self._wrap(value)
        if isinstance(value, nodes.Concat | nodes.Call) or (
            isinstance(value, nodes.Filter) and value.node is not None and not value.name.startswith("flowc_")
        ):
            return self._filter(value, "flowc_measure")
        return value

    def _filter(self, node: Any, name: str) -> nodes.Filter:
        return nodes.Filter(node, name, [], [], None, None, lineno=node.lineno, environment=self)

    def _count(self, values: Iterable[Any]) -> Iterator[Any]:
        for value in values:
            self._left -= 1
            if self._left < 0:
                raise TooMuchWork
            yield value

    def _measure(self, value: Any) -> Any:
        if isinstance(value, int) and value.bit_length() > _MAX_BITS:
            raise TooMuchWork
        if isinstance(value, str | bytes | list | tuple | dict):
            _bounded(len(value))
        return value


def _bounded(size: int) -> None:
    if size > MAX_SIZE:
        raise TooMuchWork


def _replace(value: object, old: object, new: object, count: int = -1) -> str:
    text, before, after = str(value), str(old), str(new)
    _bounded(len(text) + text.count(before) * len(after))
    return text.replace(before, after, count)


def _join(values: Iterable[object], separator: object = "", attribute: str | None = None) -> str:
    parts, size = [], 0
    for value in values:
        part = str(value[attribute]) if attribute is not None and isinstance(value, Mapping) else str(value)
        size += len(part) + len(str(separator))
        _bounded(size)
        parts.append(part)
    return str(separator).join(parts)
