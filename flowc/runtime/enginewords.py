"""What the engine says when it fails, without the names of its own parts."""

from __future__ import annotations

import re

_PARTS = (
    "DataFusion|Arrow|External|Context|Execution|Parser|Csv|Schema|Plan|Internal|SQL|Parquet|ParquetError|Object Store"
)
_NOISE = re.compile(rf"^(?:(?:{_PARTS}) error: |ParserError\(|caused by\s*)+")


def spoken(error: BaseException) -> str:
    """An error's words on one line."""
    return " ".join(_NOISE.sub("", str(error).strip()).split())
