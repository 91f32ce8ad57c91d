"""MySQL's and MariaDB's errors as ours: by their number, in the server's own words, without secrets."""

from __future__ import annotations

import re

from flowc.errors import DataError, EngineError, FlowcError, TransientError, UsageError
from flowc.masker import redact

_CONFLICTS = (1205, 1213, 1020, 3572, 1180)
_LOST = (1053, 1077, 1152, 1158, 1159, 1160, 1161, 1184, 1317, 1927, 2006, 2013, 2055, 3024, 4031)
_UNREACHED = (1040, 1129, 1203, 1226, 2002, 2003, 2005, 2026)
_DENIED = (1044, 1045, 1142, 1143, 1227, 1370, 1698)
_CONSTRAINTS = (1048, 1062, 1169, 1216, 1217, 1364, 1451, 1452, 1557, 1586, 1761, 1762, 3819, 4025)
_VALUES = (
    1264, 1265, 1292, 1300, 1365, 1366, 1367, 1406, 1411, 1416, 1425, 1426, 1441, 1525, 1690, 1977, 3140, 3141, 3155,
    3156, 3903, 4038,
)  # fmt: skip
_NUMBERS: dict[int, tuple[type[FlowcError], str]] = {
    **dict.fromkeys(_CONFLICTS, (TransientError, "write-conflict")),
    **dict.fromkeys(_LOST, (TransientError, "connection-lost")),
    **dict.fromkeys(_UNREACHED, (TransientError, "connection-failed")),
    **dict.fromkeys(_DENIED, (EngineError, "access-denied")),
    **dict.fromkeys(_CONSTRAINTS, (DataError, "constraint-violated")),
    **dict.fromkeys(_VALUES, (DataError, "value-refused")),
    1049: (EngineError, "connection-failed"),
}
_END_REFUSED = 1399
"""What a statement gets that would end a transaction of XA."""
_HELPS = {
    1118: "a row has 65,535 bytes at most: declare long texts as `text`, not `varchar(n)`",
    1170: "give the key column a length, for instance `varchar(100)`: MySQL cannot index texts without one",
    1071: "MySQL's keys have 3,072 bytes at most, 768 characters: declare the key columns shorter",
}
_ROW = re.compile(r" at row (\d+)")


def numbered(error: BaseException) -> tuple[int, str]:
    """The number and the words of a driver's error; 0 for one of its own."""
    arguments = error.args
    if len(arguments) >= 2 and isinstance(arguments[0], int):
        return arguments[0], str(arguments[1]).strip()
    return 0, " ".join(str(part) for part in arguments).strip() or type(error).__name__


def failure(error: BaseException) -> FlowcError:
    """A driver's error as ours."""
    number, words = numbered(error)
    if number == 0 and not words.strip("()0, "):
        return TransientError("the connection was lost", code="connection-lost")
    if isinstance(error, OSError):
        return TransientError(words, code="connection-lost")
    if number == _END_REFUSED:
        message = "a statement would have ended the load's transaction, and was refused"
        return UsageError(message, code="transaction-ended", help="run it outside of the load")
    kind, code = _NUMBERS.get(number, (EngineError, "query-refused"))
    return kind(words, code=code, help=_HELPS.get(number))


def unreachable(error: BaseException, secrets: tuple[str, ...]) -> FlowcError:
    """Why no session could be had; `secrets` are blotted out."""
    number, words = numbered(error)
    words = redact(" ".join(words.split()), secrets)
    kind, code = _NUMBERS.get(number, (TransientError, "connection-failed"))
    if kind is EngineError:
        what = "the user and the password" if code == "access-denied" else "the database"
        return kind(words, code=code, help=f"check {what} of the connection's `url`")
    help = "check that the server runs and that the `url` is right"
    return TransientError(words, code="connection-failed", help=help)


def refused(warnings: list[tuple[str, int, str]], table: str) -> DataError:
    """The first of the warnings with which a bulk load says that it changed or left out a row."""
    _, number, words = warnings[0]
    kind, code = _NUMBERS.get(number, (DataError, "value-refused"))
    shown = _ROW.sub(r", in row \1", words)
    help = _HELPS.get(number) or "mend the rows, or give the column a type that holds them"
    if kind is not DataError:
        code = "value-refused"
    return DataError(f"`{table}`: {shown}", code=code, help=help)
