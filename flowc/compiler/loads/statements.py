"""Statements that engines write in different ways."""

from __future__ import annotations

from collections.abc import Iterable

from flowc.compiler.loads.load import Load
from flowc.compiler.quote import idents


def update_from(
    load: Load, sets: Iterable[str], source: str, alias: str, condition: str, *, updated: tuple[str, str] | None = None
) -> str:
    """Updates rows of the target, as `t` if that is free, from those of `source`, as `alias`, by a condition.

    `updated` is another relation that is updated instead, and its alias.
    """
    relation, t = updated or (load.target, *load.aliases("t"))
    if load.dialect.writes.update_from:
        return f"UPDATE {relation} AS {t} SET {', '.join(sets)} FROM {source} AS {alias} WHERE {condition}"
    assigned = ", ".join(f"{t}.{assignment}" for assignment in sets)
    return f"UPDATE {relation} AS {t} JOIN {source} AS {alias} ON {condition} SET {assigned}"


def delete(load: Load, relation: str, alias: str, condition: str) -> str:
    """Deletes the rows of a table for which the condition, which calls it `alias`, holds."""
    return f"{load.dialect.writes.delete.format(table=relation, alias=alias)} WHERE {condition}"


def delete_keys(load: Load, source: str, alias: str, condition: str) -> str:
    """Deletes the rows of the target whose keys are those of rows of `source`, as `alias`, for which a condition holds.

    Each engine is asked so that it looks the keys up in the target, and does not go through it.
    """
    if load.dialect.writes.update_from:
        keys = f"SELECT {idents(load.keys, alias)} FROM {source} AS {alias} WHERE {condition}"
        return f"DELETE FROM {load.target} WHERE ({idents(load.keys)}) IN ({keys})"
    (t,) = load.aliases("t")
    joined = f"{load.target} AS {t} JOIN {source} AS {alias} ON {load.equal(load.keys, t, alias)}"
    return f"DELETE {t} FROM {joined} WHERE {condition}"
