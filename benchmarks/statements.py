"""Merges written by hand: the ways that each engine has to do what `mode: merge` does; the best counts."""

from __future__ import annotations

from benchmarks.tables import MERGE_COLUMNS

_REST = MERGE_COLUMNS[1:]
_ALL = ", ".join(MERGE_COLUMNS)


def _any_differs(left: str, right: str, operator: str = "IS DISTINCT FROM") -> str:
    return "(" + " OR ".join(f"{left}.{name} {operator} {right}.{name}" for name in _REST) + ")"


def _set(source: str) -> str:
    return ", ".join(f"{name} = {source}.{name}" for name in _REST)


_UPSERT = f"""\
INSERT INTO target ({_ALL}) SELECT {_ALL} FROM incoming {{end}}
ON CONFLICT (id) DO UPDATE SET {_set("excluded")}"""
_INSERT = f"""\
INSERT INTO target ({_ALL}) SELECT {_ALL} FROM incoming AS i
WHERE NOT EXISTS (SELECT 1 FROM target AS t WHERE t.id = i.id)"""
_MERGE = f"""\
MERGE INTO target AS t USING incoming AS i ON t.id = i.id
WHEN MATCHED AND {_any_differs("t", "i")} THEN UPDATE SET {_set("i")}
WHEN NOT MATCHED THEN INSERT ({_ALL}) VALUES ({", ".join(f"i.{name}" for name in MERGE_COLUMNS)})"""


def _update(operator: str = "IS DISTINCT FROM") -> str:
    differs = _any_differs("t", "i", operator)
    return f"UPDATE target AS t SET {_set('i')} FROM incoming AS i WHERE t.id = i.id AND {differs}"


def _upsert(condition: str, end: str = "") -> tuple[str, ...]:
    return (f"{_UPSERT.format(end=end)} WHERE {condition}",)


_DIFFERS = _any_differs("target", "excluded")
_DIFFERS_SQLITE = _any_differs("target", "excluded", "IS NOT")

# Engine: name of the way, and its statements, to be run in one transaction.
MERGES: dict[str, dict[str, tuple[str, ...]]] = {
    "postgres": {
        "INSERT ON CONFLICT": _upsert(_DIFFERS),
        "INSERT ON CONFLICT in order": _upsert(_DIFFERS, "ORDER BY id"),
        "MERGE": (_MERGE,),
        "UPDATE, INSERT": (_update(), _INSERT),
    },
    "duckdb": {
        "INSERT ON CONFLICT": _upsert(_DIFFERS),
        "MERGE": (_MERGE,),
        "UPDATE, INSERT": (_update(), _INSERT),
    },
    "sqlite": {
        # Without WHERE true SQLite takes ON for the start of a join.
        "INSERT ON CONFLICT": _upsert(_DIFFERS_SQLITE, "WHERE true"),
        "INSERT ON CONFLICT in order": _upsert(_DIFFERS_SQLITE, "WHERE true ORDER BY id"),
        "UPDATE, INSERT": (_update("IS NOT"), _INSERT),
    },
}
