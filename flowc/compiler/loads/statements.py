"""Statements that engines write in different ways."""

from __future__ import annotations

from collections.abc import Iterable

from flowc.compiler.loads.load import Load


def update_from(load: Load, sets: Iterable[str], source: str, alias: str, condition: str) -> str:
    """Updates rows of the target, as `t` if that is free, from those of `source`, as `alias`, by a condition."""
    (t,) = load.aliases("t")
    if load.dialect.writes.update_from:
        return f"UPDATE {load.target} AS {t} SET {', '.join(sets)} FROM {source} AS {alias} WHERE {condition}"
    assigned = ", ".join(f"{t}.{assignment}" for assignment in sets)
    return f"UPDATE {load.target} AS {t} JOIN {source} AS {alias} ON {condition} SET {assigned}"


def delete(load: Load, relation: str, alias: str, condition: str) -> str:
    """Deletes the rows of a table for which the condition, which calls it `alias`, holds."""
    return f"{load.dialect.writes.delete.format(table=relation, alias=alias)} WHERE {condition}"
