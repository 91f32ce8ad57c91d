"""The functions of MySQL and MariaDB, with the numbers of arguments that they take, and their reserved words.

`catalogs/mysql.tsv` is written by `scripts/make_catalogs.py`. It holds what either has.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files


@dataclass(frozen=True, slots=True)
class MysqlFunction:
    """One function: `kind` is `f` (plain), `a` (aggregate) or `w` (window); `most` None: any number."""

    kind: str
    least: int = 0
    most: int | None = None


@cache
def mysql() -> Mapping[str, MysqlFunction]:
    """The functions by name."""
    rows = (line.split("\t") for line in _lines() if line.startswith("fn\t"))
    return {name: _function(kind, counts) for _, name, kind, counts in rows}


@cache
def reserved() -> frozenset[str]:
    """Words that name nothing unless they are quoted."""
    return frozenset(line.split("\t")[1] for line in _lines() if line.startswith("word\t"))


def _lines() -> list[str]:
    return (files(__package__) / "catalogs" / "mysql.tsv").read_text("utf-8").splitlines()


def _function(kind: str, counts: str) -> MysqlFunction:
    if counts == "*":
        return MysqlFunction(kind)
    least, dash, most = counts.partition("-")
    return MysqlFunction(kind, int(least), int(most) if most else None if dash else int(least))
