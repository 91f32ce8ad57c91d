"""A plan in a file: written by `plan --out`, carried out by `apply FILE` as it is or not at all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec

from flowc import __version__
from flowc.catalog import Table
from flowc.compiler.migrate.engines import ENGINES
from flowc.controls import json_text
from flowc.errors import UsageError
from flowc.migration import DatabasePlan, MigrationPlan, TableChanges
from flowc.service.access.history import History
from flowc.service.access.livedatabase import history_of
from flowc.service.access.sessions import Sessions
from flowc.service.access.writing import write_whole
from flowc.service.changes.applying import statement_hash

FORMAT = 4
_HASH = "hash"


@dataclass(frozen=True, slots=True)
class SavedPlan:
    """A plan, the specs it was made from, and how they were read."""

    plan: MigrationPlan
    specs: tuple[str, ...]
    environment: str | None = None
    select: tuple[str, ...] = ()
    rollback: int | None = None
    """The version that the plan goes back to."""
    identities: Mapping[str, str] = field(default_factory=dict)
    """What tells the database of each connection from others, as a hash."""
    flowc: str = __version__
    format: int = FORMAT


def write_plan(path: Path, saved: SavedPlan) -> None:
    """Writes the file, for its owner alone, with the hash of all that is in it.

    Raises UsageError where that cannot be done.
    """
    fields = msgspec.json.decode(msgspec.json.encode(saved))
    try:
        write_whole(path, json_text({_HASH: _hash(fields), **fields}), owner_only=True)
    except OSError as error:
        message = f"the plan cannot be written to `{path}`: {error.strerror}"
        raise UsageError(message, code="unwritable-file", help="name another file after `--out`") from None


def read_plan(path: Path, environment: str | None = None) -> SavedPlan:
    """Reads the file. `environment` is the one that the user named beside it, if any.

    Raises UsageError for one that is no plan, is of another format, was changed by hand, or was made for another
    environment.
    """
    saved = _read(path)
    if environment is not None and environment != saved.environment:
        made = f"for environment `{saved.environment}`" if saved.environment else "without an environment"
        raise UsageError(
            f"`{path}` was made {made}, and `--env {environment}` is another",
            code="stale-plan",
            help=f"leave `--env` out, or make a plan with `flowc plan --env {environment} --out FILE`",
        )
    return saved


def _read(path: Path) -> SavedPlan:
    try:
        fields = msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
    except (OSError, ValueError, RecursionError) as error:  # a ValueError: no JSON, or no UTF-8
        raise _unreadable(f"`{path}` is not a plan: {error}") from None
    if fields.get("format") != FORMAT:
        found = f"format {fields['format']}" if isinstance(fields.get("format"), int) else "no format"
        raise _unreadable(f"`{path}` has {found}, and this version of flowc reads format {FORMAT}")
    if fields.pop(_HASH, None) != _hash(fields):
        raise _unreadable(f"`{path}` was changed after it was made")
    try:
        saved = msgspec.convert(fields, type=SavedPlan)
    except msgspec.ValidationError as error:
        raise _unreadable(f"`{path}` is not a plan: {error}") from None
    strange = next((database.kind for database in saved.plan.databases if database.kind not in ENGINES), None)
    if strange is not None:
        raise _unreadable(f"`{path}` is not a plan: there is no kind `{strange}` of databases that change")
    return saved


def _hash(fields: Mapping[str, Any]) -> str:
    """The hash of everything in a file but itself, however the file is laid out."""
    return sha256(msgspec.json.encode(fields, order="deterministic")).hexdigest()


def _unreadable(message: str) -> UsageError:
    return UsageError(message, code="unreadable-plan", help="make it again with `flowc plan --out FILE`")


@dataclass(frozen=True, slots=True)
class Drifted:
    """One part of a table in three states: as planned from, as it is, as wanted. None where it is not there."""

    object: str
    planned: str | None
    live: str | None
    wanted: str | None


def check_project(saved: SavedPlan, project: str, connections: Mapping[str, str]) -> None:
    """Raises UsageError where the plan was made for a project of another name, or for a connection that there is not.

    `connections` are the kinds of those of the specs. One of another kind is another connection.
    """
    help = "make a new one with `flowc plan --out FILE`"
    if saved.plan.project != project:
        message = f"the plan was made for project `{saved.plan.project}`, and the specs are of project `{project}`"
        raise UsageError(message, code="stale-plan", help=help)
    for database in saved.plan.databases:
        if database.connection not in connections:
            message = f"the plan changes `{database.connection}`, and the specs have no such connection"
            raise UsageError(message, code="stale-plan", help=help)
        if (kind := connections[database.connection]) != database.kind:
            made = f"the plan was made for `{database.connection}` of kind `{database.kind}`"
            raise UsageError(f"{made}, and it is of kind `{kind}` now", code="stale-plan", help=help)


def identities_of(plan: MigrationPlan, sessions: Sessions) -> Mapping[str, str]:
    """What tells the databases of a plan from others that are equal, by connection."""
    return {each.connection: _identity(each, sessions) for each in plan.databases}


def check_databases(saved: SavedPlan, sessions: Sessions) -> None:
    """Raises UsageError where a connection names another database than the one that the plan was made for."""
    now = identities_of(saved.plan, sessions)
    for connection in now:
        if now[connection] != saved.identities.get(connection):
            message = f"the plan was made for another database than the one that `{connection}` names"
            help = "connect as when the plan was made, or make a new one with `flowc plan --out FILE`"
            raise UsageError(message, code="stale-plan", help=help)


def _identity(plan: DatabasePlan, sessions: Sessions) -> str:
    """A hash of the version that the plan starts from, as the database recorded it; before any, of the address.

    A replica has the versions of its primary, whatever the address.
    """
    if not plan.version:
        place = sessions.database(plan.connection)
        whole = str(sessions.options(plan.connection).values.get("url"))
        return "" if whole in place.at else _digest(place)  # an address that is not understood may hold a password
    versions = history_of(sessions, plan.connection).versions if sessions.is_there(plan.connection) else ()
    found = [(v.version, v.plan, v.started_at, v.owner) for v in versions if v.version == plan.version]
    return _digest(found)


def _digest(value: object) -> str:
    return sha256(msgspec.json.encode(value)).hexdigest()


def check_fresh(saved: DatabasePlan, now: DatabasePlan, history: History, plan_id: str) -> DatabasePlan:
    """What is to be done of a saved plan: all of it, or what an interrupted apply of it left.

    Raises UsageError when what is there is no longer what the plan was made from.
    """
    if now.fingerprint == saved.fingerprint and now.version == saved.version:
        # The data may have changed since: what it says to the same statements now counts.
        _refuse_other_statements(saved, now)
        return replace(saved, tables=now.tables)
    newest = history.open
    if newest is not None and newest.plan == plan_id and _statements(now) <= _statements(saved):
        return replace(now, snapshot=saved.snapshot)
    details = tuple(_line(entry) for entry in three_way(saved, now))
    if now.version != saved.version:
        details = (f"version {now.version} was applied since the plan was made at version {saved.version}", *details)
    raise UsageError(
        f"the plan no longer fits `{saved.connection}`; nothing was changed",
        code="stale-plan",
        help="make a new one with `flowc plan --out FILE` and look at it again",
        details=details,
    )


def _refuse_other_statements(saved: DatabasePlan, now: DatabasePlan) -> None:
    """Raises UsageError where a fresh plan would run other statements, whatever the hash of the file is."""
    fresh, planned = _statements(now), _statements(saved)
    if fresh == planned:
        return
    statements = [(s, plan) for plan in (saved, now) for c in plan.changes for s in c.statements if not s.repair]
    words = {id(saved): "only in the file", id(now): "only in a fresh plan"}
    details = (f"{words[id(p)]}: {s.sql}" for s, p in statements if statement_hash(s) not in fresh & planned)
    raise UsageError(
        f"the plan has other statements than a fresh plan of `{saved.connection}`; nothing was changed",
        code="stale-plan",
        help="make a new one with `flowc plan --out FILE` and look at it again",
        details=tuple(details),
    )


def _statements(plan: DatabasePlan) -> frozenset[str]:
    statements = (statement for change in plan.changes for statement in change.statements)
    return frozenset(statement_hash(statement) for statement in statements if not statement.repair)


def three_way(saved: DatabasePlan, now: DatabasePlan) -> Iterator[Drifted]:
    """Everything that is not as it was when the plan was made, and what the plan wanted of it."""
    live = {table.label: table.live for table in now.tables}
    for entry in saved.tables:
        yield from _table(entry, live.get(entry.label))


def _table(entry: TableChanges, live: Table | None) -> Iterator[Drifted]:
    states = [_parts(entry.live), _parts(live), _parts(entry.wanted)]
    for part in dict.fromkeys(name for state in states[:2] for name in state):
        planned, found, wanted = (state.get(part) for state in states)
        if planned != found:
            yield Drifted(f"{entry.label}.{part}".rstrip("."), planned, found, wanted)


def _parts(table: Table | None) -> Mapping[str, str]:
    """A table in words, part by part."""
    if table is None:
        return {}
    parts = {"": "table"}
    for column in table.columns:
        parts[column.name] = f"{column.kind}{'' if column.nullable else ' not null'}" + (
            f" default {column.default}" if column.default is not None else ""
        )
    if table.primary_key:
        parts["primary key"] = f"({', '.join(table.primary_key)})"
    for index in table.indexes:
        parts[f"index on ({', '.join(index.columns)})"] = "unique" if index.unique else "not unique"
    return parts


def _line(entry: Drifted) -> str:
    planned, live, wanted = (state or "not there" for state in (entry.planned, entry.live, entry.wanted))
    return f"{entry.object}: planned from {planned}; live {live}; wanted {wanted}"
