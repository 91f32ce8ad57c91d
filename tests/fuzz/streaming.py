"""Streams over files of hostile messages: each ends as one row or one letter, once, and a second run does nothing."""

# ruff: noqa: E501 -- a table of cases reads best with one case in a line

from __future__ import annotations

import gzip
import json
from collections import Counter
from pathlib import Path
from typing import Any

from tests.fuzz.datafiles import as_parquet, damaged, rows
from tests.fuzz.mutant import SPEC, Chance, Mutant
from tests.fuzz.records import COLUMNS, bare, filled, good_ids, is_whole, placed, records
from tests.fuzz.rules import Observed
from tests.fuzz.tables import STORES, rows_of

PLACE = "_topic AS at_file, _offset AS at_line FROM source"
EACH = (
    "SELECT id, name, price, sold, seen, {p}", "SELECT id, upper(name) AS name, price * 2 AS price, {p}", "SELECT id, CAST(substr(name, 5) AS bigint) AS n, {p}",
    "SELECT id, 100 / (id + 7) AS q, {p}", "SELECT id, CAST(price AS bigint) * 4000000000000000000 AS q, {p}", "SELECT id, CAST(seen AS date) AS d, data, {p}",
    "WITH a AS (SELECT *, {p}) SELECT id, name, at_file, at_line FROM a", "SELECT id, CAST(CASE WHEN name LIKE 'good%' THEN '1' ELSE name END AS bigint) AS n, {p}",
    "SELECT id, data->>'a' AS a, _event_ts AS t, {p}", "SELECT id, repeat(name, 3) AS name, chr(CASE WHEN id > 99 THEN 65 ELSE id END) AS c, {p}",
)  # fmt: skip
"""Each message gives one row, or fails."""
SOME = ("SELECT id, name, {p} WHERE price > 1", "SELECT id, name, {p} WHERE 10 / (id + 3) < 100 AND name IS NOT NULL")
"""A message may give none."""


def mutant(chance: Chance) -> Mutant:
    """A stream from one file or several."""
    form = chance.choice(["jsonl", "jsonl", "jsonl", "csv", "csv", "json", "parquet"])
    source: dict[str, Any] = {"connection": "drop", "path": f"*.{form}*", "format": form, "columns": COLUMNS}
    kind = chance.choice(["sqlite", "sqlite", "sqlite", "duckdb", "delta", "files"])
    stream = {"source": source, "sql": chance.choice(EACH * 2 + SOME).format(p=PLACE), "to": _target(kind, chance)}
    stream["on_error"] = chance.choice(["dlq", "dlq", "dlq", "drop", "fail"])
    if stream["on_error"] == "dlq" and (kind in ("delta", "files") or chance.random() < 0.5):
        stream["dead_letter"] = {"connection": "letters", "table": "letters"}
    if chance.random() < 0.2:
        stream["dedupe"] = {"keys": [chance.choice(["id", "name"])], "within": "10m"}
    if chance.random() < 0.5:
        stream["batch"] = {"max_rows": chance.choice([1, 2, 7])}
    connections = {
        "drop": {"kind": "files", "uri": "data"},
        "out": STORES[kind],
        "letters": {"kind": "sqlite", "path": "letters.db"},
    }
    project = {"connections": connections, "streams": {"s": stream}}
    files = dict(_file(form, chance) for _ in range(chance.choice([1, 1, 2])))
    return Mutant({SPEC: json.dumps(project).encode(), **files}, demands=demanded)


def _target(kind: str, chance: Chance) -> dict[str, object]:
    if kind == "files":
        return {"connection": "out", "path": "t", "format": "jsonl"}
    return {"connection": "out", "table": "t", **chance.choice([{}, {}, {"mode": "merge", "keys": ["id"]}])}


def _file(form: str, chance: Chance) -> tuple[str, bytes]:
    """One that is whole, or one that is damaged or of odd rows, which its name says."""
    whole = form != "parquet" and chance.random() < 0.8
    data = filled(records(chance, form), form, chance) if form != "parquet" else as_parquet(rows(chance), chance)
    name = f"data/{'whole' if whole else 'bent'}{chance.randrange(9)}.{form}"
    data = data if whole else damaged(data, chance)
    return (f"{name}.gz", gzip.compress(data)) if chance.random() < 0.1 and form != "parquet" else (name, data)


def demanded(project: Observed, mutant: Mutant, chance: Chance) -> None:
    """Runs the stream twice, and replays its letters now and then."""
    run = _Run(project, mutant)
    done = run.once()
    if run.on_error == "fail":
        before, again = run.rows(), run.once()
        after = run.rows()  # a run that fails may have been about to write what stood before the bad message
        lost = run.keeps_all and Counter(before) - Counter(after)
        if again.code != done.code or lost or (done.code == 0 and before != after):
            run.note("again", f"{done.out}{again.out}")
        if done.code == 0:
            run.judge()
        return
    if done.code != 0:
        run.note("stops", done.out)
        return
    before = run.judge(done.json[0])
    again = run.once()
    if again.code != 0 or again.json[0]["messages"] or (run.rows(), run.letters()) != before:
        run.note("again", again.out)
    if before[1] and chance.random() < 0.3:
        replayed = project.observe("dlq", "replay", "s")
        refused = "are rows of Parquet" in replayed.err  # as the guide says
        if not refused and (replayed.code not in (0, 1) or "error" in replayed.err):
            run.note("replay", replayed.err)
        run.judge()


class _Run:
    """One stream: what went in, and what came out."""

    def __init__(self, project: Observed, mutant: Mutant) -> None:
        self.project = project
        spec = json.loads(mutant.files[SPEC])
        self._stream, self._kind = spec["streams"]["s"], spec["connections"]["out"]["kind"]
        self.on_error = self._stream["on_error"]
        self._form = self._stream["source"]["format"]
        given = {Path(name).name: data for name, data in mutant.files.items() if name.startswith("data/")}
        whole = [name for name, data in given.items() if "whole" in name and is_whole(name, data, self._form)]
        self._whole = len(whole) == len(given)
        self._given = {place: line for name in whole for place, line in placed(name, given[name], self._form)}
        self._each = any(self._stream["sql"] == sql.format(p=PLACE) for sql in EACH)
        self.keeps_all = "mode" not in self._stream["to"] and "dedupe" not in self._stream

    def once(self) -> Any:
        return self.project.observe("run", "s", "--once", "--json")

    def note(self, rule: str, shown: str) -> None:
        self.project.note(rule, ("run", "s", "--once"), shown)

    def judge(self, report: dict[str, int] | None = None) -> tuple[list[Any], list[Any]]:
        """That each message is where it has to be, once; what is there, to see whether it stays."""
        rows, letters = self.rows(), self.letters()
        places = Counter(place for place, _ in rows) + Counter(place for place, _ in letters)
        if twice := [place for place, count in places.items() if count > 1]:
            self.note("twice", str(twice))
        if missing := good_ids(iter(self._given.values()), self._form) - {number for _, number in rows}:
            self.note("good", f"{sorted(missing)} are not in the target")
        kept = ((place, bare(line), bare(self._given.get(place, line))) for place, line in letters)
        if other := [letter for letter in kept if letter[1] != letter[2]]:
            self.note("bytes", str(other))
        if self._whole and (made := set(places) - set(self._given)):
            self.note("made up", str(sorted(made)))
        if self.keeps_all and self._each and self.on_error == "dlq" and (lost := set(self._given) - set(places)):
            self.note("lost", str([(place, self._given[place]) for place in sorted(lost)]))
        if report is not None:
            self._count(report, len(rows), len(letters))
        return rows, letters

    def _count(self, report: dict[str, int], rows: int, letters: int) -> None:
        said = report["messages"], report["rows"], report["bad_rows"]
        fits = letters in (0, said[2]) if self.on_error == "drop" else letters == said[2]
        if self.keeps_all:
            fits = fits and rows == said[1] and (rows + said[2] == said[0] or not self._each)
        if not fits or (self._whole and said[0] != len(self._given)):
            self.note("count", f"{report} with {rows} rows, {letters} letters, {len(self._given)} records")

    def rows(self) -> list[tuple[tuple[str, int], Any]]:
        """The rows of the target: which record each is of, and its `id`."""
        rows = rows_of(self.project.path, self._kind, "t", ("at_file", "at_line", "id"))
        return sorted((((file, _line(at)), number) for file, at, number in rows), key=repr)

    def letters(self) -> list[tuple[tuple[str, int], bytes]]:
        """The dead letters: which record each is of, and its bytes."""
        if self.on_error != "dlq":
            return []
        shown = self.project.observe("dlq", "show", "s", "--limit", "100000", "--json")
        told = json.loads(shown.out) if shown.code == 0 else []
        return [((each["topic"], _line(each["offset"])), bytes.fromhex(each["message_hex"] or "")) for each in told]


def _line(offset: int) -> int:
    """A position is the number of a file, and a line in it."""
    return offset % 2**40
