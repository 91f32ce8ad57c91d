"""A corpus of migrations with what is to be found in them, and what flowc and squawk find.

The head of each file says what PostgreSQL's documentation leads to expect: `-- expect 3: CODE, CODE` for its third
statement, and `-- transaction: yes` or `no` where it matters who runs the file.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from flowc.compiler.migrationlint.lint import lint_migration
from flowc.compiler.migrationlint.rules import RULES
from flowc.compiler.migrationlint.statements import read_migration
from flowc.source import SourceFile

FOLDER = Path(__file__).parent / "corpus"
DISAGREEMENTS = Path(__file__).parent / "disagreements.md"
VERSION = "15"
_EXPECT = re.compile(r"^-- expect (\d+): (.+)$", re.MULTILINE)
_AROUND = re.compile(r"^-- transaction: (yes|no)$", re.MULTILINE)

Finding = tuple[str, int, str]
"""A file, the number of a statement in it (from 1), and a code of flowc's."""


@dataclass(frozen=True)
class Migration:
    """One file of the corpus."""

    name: str
    text: str
    around: bool | None
    expected: frozenset[Finding]

    @property
    def source(self) -> SourceFile:
        return SourceFile(self.name, self.text)


def read(path: Path) -> Migration:
    text = path.read_text("utf-8")
    expected = {
        (path.stem, int(number), code.strip()) for number, codes in _EXPECT.findall(text) for code in codes.split(",")
    }
    around = _AROUND.search(text)
    return Migration(path.stem, text, None if around is None else around[1] == "yes", frozenset(expected))


@cache
def corpus() -> tuple[Migration, ...]:
    return tuple(read(path) for path in sorted(FOLDER.glob("*.sql")))


def expected() -> set[Finding]:
    return {finding for migration in corpus() for finding in migration.expected}


def statement_at(migration: Migration, offset: int) -> int:
    """The number of the statement that holds an offset, or of the next one."""
    ends = [statement.span.end for statement in read_migration(migration.source, "postgres").statements]
    return min(bisect_right(ends, offset) + 1, len(ends))


@cache
def by_flowc(*, alone: bool = False) -> frozenset[Finding]:
    """What flowc finds in the corpus. `alone` takes it, as squawk does, that no transaction is around a file."""
    return frozenset(
        (migration.name, statement_at(migration, diagnostic.span.start if diagnostic.span else 0), diagnostic.code)
        for migration in corpus()
        for diagnostic in lint_migration(
            migration.source,
            in_transaction=False if alone and migration.around is None else migration.around,
            server_version=(int(VERSION),),
        )
    )


def squawk_names() -> Mapping[str, tuple[str, ...]]:
    """squawk's names of rules, and flowc's codes for each."""
    names = {name for rule in RULES for name in rule.squawk}
    return {name: tuple(rule.code for rule in RULES if name in rule.squawk) for name in sorted(names)}


@cache
def squawk_says() -> tuple[tuple[str, int, str], ...]:
    """What squawk finds in the corpus, by its own names: file, statement, rule."""
    found: list[tuple[str, int, str]] = []
    for migration in corpus():
        starts = [0, *(i + 1 for i, char in enumerate(migration.text) if char == "\n")]
        for each in _run(migration):
            offset = starts[each["line"]] + each["column"]
            found.append((migration.name, statement_at(migration, offset), each["rule_name"]))
    return tuple(found)


def _run(migration: Migration) -> list[dict[str, object]]:
    program = Path(sys.executable).with_name("squawk")
    around = ["--assume-in-transaction"] if migration.around else []
    command = [str(program), "--reporter", "json", "--pg-version", VERSION, *around, "--stdin-filepath", "m.sql"]
    done = subprocess.run(command, input=migration.text, capture_output=True, text=True, check=False)
    return json.loads(done.stdout)


def by_squawk() -> set[Finding]:
    """What squawk finds, in flowc's codes; one of its names may be any of several codes: the one that is expected,
    or that flowc finds, counts."""
    likely = expected() | by_flowc(alone=True)
    names = squawk_names()
    found: set[Finding] = set()
    for name, number, rule in squawk_says():
        codes = names.get(rule, ())
        same = [code for code in codes if (name, number, code) in likely]
        found.update((name, number, code) for code in (same or codes)[:1])
    return found


def comparable(findings: Iterable[Finding]) -> set[Finding]:
    """Those with a code that has a name at squawk."""
    codes = {rule.code for rule in RULES if rule.squawk}
    return {finding for finding in findings if finding[2] in codes}


def disagreements() -> set[tuple[str, Finding]]:
    """What one of the two finds and the other does not, of what both have a name for."""
    ours, theirs = comparable(by_flowc(alone=True)), by_squawk()
    return {("flowc", finding) for finding in ours - theirs} | {("squawk", finding) for finding in theirs - ours}


_REASON = re.compile(r"^## (flowc|squawk) alone: (.+)$")
_LINE = re.compile(r"^- `(\w+)` (\d+): `([\w-]+)`$")


def reviewed() -> dict[tuple[str, Finding], str]:
    """The disagreements that were looked at, each with its reason."""
    found: dict[tuple[str, Finding], str] = {}
    side = reason = ""
    for line in DISAGREEMENTS.read_text("utf-8").splitlines():
        if heading := _REASON.match(line):
            side, reason = heading.groups()
        elif entry := _LINE.match(line):
            found[side, (entry[1], int(entry[2]), entry[3])] = reason
    return found
