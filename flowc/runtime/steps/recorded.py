"""The step of a load that records of which run it is."""

from __future__ import annotations

from flowc.errors import DataError
from flowc.loadplan import Counter, LoadResult, Record, Verdict
from flowc.runtime.contracts import violations
from flowc.runtime.contracts.database import Database, TableStore

CODE = "load-overtaken"


def overtaken(pipeline: str, why: str) -> DataError:
    """What to say of an attempt that another one has overtaken."""
    message = f"another attempt of `{pipeline}` has overtaken this one: {why}"
    return DataError(message, code=CODE, help="nothing was loaded, and nothing is to be done: the other attempt counts")


def record(step: Record, target: Database, result: LoadResult) -> None:
    """Carries the step out. Raises DataError where the target holds another run by now than it did."""
    values = (*(_value(each, result) for each in step.values), "")
    text = "".join(f"{fixed}{value}" for fixed, value in zip(step.texts, values, strict=True))
    if not _recorded(step, text, target):
        raise overtaken(result.pipeline, "its target has been loaded meanwhile")


def _recorded(step: Record, text: str, target: Database) -> bool:
    if step.stamp is not None:
        assert isinstance(target, TableStore), "the plan is for a place of such tables"
        return target.record(step.stamp, text)
    try:
        return target.execute(text) == 1
    except DataError as error:
        if error.code != violations.CODE:
            raise
        return False  # there is a row of the key by now


def _value(value: Counter | Verdict, result: LoadResult) -> str:
    """The value as JSON; numbers and truth values alone are put into statements."""
    if isinstance(value, Counter):
        counted = result.counts.get(value)
        return "null" if counted is None else str(int(counted))
    found = getattr(result.expects[value.check], value.fact)
    return str(found).lower() if isinstance(found, bool) else str(int(found))
