"""What the engine says when it fails, without the names of its own parts."""

from __future__ import annotations

import re

_PARTS = (
    "DataFusion|Arrow|External|Context|Execution|Parser|Csv|Schema|Plan|Internal|SQL|Parquet|ParquetError|Object Store"
)
_NOISE = re.compile(rf"^(?:(?:{_PARTS}) error: |ParserError\(|caused by\s*)+")
_RAISED = re.compile(r"PyErr \{ type: <class 'flowc\.[\w.]+'>, value: \w+\((['\"])(.*?)\1\), traceback", re.DOTALL)
"""What a function of flowc's own raised inside of the engine."""

_FAILED = re.compile(r"Cannot cast \w+ 'fails: ([^']*)' to value of Boolean type")
"""What the compiler makes fail, as it fails in the author's dialect."""


def spoken(error: BaseException) -> str:
    """An error's words on one line."""
    if (raised := _RAISED.search(str(error))) is not None:
        return raised[2]
    if (failed := _FAILED.search(str(error))) is not None:
        return failed[1]
    return " ".join(_NOISE.sub("", str(error).strip()).split())
