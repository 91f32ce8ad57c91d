"""Arithmetic that fails where it would overflow, in queries of an engine that wraps results around without a word.

The compiler says where a query computes; the engine says with what types. Integers are computed by Arrow's checked
kernels, in 64 bits, and have to fit the fewer that a CAST around them says; sums of integers are made of decimals, and
have to fit 64 bits again. What floats give is looked at for infinities that none of them had. Dates stay as they are,
for the engine checks those itself, and so do decimals except in long sums.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from flowc.errors import DataError, EngineError
from flowc.loadplan import LONG_CHAIN, Arithmetic
from flowc.runtime.engine.context import demand_shallow
from flowc.runtime.engine.messages import engine_message
from flowc.runtime.fit import first_failing, shorten

CODE = "arithmetic-overflow"

Register = Callable[[str, Callable[..., pa.Array], list[pa.DataType], pa.DataType], None]
"""Gives the engine a function: its name, the function of arrays, the types it takes, the type it returns."""

_INTEGER, _SMALL, _SIGNED, _UNSIGNED, _PLAIN = "INT", "SMALLINT", "BIGINT", "BIGINT UNSIGNED", ""
_DOUBLE, _REAL = "DOUBLE", "FLOAT"
_ARROW: Mapping[str, pa.DataType] = {
    _INTEGER: pa.int32(), _SMALL: pa.int16(), _SIGNED: pa.int64(), _UNSIGNED: pa.uint64(),
    _DOUBLE: pa.float64(), _REAL: pa.float32(),
}  # fmt: skip
_CAST = re.compile(rf" AS ({_INTEGER}|{_SMALL})\)")
_TOTAL = pa.decimal128(30, 0)
"""The engine's sum of DECIMAL(20,0)."""

_WIDE_SUM = re.compile(r"Decimal128\((\d+), (-?\d+)\)")
_SAFE_DIGITS = 28
"""A decimal of so many digits can be summed ten thousand million times before the sum has 38."""

_COMPUTE: Mapping[str, tuple[str, Callable[..., pa.Array]]] = {
    "add": ("+", pc.add_checked),
    "subtract": ("-", pc.subtract_checked),
    "multiply": ("*", pc.multiply_checked),
    "negate": ("-", pc.negate_checked),
}
_REFUSED = re.compile(r"call to '(flowc_\w+?)(?:_of)?' function: coercion from (.*?) to the signature", re.DOTALL)
_Steps = tuple[Arithmetic, ...]
"""Computations of which each has the one before as its left operand; most are alone."""


@dataclass(frozen=True, slots=True)
class Query:
    """The text of a query and its computations, as planned; `fail` takes the error of a value before it is raised."""

    sql: str
    arithmetic: tuple[Arithmetic, ...]
    register: Register
    fail: Callable[[DataError], None]

    def checked(self, plan: Callable[[str], Any]) -> str:
        """The query with every computation checked that has integers.

        `plan` returns the engine's plan of a text, or raises. It decides each type: what a function of 64-bit integers
        does not accept is no integer.

        Raises:
            EngineError: the engine reads the text in another way than the compiler did, or not at all, for it nests
                too deeply.
        """
        units, plain = _chained(self.sql, self.arithmetic), self.nesting()
        demand_shallow(plain)
        # A plan shows how operators nest, but for equally strong ones, which both read from the left.
        written, read = (_shown(plan(text)) for text in (self.sql, plain))
        if written != read:
            raise _unread()
        narrow = self._narrow(units)
        types = {steps[-1].name: narrow.get(steps[-1].name, _SIGNED) if len(steps) == 1 else _SIGNED for steps in units}
        tried = set[tuple[_Steps, str]]()
        while (refused := self._refused(units, types, plan, tried)) is not None:
            name, given = refused
            units = _split(units, name, given)
            kind = next(steps[-1].kind for steps in units if steps[-1].name == name)
            types[name] = _settled(types[name], given, kind)
            types = {steps[-1].name: types.get(steps[-1].name, _SIGNED) for steps in units}
        for steps in units:
            self._register(steps, types[steps[-1].name], narrow.get(steps[-1].name), total=True)
        return self._text(units, lambda steps: _pieces(steps[-1], types[steps[-1].name]))

    def nesting(self) -> str:
        """The query with brackets around its computations, as deep as it gets for the engine."""
        return self._text(_chained(self.sql, self.arithmetic), lambda steps: _BRACKETS[steps[-1].kind])

    def _narrow(self, units: list[_Steps]) -> Mapping[str, str]:
        """The computations that stand in a CAST to fewer than 64 bits, wherever they are written."""
        found: dict[str, set[str]] = {}
        for steps in units:
            found.setdefault(steps[-1].name, set()).add(self._cast_around(steps[0].start, steps[-1].end, len(steps)))
        return {name: min(kinds) for name, kinds in found.items() if len(kinds) == 1 and _SIGNED not in kinds}

    def _cast_around(self, start: int, end: int, steps: int) -> str:
        """The type that a CAST says; of a long chain it is that of every step where two say it."""
        cast = _CAST.match(self.sql, end) if self.sql.endswith("CAST(", 0, start) else None
        if cast is not None and steps > 1:
            cast = (
                cast if self.sql.endswith("CAST(CAST(", 0, start) and self.sql.startswith(cast[0], cast.end()) else None
            )
        return cast[1] if cast else _SIGNED

    def _refused(
        self, units: list[_Steps], types: Mapping[str, str], plan: Callable[[str], Any], tried: set[tuple[_Steps, str]]
    ) -> tuple[str, str] | None:
        """The first computation that the engine does not accept for its types, and what it is given.

        What was `tried` is known to it: a computation is never tried twice for one type.
        """
        for steps, kind in ((steps, types[steps[-1].name]) for steps in units):
            if (steps, kind) not in tried:
                self._register(steps, kind, None, total=False)
                tried.add((steps, kind))
        try:
            # Types inside conditions are looked at by the optimizer only.
            plan(self._text(units, lambda steps: _probe(steps[-1], types[steps[-1].name]))).optimized_logical_plan()
        except Exception as error:
            found = _REFUSED.search(str(error))
            if found is None or types.get(found[1], _PLAIN) not in _ARROW:
                raise
            return found[1], found[2]
        return None

    def _text(self, units: list[_Steps], pieces: Callable[[_Steps], tuple[str, str | None, str, str]]) -> str:
        """The query with pieces put around each computation and around, or in the place of, its inner part.

        In a long chain, operators stay where nothing but brackets is put around it.
        """
        edits: list[tuple[int, int, int, int, str]] = []
        for depth, steps in enumerate(units):
            before, inside, after, behind = pieces(steps)
            edits.append((steps[0].start, 1, -depth, steps[0].start, before))
            edits.append((steps[-1].end, 0, depth, steps[-1].end, behind))
            for each in steps:
                if inside is not None:
                    edits.append((each.inner, 1, -depth, each.inner, inside))
                    edits.append((each.outer, 0, depth, each.outer, after))
                elif len(steps) == 1 or after == _COMMA:
                    edits.append((each.inner, 2, 0, each.outer, after))
        return _edited(self.sql, edits)

    def _register(self, steps: _Steps, kind: str, narrow: str | None, *, total: bool) -> None:
        if kind not in _ARROW:
            return
        integer, each = _ARROW[kind], steps[-1]
        if each.kind != "sum":
            gives = _ARROW[kind if kind in _FLOATS else narrow or kind]
            function = _folded(self._step(step, integer, gives) for step in steps)
            if each.kind == "negate":
                function = self._step(each, integer, gives)
            self.register(each.name, function, [integer] * (1 if each.kind == "negate" else len(steps) + 1), gives)
        elif total:
            function = self._caught(lambda sums: sums.cast(integer), each, "", integer)
            self.register(each.name, function, [_TOTAL], integer)
        else:
            self.register(f"{each.name}_of", lambda values: values, [integer], integer)

    def _step(self, each: Arithmetic, integer: pa.DataType, gives: pa.DataType) -> Callable[..., pa.Array]:
        sign, compute = _COMPUTE[each.kind]
        if pa.types.is_floating(gives):
            return self._caught(_bounded(compute), each, sign, gives)
        return self._caught(compute if gives == integer else _within(gives, compute), each, sign, gives)

    def _caught(
        self, compute: Callable[..., pa.Array], each: Arithmetic, sign: str, gives: pa.DataType
    ) -> Callable[..., pa.Array]:
        def computed(*arrays: pa.Array) -> pa.Array:
            try:
                return compute(*arrays)
            except pa.ArrowInvalid:
                words = _shortened(" ".join(self.sql[each.start : each.end].split()))
                self.fail(_overflow(compute, arrays, words, sign, gives))
                raise

        return computed


_BRACKETS: Mapping[str, tuple[str, str | None, str, str]] = {
    "add": ("(", None, " + ", ")"),
    "subtract": ("(", None, " - ", ")"),
    "multiply": ("(", None, " * ", ")"),
    "negate": ("(", None, "- ", ")"),
    "sum": ("(", "(", ")", ")"),
}
"""What makes the compiler's reading of a computation visible without changing it."""


_COMMA = ", "


def _shown(plan: Any) -> list[list[str]]:
    """A plan's lines without the order of their parts: columns that only ORDER BY names come in any."""
    return [sorted(line.split(", ")) for line in plan.logical_plan().display_indent().splitlines()]


_FLOATS = (_DOUBLE, _REAL)


def _settled(kind: str, given: str, computes: str) -> str:
    """The next thing to take the operands for, when they are not of `kind` but of the engine's types `given`."""
    operands = _BETWEEN.split(given)
    if kind not in _FLOATS and computes in _OVERFLOWING and (found := _float_of(operands)) is not None:
        return found
    if kind != _UNSIGNED and all(t.startswith("UInt") or t == "Null" for t in operands):
        return _UNSIGNED
    if kind in (_INTEGER, _SMALL) and all(t.startswith(("Int", "UInt")) or t == "Null" for t in operands):
        return _SIGNED
    wide = _WIDE_SUM.fullmatch(given)
    return f"DECIMAL(38,{wide[2]})" if wide and int(wide[1]) > _SAFE_DIGITS else _PLAIN


_OVERFLOWING = ("add", "subtract", "multiply")


def _float_of(operands: list[str]) -> str | None:
    """The type of floats in which operands are computed from the first on; None for others."""
    if {*operands} == {"Float32"}:
        return _REAL
    numbers = all(each.startswith(("Int", "UInt", "Float", "Decimal")) or each == "Null" for each in operands)
    return _DOUBLE if numbers and "Float64" in operands[:2] else None


def _bounded(compute: Callable[..., pa.Array]) -> Callable[..., pa.Array]:
    """What is computed of floats; ArrowInvalid where finite ones give an infinity."""

    def computed(*arrays: pa.Array) -> pa.Array:
        made = compute(*arrays)
        if pc.all(pc.is_finite(made)).as_py() is False:
            given = [pc.is_finite(array) for array in arrays]
            if pc.any(pc.and_not(pc.and_(*given), pc.is_finite(made))).as_py():
                raise pa.ArrowInvalid("overflow")
        return made

    return computed


def _split(units: list[_Steps], name: str, given: str) -> list[_Steps]:
    """With integers that begin a long chain of other numbers as a chain of their own, which is checked."""
    kinds = [kind.rstrip("0123456789") for kind in _BETWEEN.split(given)]
    alike = next((place for place, kind in enumerate(kinds) if kind != kinds[0]), len(kinds))
    if kinds[0] not in ("Int", "UInt") or not 1 < alike < len(kinds):
        return units
    split = (
        (steps[: alike - 1], steps[alike - 1 :]) if steps[-1].name == name and len(steps) > 1 else (steps,)
        for steps in units
    )
    return [steps for parts in split for steps in parts]


_BETWEEN = re.compile(r", (?![^(]*\))")


def _probe(each: Arithmetic, kind: str) -> tuple[str, str | None, str, str]:
    if kind in _ARROW and each.kind == "sum":
        return "", f"{each.name}_of(", ")", ""
    return _pieces(each, kind) if each.kind != "sum" else _BRACKETS["sum"]


def _pieces(each: Arithmetic, kind: str) -> tuple[str, str | None, str, str]:
    if kind in _ARROW and each.kind == "sum":
        return f"{each.name}(", "CAST(", " AS DECIMAL(20,0))", ")"
    if kind in _ARROW:
        return f"{each.name}(", None, "" if each.kind == "negate" else _COMMA, ")"
    if kind and each.kind == "sum":
        return "CAST(", "CAST(", f" AS {kind.replace('(38,', '(76,')})", f" AS {kind})"
    return _BRACKETS[each.kind]


def _edited(sql: str, edits: list[tuple[int, int, int, int, str]]) -> str:
    parts, done = [], 0
    for start, _, _, end, text in sorted(edits):
        parts += [sql[done:start], text]
        done = end
    return "".join([*parts, sql[done:]])


def _within(kind: pa.DataType, compute: Callable[..., pa.Array]) -> Callable[..., pa.Array]:
    """What is computed, as a narrower type; ArrowInvalid where it does not fit."""
    return lambda *arrays: compute(*arrays).cast(kind)


def _overflow(
    compute: Callable[..., pa.Array], arrays: tuple[pa.Array, ...], words: str, sign: str, gives: pa.DataType
) -> DataError:
    rows = pa.StructArray.from_arrays(list(arrays), [str(i) for i in range(len(arrays))])
    row = first_failing(lambda part: compute(*part.flatten()), rows)
    values = [str(array[row].as_py()) for array in arrays]
    shown = f" {sign} ".join(values) if len(values) > 1 else f"{sign}({values[0]})" if sign else values[0]
    if pa.types.is_floating(gives):
        help = "leave such rows out, or compute it of numerics: CAST an operand AS numeric"
        return DataError(f"`{words}` overflows: {shown} does not fit a float", code=CODE, help=help)
    message = f"`{words}` overflows: {shown} does not fit a {gives.bit_width}-bit integer"
    wider = "DECIMAL(38,0)" if gives.bit_width == 64 else "BIGINT"
    return DataError(message, code=CODE, help=f"compute with more digits: CAST an operand AS {wider}")


_SHOWN = 120
"""Characters of an expression that a message shows."""


def _shortened(words: str) -> str:
    return words if len(words) <= _SHOWN else f"{words[: _SHOWN // 2]} … {words[-_SHOWN // 2 :]}"


def overflow(error: BaseException) -> DataError | None:
    """The error for a number, date or interval that the engine itself found to overflow; None for another fault."""
    words = _LONG.sub(lambda run: run[0][:100] + run[0][-100:], engine_message(error))
    too_large = next((says(found) for sign, says in _TOO_LARGE.items() if (found := re.search(sign, words))), None)
    if too_large is None and not any(sign in str(error) for sign in _SIGNS):
        return None
    return DataError(too_large or words, code=CODE, help="compute with a wider type, such as DECIMAL(38,0), in the SQL")


_LONG = re.compile(r"\d{201,}")
"""Digits that are of no numeric: a text of millions of them would be looked through for as long as forever."""

_TOO_LARGE: Mapping[str, Callable[[re.Match[str]], str]] = {
    # Of a text, the engine says another type than the cast's; of a decimal, its digits without their point.
    r"Cannot cast string '(-?\d+(?:\.\d*)?)' to value of Decimal": lambda found: (
        f"{shorten(found[1])} is too large for the numeric that the SQL casts it to"
    ),
    r"Cannot cast to Decimal\d+\((\d+), (\d+)\)\. Overflowing": lambda found: (
        f"a number is too large for numeric({found[1]},{found[2]})"
    ),
    r"(-?\d+\.?(\d*)) is too (?:large|small) to store in a Decimal\d+ of precision (\d+)": lambda found: (
        f"{shorten(found[1])} is too large for numeric({found[3]},{len(found[2])})"
    ),
}
_SIGNS = (
    "verflow", "Can't cast value", "Timestamp out of range",
    "the representable i64 range",
)  # fmt: skip


def _unread() -> EngineError:
    message = "the arithmetic in this query cannot be guarded against overflow: it reads in two ways"
    return EngineError(message, code="query-refused", help="put brackets around the operands")


def _chained(sql: str, arithmetic: Iterable[Arithmetic]) -> list[_Steps]:
    """The computations of a query, inner ones first, with those of a long chain together, in the place of the last."""
    chains: list[list[tuple[int, Arithmetic]]] = []
    open_at: dict[int, list[tuple[int, Arithmetic]]] = {}
    for place, each in enumerate(arithmetic):
        chain = open_at.get(each.start) if each.kind in _OVERFLOWING else None
        if chain is not None and not sql[chain[-1][1].end : each.inner].strip():
            chain.append((place, each))
            continue
        chains.append([(place, each)])
        if each.kind in _OVERFLOWING:
            open_at[each.start] = chains[-1]
    units = [part for chain in chains for part in ([chain] if len(chain) > LONG_CHAIN else [[one] for one in chain])]
    return [tuple(each for _, each in unit) for unit in sorted(units, key=lambda unit: unit[-1][0])]


def _folded(computes: Iterable[Callable[..., pa.Array]]) -> Callable[..., pa.Array]:
    """What computes a chain of its operands, from the left."""
    steps = list(computes)

    def computed(first: pa.Array, *others: pa.Array) -> pa.Array:
        for compute, other in zip(steps, others, strict=True):
            first = compute(first, other)
        return first

    return computed
