"""What is too large for one epoch: a column of more bytes than Arrow counts, which is 2 GiB."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pyarrow as pa

from flowc.errors import EngineError

CODE = "epoch-too-large"
_WORDS = re.compile(
    "(?:byte array offset overflow|offset overflow while concatenating|cannot contain more than [0-9]+ bytes|"
    "input array too large)"
)
"""What the engine and Arrow say of it; looked for in their words alone, never in those of a spec."""


def oversized(error: BaseException) -> EngineError | None:
    """What Arrow or the engine says where a column has too many bytes, in words; None for other failures."""
    if not _WORDS.search(str(error)):
        return None
    message = "the rows of one epoch have more than 2 GiB in one column: what the SQL makes of them is that large"
    return EngineError(message, code=CODE, help="make `max_rows` or `max_bytes` of the stream's `batch` smaller")


@contextmanager
def counted() -> Iterator[None]:
    """While columns are put together. Raises EngineError (`epoch-too-large`) where one has too many bytes."""
    try:
        yield
    except pa.ArrowException as error:
        raise oversized(error) or error from None


def one_batch(batches: Sequence[pa.RecordBatch]) -> pa.RecordBatch:
    """Batches of one schema as one. Raises EngineError where a column of them has too many bytes."""
    with counted():
        return batches[0] if len(batches) == 1 else pa.concat_batches(batches)
