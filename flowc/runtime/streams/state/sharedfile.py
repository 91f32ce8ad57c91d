"""Takes what is of one stream out of the file that all streams of a project shared, into one of its own.

The copy is committed before it is taken out, so that it is made anew where that was cut off. What stays there is a mark
that workers of the version before fail at.
"""

from __future__ import annotations

from pathlib import Path

from flowc.errors import FlowcError
from flowc.loadplan import PROJECT
from flowc.runtime.connector import Attaching, Database
from flowc.runtime.connectors import open_database
from flowc.runtime.names import literal
from flowc.runtime.renewal import renewed
from flowc.stream import StateSql


def take_over(database: Database, sql: StateSql, shared: Path) -> None:
    """Does so where there is such a file. The tables of `database` are there."""
    if not shared.exists():
        return
    _renew(database.kind, sql, shared)
    assert isinstance(database, Attaching), "state beside a project is in SQLite"
    database.attach_file(sql.taking["attach"].format(file=literal(str(shared))))
    try:
        if database.query(sql.taking["columns"].format()).num_rows:
            _take(database, sql)
    finally:
        database.rollback()
        database.execute(sql.taking["detach"])


def _renew(kind: str, sql: StateSql, shared: Path) -> None:
    """Brings the other file to the layout of projects where it is older."""
    other = open_database(kind, {"path": str(shared)})
    try:
        other.open()
        renewed(other, sql.renewals)
    finally:
        other.close()


def _take(database: Database, sql: StateSql) -> None:
    if not database.query(sql.taking["left"].format()).num_rows:
        return
    database.begin()
    try:
        database.execute(sql.taking["groups"].format())
        for row in database.query(sql.taking["left"].format()).to_pylist():
            names = {"project": literal(str(row[PROJECT])), "name": literal(str(row["stream_name"]))}
            whose = sql.taking["whose"].format(**names)
            # Of two files one is committed first, and that is the one that takes.
            steps = (*(() if row["is_behind"] else ("clear", "copy")), "take")
            done = [name for step in steps for name in sql.taking if name.startswith(f"{step} ")]
            for name in (*done, "guard", "mark"):
                database.execute(sql.taking[name].format(whose=whose))
        database.commit()
    except FlowcError:
        database.rollback()
        raise
