"""Changes in place of rows: which targets take them, and how those of an epoch are applied to a table.

The runtime hands over the last change of each key. Its rows are staged as those of any merge, with the column that says
what they do; the keys that go are removed first, and what stays is merged. A partial row takes the values that it does
not bring from the row that the table holds, and is a whole row from there on.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from flowc.catalog import Column
from flowc.compiler.front.streamkinds import target_kind
from flowc.compiler.ir import Apply, Output
from flowc.compiler.loads.load import Load
from flowc.compiler.loads.statements import delete_keys, update_from
from flowc.compiler.quote import ident, idents, qualified
from flowc.loadplan import FOLLOWING, Check, Counter, Execute
from flowc.nodes import ABSENT, KIND, REMOVALS, Changelog
from flowc.types import TEXT, DataType, Kind

CODE = "changes-not-taken"
_KIND, _ABSENT = Column(KIND, DataType(Kind.INT8)), Column(ABSENT, TEXT)
HIDDEN: Mapping[Changelog, tuple[Column, ...]] = {
    Changelog.INSERT_ONLY: (), Changelog.UPSERT: (_KIND,), Changelog.PARTIAL: (_KIND, _ABSENT),
    Changelog.RETRACT: (_KIND,),
}  # fmt: skip
"""The columns that rows carry behind those of the query, by what the rows are."""
_DOES = {
    Changelog.UPSERT: "replaces and removes rows", Changelog.PARTIAL: "replaces parts of rows, and removes rows",
    Changelog.RETRACT: "takes rows back",
}  # fmt: skip
_TABLE = "write it into a table by `mode: merge` with `keys`"
_MERGE = "write it into a table by `mode: merge` with `keys`, or into a topic with a `key`"


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a target does not take what comes, and what would mend it."""

    message: str
    help: str


def takes(
    target: Apply | Output, changelog: Changelog, key: tuple[str, ...] = (), follows: tuple[str, ...] = (),
    alike: tuple[str, ...] = (),
) -> Refusal | None:  # fmt: skip
    """None where a target takes what a stream makes, else why it does not.

    `key` is that of an upsert: the columns by which rows replace each other. `follows` are others that rows of one key
    have in common, and rows of one key have those of `alike` in common, and no others.
    """
    if changelog is Changelog.INSERT_ONLY:
        return None
    found = _table(target) if isinstance(target, Apply) else _place(target)
    if found is None and changelog is Changelog.PARTIAL and not isinstance(target, Apply):
        found = f"compaction leaves the last message of a key in {_named(target)}, which has to be a whole row", _TABLE
    own = _keys(target)
    told = set(key) <= set(own) or (alike and set(alike) <= set(own))
    if (
        found is None
        and changelog in (Changelog.UPSERT, Changelog.PARTIAL)
        and not (told and set(own) <= {*key, *follows})
    ):
        found = (
            f"its rows replace each other by {_listed(key)}, and those of {_named(target)} by {_listed(own)}",
            f"tell them apart by {_listed(key)} there too",
        )
    return found and Refusal(f"this stream {_DOES[changelog]}; {found[0]}", found[1])


def _table(apply: Apply) -> tuple[str, str] | None:
    if apply.mode == "scd2":
        return f"the history in {_named(apply)} is made of rows that come, and of none that go", _MERGE
    if apply.mode != "merge":
        return f"`mode: {apply.mode}` only adds rows to {_named(apply)}", "`mode: merge`, with `keys`"
    if not apply.keys:
        return f"{_named(apply)} has no `keys` to find them by", "name the columns that tell rows apart under `keys`"
    return None


def _place(output: Output) -> tuple[str, str] | None:
    if not output.address or "key" not in target_kind(output.kind).options:
        return f"{_named(output)} can only append", _MERGE
    if not output.key:
        return f"{_named(output)} has no `key` to find them by", "name the columns that tell rows apart under `key`"
    return None


def _keys(target: Apply | Output) -> tuple[str, ...]:
    return target.keys if isinstance(target, Apply) else target.key


def _named(target: Apply | Output) -> str:
    return f"`{target.target.name}`" if isinstance(target, Apply) else str(target)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def removals(load: Load) -> Iterator[Execute]:
    """Removes the rows of the keys that go, and leaves in the table of rows those that stay."""
    (s,) = load.aliases("s")
    gone = f"IN ({', '.join(str(int(change)) for change in REMOVALS)})"
    sql = delete_keys(load, load.rows, s, f"{qualified(KIND, s)} {gone}")
    yield Execute("remove the keys that go", sql, Counter.DELETED)
    yield Execute("leave the rows that stay", f"DELETE FROM {load.rows} WHERE {qualified(KIND)} {gone}")


def completion(load: Load) -> Iterator[Execute]:
    """Gives partial rows the values that they do not bring, from the rows that the table holds."""
    t, s = load.aliases("t", "s")
    absent = qualified(ABSENT, s)
    own = ((place, name) for place, name in enumerate(_brought(load), 1) if name in load.names)
    sets = [
        f"{ident(name)} = CASE WHEN substr({absent}, {place}, 1) = '1' THEN {_stored(load, name, t)} "
        f"ELSE {qualified(name, s)} END"
        for place, name in own if name not in load.keys
    ]  # fmt: skip
    condition = f"{load.equal(load.keys, t, s)} AND {absent} IS NOT NULL"
    sql = update_from(load, sets, load.target, t, condition, updated=(load.rows, s))
    if sets:
        yield Execute("complete partial rows", sql)


def _stored(load: Load, name: str, alias: str) -> str:
    """A value of the target's beside one of the table of rows, whose text may have another collation."""
    column, value = load.row_column(name), qualified(name, alias)
    is_text = column is not None and column.type.kind is Kind.TEXT
    return load.dialect.compare.united.format(x=value) if is_text else value


def _brought(load: Load) -> Iterator[str]:
    """The target's columns in the order of the rows that come; a column that is not loaded has its own name."""
    targets = {loaded.source.name: loaded.target.name for loaded in load.loaded if loaded.source is not None}
    yield from (targets.get(column.name, column.name) for column in load.columns if column.name not in (KIND, ABSENT))


def unordered_parts(load: Load) -> Check:
    """Shows keys that the target holds equal and the rows spell apart, where one of the rows is partial.

    What such a row does not bring may be in the row before it, which the load removes.
    """
    keys = idents(load.keys)
    repeated = f"SELECT {keys} FROM {load.rows} GROUP BY {keys} HAVING count(*) > 1 AND count({ident(ABSENT)}) > 0"
    return Check(
        "no partial row follows another one of its key", f"{repeated} LIMIT 1", FOLLOWING,
        f"a partial row for `{load.label}` follows another row of the same key",
    )  # fmt: skip
