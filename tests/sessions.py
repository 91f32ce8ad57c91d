"""Sessions that a server has not ended yet, though the process that had them was killed."""

from __future__ import annotations

from collections.abc import Mapping

from flowc.runtime.systems import open_database
from tests.waiting import until

_OTHERS = {
    "postgres": """
        SELECT count(*) AS n FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
    """,
    "mysql": """
        SELECT count(*) AS n FROM information_schema.processlist WHERE db = database() AND id <> connection_id()
    """,
}


def await_no_other(kind: str, options: Mapping[str, object]) -> None:
    """Returns when nobody else is in a database: what was killed at its COMMIT is committed by then, or never will be.

    Embedded engines die with their process.
    """
    if kind not in _OTHERS:
        return
    database = open_database(kind, options)
    try:
        until(lambda: database.query(_OTHERS[kind]).to_pylist() == [{"n": 0}])
    finally:
        database.close()
