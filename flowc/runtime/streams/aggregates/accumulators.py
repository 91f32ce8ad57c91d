"""The aggregates of one node: what they keep of each group, and what they give of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from flowc.errors import UsageError
from flowc.loadplan import FunctionPlan
from flowc.nodes import TIME, AggregatePlan
from flowc.runtime.arrow import arrow_type, data_type
from flowc.runtime.engine.functions import Aggregate, Function
from flowc.runtime.engine.functiontypes import taken
from flowc.runtime.streams.aggregates.declared import Declared
from flowc.runtime.streams.aggregates.exact import Exact
from flowc.runtime.streams.aggregates.extremes import Fixed, Referenced, Timed, has_order, in_64_bits
from flowc.runtime.streams.aggregates.gathered import Distinct, Listed
from flowc.runtime.streams.aggregates.part import Count, Floats, Part, Steps
from flowc.runtime.streams.aggregates.percentiles import Percentiles
from flowc.runtime.streams.aggregates.sketches import Approximate

_STEPS, _LONG = "changed", 40
Result = Callable[["_Asked"], pa.Array]
"""Makes of slots what an aggregate gives."""


class Accumulators:
    """The aggregates of one node, by slots. `schema` is that of the node's input, without hidden columns.

    A new slot has seen no row, as one that was cleared. Rows are added in their order, so that what comes out is the
    same to the last bit for any batches. With `stepped`, it is kept beside them when each group changed last.
    `functions` are those of the project that are declared of aggregates, which get the rows batch by batch.

    Raises UsageError (`unsupported-aggregate`) for an aggregate that there is not, or of values that it is not for.
    """

    def __init__(
        self,
        plans: Sequence[AggregatePlan],
        schema: pa.Schema,
        *,
        stepped: bool = False,
        functions: Sequence[Function] = (),
    ) -> None:
        self._schema, self._parts = schema, dict[str, _Fed]()
        self._functions = {function.plan: function for function in functions}
        self._results = [self._planned(plan) for plan in plans]
        self.steps = Steps(_STEPS) if stepped else None
        if self.steps is not None:
            self._parts[_STEPS] = _Fed(self.steps, None, None)
        self.state = pa.schema([each for fed in self._parts.values() for each in fed.part.fields])
        """The columns that hold what is kept of one group."""

    @property
    def nbytes(self) -> int:
        """What it takes in memory."""
        return sum(fed.part.nbytes for fed in self._parts.values())

    def grow(self, count: int) -> None:
        """Makes room for so many slots."""
        for fed in self._parts.values():
            fed.part.grow(count)

    def add(self, slots: Any, rows: pa.RecordBatch) -> None:
        """Adds rows to their slots."""
        given = _Given(slots, rows)
        for fed in self._parts.values():
            fed.part.add(*given.of(fed))

    def combine(self, slots: Any, other: Accumulators, others_slots: Any) -> None:
        """Adds groups of others, in their order, to groups."""
        for fed, of in zip(self._parts.values(), other._parts.values(), strict=True):
            fed.part.combine(slots, of.part, others_slots)

    def take(self, slots: Any) -> pa.RecordBatch:
        """What is kept of some groups."""
        columns = [column for fed in self._parts.values() for column in fed.part.take(slots)]
        return pa.RecordBatch.from_arrays(columns, schema=self.state)

    def put(self, slots: Any, state: pa.RecordBatch) -> None:
        """Has slots, which have seen no row, keep what was taken."""
        columns = iter(state.columns)
        for fed in self._parts.values():
            fed.part.put(slots, [next(columns) for _ in fed.part.fields])

    def results(self, slots: Any) -> list[pa.Array]:
        """What each aggregate gives of some groups, in the order and of the types of their plans.

        Raises DataError (`arithmetic-overflow`) for a sum or a mean that does not fit its type.
        """
        asked = _Asked(slots)
        return [made(asked) for made in self._results]

    def clear(self, slots: Any) -> None:
        """Has some slots have seen no row."""
        for fed in self._parts.values():
            fed.part.clear(slots)

    def _planned(self, plan: AggregatePlan) -> Result:
        kind, function = arrow_type(plan.type), plan.function.lower()
        if plan.declared is not None:
            return self._own(plan, plan.declared, kind)
        if plan.distinct and function not in ("count", "min", "max"):
            raise _unsupported(f"`{function}(DISTINCT …)` is no aggregate of windows")
        if function == "count":
            counted: Distinct | _Counted = self._distinct(plan) if plan.distinct else self._count(plan)
            return lambda asked: pa.array(asked.counts(counted)).cast(kind)
        assert plan.argument is not None
        maker = {"sum": self._sum, "avg": self._mean, "min": self._extreme, "max": self._extreme}.get(function)
        if maker is not None:
            return maker(plan, kind, self._count(plan))
        return self._sketch(plan, kind) if function.startswith("approx_") else self._ordered(plan, kind)

    def _part(self, name: str, plan: AggregatePlan, make: Callable[[str], Any], rows: _Rows = "values") -> Any:
        """The part of some name, argument and filter, of which there is one."""
        given = plan.value or ", ".join(each for each in (plan.argument, *plan.more) if each is not None)
        condition = plan.condition or plan.where
        key = f"{name}({_short(given) or '*'})" + (f" where {_short(condition)}" if condition else "")
        if key not in self._parts:
            self._parts[key] = _Fed(
                make(key), plan.argument, plan.where, rows=rows, more=plan.more, many=plan.declared is not None
            )
        return self._parts[key].part

    def _count(self, plan: AggregatePlan) -> _Counted:
        """Rows are counted once for all arguments, and for each of these the NULLs, of which there are few."""
        every = self._part("count", replace(plan, argument=None, more=(), value=""), Count)
        return _Counted(every, self._part("nulls", plan, Count, "nulls") if plan.argument is not None else None)

    def _distinct(self, plan: AggregatePlan) -> Distinct:
        found: Distinct = self._part("distinct", plan, lambda name: Distinct(name, self._type(plan)))
        return found

    def _type(self, plan: AggregatePlan) -> pa.DataType:
        return self._schema.field(plan.argument).type

    def _total(self, plan: AggregatePlan) -> Exact | Floats:
        kind = self._type(plan)
        if not is_number(kind):
            raise _unsupported(f"`{plan.function}` is not for values of the type `{data_type(kind)}`")
        real = pa.types.is_floating(kind)
        found: Exact | Floats = self._part("sum", plan, Floats if real else lambda name: Exact(name, kind))
        return found

    def _sum(self, plan: AggregatePlan, kind: pa.DataType, counted: _Counted) -> Result:
        total = self._total(plan)
        if isinstance(total, Floats):
            return lambda asked: _where(asked.counts(counted) > 0, pa.array(total.of(asked.slots)).cast(kind))
        return lambda asked: _where(asked.counts(counted) > 0, total.whole(asked.slots, kind))

    def _mean(self, plan: AggregatePlan, kind: pa.DataType, counted: _Counted) -> Result:
        total = self._total(plan)

        def made(asked: _Asked) -> pa.Array:
            slots, counts = asked.slots, asked.counts(counted)
            some = np.maximum(counts, 1)
            if isinstance(total, Floats):
                return _where(counts > 0, pa.array(total.of(slots) / some).cast(kind))
            return _where(counts > 0, total.mean(slots, some, kind))

        return made

    def _extreme(self, plan: AggregatePlan, kind: pa.DataType, counted: _Counted) -> Result:
        of, greatest = self._type(plan), plan.function.lower() == "max"
        if not has_order(of):
            raise _unsupported(f"`{plan.function}` is not for values of the type `{data_type(of)}`")
        cls = Fixed if in_64_bits(of) else Referenced
        part = self._part(plan.function.lower(), plan, lambda name: cls(name, of, greatest=greatest))
        return lambda asked: _where(asked.counts(counted) > 0, part.of(asked.slots).cast(kind))

    def _sketch(self, plan: AggregatePlan, kind: pa.DataType) -> Result:
        of, function, level = self._type(plan), plan.function.lower(), plan.level
        if function == "approx_count_distinct":
            counted: Approximate = self._part(function, plan, lambda name: Approximate(name, of))
            return lambda asked: pa.array(counted.of(asked.slots)).cast(kind)
        if not is_number(of):
            raise _unsupported(f"`{function}` is not for values of the type `{data_type(of)}`")
        assert level is not None
        numbers: Percentiles = self._part("percentiles", plan, Percentiles)
        return lambda asked: numbers.of(asked.slots, level).cast(kind)

    def _own(self, plan: AggregatePlan, declared: FunctionPlan, kind: pa.DataType) -> Result:
        given = [self._schema.field(name).type for name in (plan.argument, *plan.more) if name is not None]
        wanted = [taken(of, its) for of, its in zip(declared.args, given, strict=True)]
        if None in wanted:
            shown = ", ".join(str(data_type(of)) for of in given)
            message = f"function `{declared.name}` does not take what the SQL gives it ({shown})"
            raise UsageError(message, code="wrong-arguments", help="CAST the arguments to its types")
        own = Aggregate.of(self._functions[declared], wanted, lambda _: None)
        part: Declared = self._part(f"own {declared.called}", plan, lambda name: Declared(name, own), "all")
        return lambda asked: part.of(asked.slots, kind)

    def _ordered(self, plan: AggregatePlan, kind: pa.DataType) -> Result:
        of, function = self._type(plan), plan.function.lower()
        if function == "array_agg":
            values: Listed = self._part(function, plan, lambda name: Listed(name, of), "all")
            return lambda asked: _some(values.of(asked.slots)).cast(kind)
        if function not in ("first", "last"):
            raise _unsupported(f"`{function}` is no aggregate of windows")
        last = function == "last"
        part: Timed = self._part(function, plan, lambda name: Timed(name, of, last=last), "all")
        return lambda asked: part.of(asked.slots).cast(kind)


@dataclass(frozen=True, slots=True)
class _Counted:
    """How often an argument was there: rows without those in which it is NULL."""

    rows: Count
    nulls: Count | None

    def of(self, slots: Any) -> Any:
        """The counts of some slots."""
        counts = self.rows.of(slots)
        return counts if self.nulls is None else counts - self.nulls.of(slots)


class _Asked:
    """The slots of which results are asked, and their counts, which most aggregates look at."""

    def __init__(self, slots: Any) -> None:
        self.slots, self._counts = slots, dict[object, Any]()

    def counts(self, counted: _Counted | Distinct) -> Any:
        """How often there was what is counted."""
        if counted not in self._counts:
            self._counts[counted] = counted.of(self.slots)
        return self._counts[counted]


_Rows = Literal["values", "nulls", "all"]
"""Which rows a part is fed with, by its argument."""


@dataclass(frozen=True, slots=True)
class _Fed:
    """A part, and what it is fed with."""

    part: Part
    argument: str | None
    where: str | None
    rows: _Rows = "values"
    more: tuple[str, ...] = ()
    many: bool = False
    """Whether it gets its arguments as a list."""


@dataclass
class _Given:
    """The rows of a batch, as parts are fed with them."""

    slots: Any
    rows: pa.RecordBatch
    _known: dict[tuple[object, ...], tuple[Any, Any, Any]] = field(default_factory=dict)

    def of(self, fed: _Fed) -> tuple[Any, Any, Any]:
        """The slots, the argument and the times of the rows that a part is to have."""
        key = fed.argument, fed.where, fed.rows, fed.more, fed.many
        if key not in self._known:
            self._known[key] = self._several(fed) if fed.many else self._chosen(fed)
        return self._known[key]

    def _chosen(self, fed: _Fed) -> tuple[Any, Any, Any]:
        values = self.rows.column(fed.argument) if fed.argument is not None else None
        times = self.rows.column(TIME).cast(pa.int64()).to_numpy() if fed.rows == "all" and fed.argument else None
        if fed.rows == "nulls" and values is not None and not values.null_count:
            return self.slots[:0], None, None
        mask = None if fed.where is None else pc.fill_null(self.rows.column(fed.where), False)
        if values is not None and values.null_count and fed.rows != "all":
            wanted = values.is_valid() if fed.rows == "values" else values.is_null()
            mask = wanted if mask is None else pc.and_(mask, wanted)
        if mask is None:
            return self.slots, values, times
        chosen = mask.to_numpy(zero_copy_only=False)
        kept = values.filter(mask) if values is not None else None
        return self.slots[chosen], kept, times[chosen] if times is not None else None

    def _several(self, fed: _Fed) -> tuple[Any, Any, Any]:
        slots, first, times = self._chosen(fed)
        mask = None if fed.where is None else pc.fill_null(self.rows.column(fed.where), False)
        columns = [self.rows.column(name) for name in fed.more]
        return slots, [first, *(each if mask is None else each.filter(mask) for each in columns)], times


def _short(text: str) -> str:
    """What an expression says, in few characters."""
    return text if len(text) <= _LONG else f"{text[:_LONG]}… {blake2b(text.encode(), digest_size=16).hexdigest()}"


def _unsupported(message: str) -> UsageError:
    help = "CAST the argument to what the aggregate is for, or compute another one of what `array_agg` gives"
    return UsageError(message, code="unsupported-aggregate", help=help)


def is_number(kind: pa.DataType) -> bool:
    """Whether values of a type are numbers."""
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))


def _where(there: Any, values: pa.Array) -> pa.Array:
    """Values, with NULL where there are none."""
    return values if there.all() else pc.if_else(pa.array(there), values, pa.scalar(None, values.type))


def _some(lists: pa.Array) -> pa.Array:
    """Lists, with NULL for those without values."""
    return _where(pc.greater(pc.list_value_length(lists), 0).to_numpy(zero_copy_only=False), lists)
