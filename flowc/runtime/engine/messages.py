"""What the engine says when it fails, without the names of its own parts."""

from __future__ import annotations

import re
from dataclasses import dataclass

from flowc.errors import EngineError

_PARTS = (
    "DataFusion|Arrow|External|Context|Execution|Parser|Csv|Schema|Plan|Internal|SQL|Parquet|ParquetError|Object Store"
)
_OF_FILES = r"(?:builtins\.)?(?:FileNotFound|Permission|IsADirectory|NotADirectory|OS|IO)Error: "
_NOISE = re.compile(rf"^(?:(?:{_PARTS}) error: |ParserError\(|caused by\s*|{_OF_FILES}|Arrow[A-Z]\w+: )+")
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_GONE = re.compile(r"Object at location (.*?) not found.*", re.DOTALL)
_RAISED = re.compile(r"PyErr \{ type: <class 'flowc\.[\w.]+'>, value: \w+\((['\"])(.*?)\1\), traceback", re.DOTALL)
"""What a function of flowc's own raised inside of the engine."""
_FAILED = re.compile(r"Cannot cast \w+ 'fails: ([^']*)' to value of Boolean type")
"""What the compiler makes fail, as it fails in the author's dialect."""


def engine_message(error: BaseException) -> str:
    """An error's words on one line."""
    if (raised := _RAISED.search(str(error))) is not None:
        return raised[2]
    if (failed := _FAILED.search(str(error))) is not None:
        return failed[1]
    words = _GONE.sub(r"the file `\1` is missing", _COLOUR.sub("", str(error)))
    return " ".join(_NOISE.sub("", words.strip()).split())


def is_panic(error: BaseException) -> bool:
    """Whether the engine broke down, which is no Exception."""
    return type(error).__name__ == "PanicException"


@dataclass(frozen=True, slots=True)
class Unrun:
    """A form of subquery that the engine plans and does not run: what it says then, and what is to be said."""

    form: str
    """exists, in, condition (one of these two), value, lateral, or any."""
    said: re.Pattern[str]
    message: str
    helps: tuple[str, ...]


_JOINED = "join its rows: `LEFT JOIN (SELECT DISTINCT …) AS found ON …`, and test `found.… IS NOT NULL`"
_GROUPED = "let it be one aggregate whose conditions compare with `=`, or join a subquery with a GROUP BY of its own"


def _unrun(form: str, said: str, message: str, *helps: str) -> Unrun:
    return Unrun(form, re.compile(said), f"the engine cannot run {message}", helps)


_UNRUN = (
    _unrun(
        "exists", r"does not support logical expression Exists\(",
        "this EXISTS: it runs those in conditions of rows and groups (WHERE, HAVING)",
        "write `(SELECT count(*) FROM … WHERE …) > 0`, which it runs where conditions compare with `=`", _JOINED,
    ),
    _unrun(
        "in", r"does not support logical expression InSubquery\(",
        "this IN: it runs those in conditions of rows and groups (WHERE, HAVING)", _JOINED,
    ),
    _unrun(
        "in", r"null_aware anti join", "a NOT IN whose subquery names the query around it",
        "write `NOT EXISTS (SELECT 1 FROM … WHERE …)`, which means the same where no value is NULL",
    ),
    _unrun("condition", r"In/Exist/SetComparison subquery can only", "this subquery here", _JOINED),
    _unrun(
        "value",
        r"[Cc]orrelated scalar subquery|does not support logical expression ScalarSubquery|expression: Some\(Scalar"
        r"|ScalarSubqueryExpr evaluated",
        "this subquery as a value", _GROUPED,
    ),
    _unrun(
        "lateral", r"does not support logical expression OuterReferenceColumn",
        "this LATERAL: what it takes of the tables before it has to be compared with `=`",
        "join a subquery that names none of them; `row_number() OVER (PARTITION BY … ORDER BY …)` finds first rows",
    ),
    _unrun(
        "any", r"No field named .*__correlated_sq|'scalar_subquery_to_join' failed",
        "this subquery: it names a table too far outside, or stands in an outer join or an aggregate", _JOINED,
    ),
)  # fmt: skip


def unrun(words: str) -> Unrun | None:
    """The form of subquery that the engine says it does not run."""
    return next((form for form in _UNRUN if form.said.search(words)), None)


def refused(error: BaseException) -> EngineError:
    """What is said of a query that the engine does not run."""
    words = engine_message(error)
    form = unrun(words)
    return EngineError(form.message if form else words, code="query-refused", help=form.helps[0] if form else None)
