"""Changes in place of rows: which targets take them, and how those of an epoch are applied to a table.

The runtime hands over the last change of each key. Its rows are staged as those of any merge, with the column that says
what they do; the keys that go are removed first, and what stays is merged.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from flowc.catalog import Column
from flowc.compiler.ir import Apply, FilesOutput, Output, TopicOutput
from flowc.compiler.loads.load import Load
from flowc.compiler.loads.statements import delete_keys
from flowc.compiler.quote import qualified
from flowc.loadplan import Counter, Execute
from flowc.nodes import KIND, REMOVALS, Changelog
from flowc.types import DataType, Kind

CODE = "changes-not-taken"
CHANGE = Column(KIND, DataType(Kind.INT8))
"""The last column of rows that are changes."""
_DOES = {Changelog.UPSERT: "replaces and removes rows", Changelog.RETRACT: "takes rows back"}
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
    own = _keys(target)
    told = set(key) <= set(own) or (alike and set(alike) <= set(own))
    if found is None and changelog is Changelog.UPSERT and not (told and set(own) <= {*key, *follows}):
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
    if not isinstance(output, TopicOutput):
        return f"{_named(output)} can only append", _MERGE
    if not output.key:
        return f"{_named(output)} has no `key` to find them by", "name the columns that tell rows apart under `key`"
    return None


def _keys(target: Apply | Output) -> tuple[str, ...]:
    return target.keys if isinstance(target, Apply) else target.key if isinstance(target, TopicOutput) else ()


def _named(target: Apply | Output) -> str:
    if isinstance(target, Apply):
        return f"`{target.target.name}`"
    if isinstance(target, TopicOutput):
        return f"topic `{target.topic}`"
    return f"`{target.path}`, a folder of files," if isinstance(target, FilesOutput) else f"`{target.kind}`"


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def removals(load: Load) -> Iterator[Execute]:
    """Removes the rows of the keys that go, and leaves in the table of rows those that stay."""
    (s,) = load.aliases("s")
    gone = f"IN ({', '.join(str(int(change)) for change in REMOVALS)})"
    sql = delete_keys(load, load.rows, s, f"{qualified(KIND, s)} {gone}")
    yield Execute("remove the keys that go", sql, Counter.DELETED)
    yield Execute("leave the rows that stay", f"DELETE FROM {load.rows} WHERE {qualified(KIND)} {gone}")
