"""How MySQL and MariaDB (InnoDB) carry out each change of a table, as documented; MariaDB was seen to do it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from flowc.compiler.migrationlint import facts as f
from flowc.compiler.migrationlint.effects import Algorithm, Effects, Known, Version, plain
from flowc.compiler.migrationlint.facts import TypeName

_INSTANT, _NOCOPY, _INPLACE, _COPY = Algorithm.INSTANT, Algorithm.NOCOPY, Algorithm.INPLACE, Algorithm.COPY
_Find = Callable[[Any, str, Version, Known], Effects]
_REBUILD = "rebuild"
_CLOCK = frozenset(("now", "current_timestamp", "localtime", "localtimestamp"))
_METADATA = frozenset(("metadata", "modifier", "set visible", "alter index", "rename constraint"))


def effects(fact: f.Fact, dialect: str, version: Version, known: Known) -> Effects:
    """The effects of one fact. DDL commits the open transaction."""
    if isinstance(fact, f.Write | f.Begin | f.Commit | f.SetTimeout | f.LockTable | f.Unread):
        return Effects()
    if isinstance(fact, f.Other):
        return Effects(transactional=not fact.what.startswith(("create", "drop", "alter")))
    find = _BY_FACT.get(type(fact))
    if find is None:
        return Effects(transactional=False)
    return find(fact, dialect, version, known)


def together(facts: list[f.Fact], whole: Effects) -> Effects:
    """A column that would come or go at once rebuilds the table when an index is built in the same statement."""
    columns = any(isinstance(fact, f.AddColumn | f.DropColumn) for fact in facts)
    if not columns or whole.algorithm not in (_NOCOPY, _INPLACE):
        return whole
    return replace(whole, algorithm=_INPLACE, rewrites=True, scans=True)


def _with(algorithm: Algorithm, *, rebuild: bool = False, writes: bool | None = None) -> Effects:
    """`writes` says whether others may write meanwhile; only a COPY forbids it where nothing is said."""
    copies = algorithm is _COPY
    concurrent = not copies if writes is None else writes
    written = copies or rebuild
    scans = written or algorithm is not _INSTANT
    return Effects((), written, scans, False, algorithm, concurrent)


def _add_column(fact: f.AddColumn, dialect: str, version: Version, known: Known) -> Effects:
    column = fact.column
    if column.identity:
        return _with(_INPLACE, rebuild=True, writes=False)
    if column.generated == "stored":
        return _with(_COPY)
    if column.default is not None and set(column.default.functions) - _CLOCK:
        return _with(_COPY)
    if column.has("primary key"):
        return _with(_INPLACE, rebuild=True)
    if column.has("unique"):
        return _with(_INPLACE, rebuild=dialect == "mariadb")
    if column.has("check") and dialect == "mysql":
        return _with(_COPY)
    if dialect == "mysql" and (version < (8, 0, 12) or (fact.placed and version < (8, 0, 29))):
        return _with(_INPLACE, rebuild=True)
    return _with(_INSTANT)


def _drop_column(fact: f.DropColumn, dialect: str, version: Version, known: Known) -> Effects:
    instant = version >= ((8, 0, 29) if dialect == "mysql" else (10, 4))
    return _with(_INSTANT) if instant else _with(_INPLACE, rebuild=True)


def _alter_type(fact: f.AlterType, dialect: str, version: Version, known: Known) -> Effects:
    old = known.types.get((plain(fact.table), fact.column))
    if old is None:
        return Effects((), None, None, False, None, False)
    if _copies(old, fact.type):
        return _with(_COPY)
    required = fact.definition is not None and fact.definition.not_null
    if required != ((plain(fact.table), fact.column) in known.not_null):
        return _with(_INPLACE, rebuild=True)
    if dialect == "mysql" and fact.placed:
        return _with(_INPLACE, rebuild=True)
    return _with(_INPLACE if dialect == "mysql" and fact.type.name == "character varying" else _INSTANT)


def _copies(old: TypeName, new: TypeName) -> bool:
    """Whether another type is stored otherwise: all but longer texts and more values at the end of a list."""
    if old == new:
        return False
    if old.name != new.name:
        return True
    if new.name in ("enum", "set"):
        return not appended(old, new)
    if new.name == "character varying" and old.args and new.args:
        return int(new.args[0]) < int(old.args[0]) or _length_bytes(old) != _length_bytes(new)
    return True


def _length_bytes(kind: TypeName) -> int:
    """The length of a text is kept in one byte up to 255 bytes; four bytes are counted for a letter (utf8mb4)."""
    return 1 if int(kind.args[0]) * 4 <= 255 else 2


def appended(old: TypeName, new: TypeName) -> bool:
    """Whether a list of values only grew at its end, and is stored in as many bytes as before."""
    same = new.args[: len(old.args)] == old.args
    return same and _list_bytes(old) == _list_bytes(new)


def _list_bytes(kind: TypeName) -> int:
    count = len(kind.args)
    if kind.name == "enum":
        return 1 if count < 256 else 2
    return next(size for size in (1, 2, 3, 4, 8) if count <= size * 8) if count <= 64 else 8


def _add_constraint(fact: f.AddConstraint, dialect: str, version: Version, known: Known) -> Effects:
    kind = fact.constraint.kind
    if kind == "primary key":
        return _with(_INPLACE, rebuild=True)
    if kind == "unique":
        return _with(_INPLACE if dialect == "mysql" else _NOCOPY)
    return _with(_COPY)  # foreign keys too, unless foreign_key_checks is off


def _drop_constraint(fact: f.DropConstraint, dialect: str, version: Version, known: Known) -> Effects:
    if fact.kind == "primary key":
        return _with(_COPY)
    return _with(_INPLACE if dialect == "mysql" else _INSTANT)


def _create_index(fact: f.CreateIndex, dialect: str, version: Version, known: Known) -> Effects:
    if fact.kind in ("fulltext", "spatial"):
        return _with(_INPLACE, rebuild=fact.kind == "fulltext", writes=False)
    return _with(_INPLACE if dialect == "mysql" else _NOCOPY)


def _option(fact: f.TableOption, dialect: str, version: Version, known: Known) -> Effects:
    if fact.action in _METADATA:
        return _with(_INSTANT)
    if fact.action.endswith(" partition"):
        return Effects((), None, None, False)  # depends on the partition; nothing is claimed
    if fact.action == _REBUILD:
        return _with(_INPLACE, rebuild=True)
    return _with(_COPY)


def _always(algorithm: Algorithm) -> _Find:
    return lambda fact, dialect, version, known: _with(algorithm)


_BY_FACT: dict[type[f.Fact], _Find] = {
    f.AddColumn: _add_column,
    f.DropColumn: _drop_column,
    f.AlterType: _alter_type,
    f.AddConstraint: _add_constraint,
    f.DropConstraint: _drop_constraint,
    f.CreateIndex: _create_index,
    f.DropIndex: lambda fact, dialect, version, known: _with(_INPLACE if dialect == "mysql" else _NOCOPY),
    f.SetDefault: _always(_INSTANT),
    f.RenameColumn: _always(_INSTANT),
    f.RenameTable: _always(_INSTANT),
    f.RenameIndex: lambda fact, dialect, version, known: _with(_INPLACE if dialect == "mysql" else _INSTANT),
    f.TableOption: _option,
}
