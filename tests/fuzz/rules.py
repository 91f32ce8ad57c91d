"""What is demanded of every mutant, whatever it holds."""

from __future__ import annotations

import json
import os
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from flowc.controls import UNSAFE
from flowc.masker import _spellings
from tests.commands import Done, Inside
from tests.fuzz.mutant import SECRET, SPEC, Chance, Mutant

SLOWEST = 5.0
"""Seconds that a command may take, of a machine that does nothing else."""
QUIET = 0.018
"""Seconds that `_paced` takes there."""
MEMORY = 2**30
"""Bytes that it may need beyond what the process had before."""
OLD = 1_000_000_000
"""When the first file was written: a stream passes over what may still be."""
BEYOND = {"unknown-source-columns", "unusable-file", "not-runnable-yet", "unset-variable", "connection-failed"}
"""What only a live system knows, or the system of files, or where it runs, or a later version does."""
LINT_FORMS = ("text", "concise", "json", "github", "sarif")
AFTER_LINT = (
    ("compile", "--to", "sql"), ("compile", "--to", "ir"), ("compile", "--to", "plan"), ("graph",),
    ("graph", "--columns", "--format", "html"), ("graph", "--columns", "--format", "mermaid"),
)  # fmt: skip
PLAN_FORMS = ("text", "json", "markdown", "sql")
JSON = {("--format", "json"), ("--format", "sarif"), ("--to", "ir"), ("--to", "plan")}
_ACTS = re.compile(UNSAFE.pattern.replace("[", "(?!\n)[", 1))
SPELLED = tuple(sorted(_spellings(SECRET)))
"""The secret as outputs may spell it."""
_SQL_BLOCK = re.compile(r"^(`{3,})sql\n.*?^\1$", re.DOTALL | re.MULTILINE)
"""Statements in Markdown, which may hold a tab in a name."""
_CODE = re.compile(r"error\[([\w-]+)\]")


@dataclass(frozen=True)
class Finding:
    """A rule that was broken, and by what. Findings with the same signature are of one fault, most likely."""

    rule: str
    command: str
    shown: str

    @property
    def signature(self) -> str:
        codes = ",".join(sorted(set(_CODE.findall(self.shown)))[:3])
        last = re.sub(r"\d+", "0", self.shown.strip().rpartition("\n")[2])[:80] if self.rule == "internal" else ""
        return f"{self.rule} {self.command.split(' -')[0]} {codes} {last}".strip()


class Observed(Inside):
    """Runs commands, and notes what each did wrong."""

    def __init__(self, path: Path, mutant: Mutant) -> None:
        env = {
            "FUZZ_SECRET": SECRET,
            "FUZZ_WORD": mutant.word,
            "FUZZ_OPEN": "open",
            "FUZZ_QUOTED": "a'b\"c d",
            "NO_COLOR": "1",
        }
        super().__init__(path, {**env, **mutant.env})
        self.findings: list[Finding] = []

    def observe(self, *arguments: str) -> Done:
        """What the command did, once all rules that hold for any command are checked."""
        started, worked, stood = own_time(), time.process_time(), time.monotonic() - _waited()
        with _memory(self._note_memory, arguments):
            done = self.done(*arguments)
        # Where its threads waited for a processor, and it for them, the machine was slow.
        own, busy = own_time() - started, time.process_time() - worked
        took = min(own, max(busy, time.monotonic() - _waited() - stood))
        if took > SLOWEST and took - min(busy, took) * (1 - min(1.0, QUIET / _paced())) > SLOWEST:
            self.note("slow", arguments, f"{took:.1f} s")
        if "error[internal]" in done.err or "Traceback (most" in done.err:
            self.note("internal", arguments, self.done("--debug", *arguments).err[-3000:])
        self._check_text(done, arguments)
        return done

    def note(self, rule: str, arguments: tuple[str, ...], shown: str) -> None:
        self.findings.append(Finding(rule, " ".join(arguments), self._readable(shown)))

    def _readable(self, text: str) -> str:
        return text.replace(str(self.path), ".")[:4000]

    def _note_memory(self, used: int, arguments: tuple[str, ...]) -> None:
        if used > MEMORY:
            self.note("memory", arguments, f"{used / 2**20:.0f} MiB")

    def _check_text(self, done: Done, arguments: tuple[str, ...]) -> None:
        self.check_shown(done.err, (*arguments, "2>"))
        is_sql = arguments[-2:] in (("--to", "sql"), ("--format", "sql"))
        shown = _SQL_BLOCK.sub(lambda found: found[0].replace("\t", " "), done.out)
        self.check_shown(shown, arguments, acts=not is_sql)  # statements are what they are; a terminal gets pictures
        if done.out and (arguments[-2:] in JSON or arguments[-1] == "--json"):
            try:
                json.loads(done.out)
            except ValueError as error:
                self.note("json", arguments, f"{error}: {done.out[:500]}")

    def check_shown(self, text: str, arguments: tuple[str, ...], *, acts: bool = True) -> None:
        """That a text holds no secret, and nothing that acts on who shows it."""
        if (found := _ACTS.search(text)) and acts:
            self.note("control", arguments, f"{found[0]!r} in {text[max(0, found.start() - 200) : found.end() + 50]!r}")
        if not _encodes(text) and arguments[-1] != "2>":  # stderr shows what it cannot write as escapes
            self.note("encoding", arguments, next(line for line in text.splitlines() if not _encodes(line)))
        if found := next((each for each in SPELLED if each in text), None):
            self.note("secret", arguments, next((line for line in text.splitlines() if found in line), text))


def _waited() -> float:
    """How long the threads of this process waited for a processor, together."""
    waited = 0
    for file in Path("/proc/self/task").glob("*/schedstat"):
        with suppress(OSError):  # a thread that ended
            waited += int(file.read_text().split()[1])
    return waited / 1e9


def _paced() -> float:
    """How long some work takes now: what shares the processor and its memory slows others down beside their waits."""
    taken = []
    for _ in range(9):
        started = time.thread_time()
        assert len({str(number): [number, {}] for number in range(60_000)}) > 1
        taken.append(time.thread_time() - started)
    return sorted(taken)[len(taken) // 2]


def own_time(process: int | str = "self") -> float:
    """The clock without what its process waited for a processor: others may need the machine too."""
    try:
        waited = int(Path(f"/proc/{process}/schedstat").read_text().split()[1]) / 1e9
    except (OSError, IndexError):  # the process is gone, or no Linux tells
        waited = 0.0
    return time.monotonic() - waited


def _encodes(text: str) -> bool:
    return text.encode("utf-8", "ignore").decode() == text


@contextmanager
def _memory(note, arguments: tuple[str, ...]) -> Iterator[None]:
    """Measures the most memory of this process within, beyond what it has before."""
    Path("/proc/self/clear_refs").write_text("5")
    before = _status("VmRSS")
    yield
    note(_status("VmHWM") - before, arguments)


def _status(name: str) -> int:
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name))
    return int(line.split()[1]) * 1024


def examine(mutant: Mutant, folder: Path, chance: Chance) -> list[Finding]:
    """Writes the mutant into the folder, which is emptied first, and runs commands on it."""
    shutil.rmtree(folder, ignore_errors=True)
    for age, (name, content) in enumerate(mutant.files.items()):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
        os.utime(folder / name, (OLD + age, OLD + age))
    project = Observed(folder, mutant)
    if mutant.demands and SPEC not in mutant.files:
        mutant.demands(project, mutant, chance)
        return project.findings
    form = chance.choice(LINT_FORMS)
    linted = project.observe("lint", "--format", form)
    if linted.code not in (0, 1):
        project.note("lint", ("lint",), linted.err)
    if linted.code == 0 and not project.findings:
        _after_lint(project, mutant, chance)
    elif chance.random() < 0.1:
        _demand(project, project.observe("compile"), 1, "compile")
    return project.findings


def _after_lint(project: Observed, mutant: Mutant, chance: Chance) -> None:
    """Lint has passed it: nothing else may refuse it."""
    if mutant.demands:
        mutant.demands(project, mutant, chance)
        return
    command = chance.choice(AFTER_LINT)
    _demand(project, project.observe(*command), 0, *command)
    if mutant.plan:
        _demand(project, _planned(project, chance), 0, "plan")
    if mutant.refused:
        _demand(project, _planned(project, chance), 2, "plan")
    if mutant.run:
        project.observe("run", "--once", "--json")


def _planned(project: Observed, chance: Chance) -> Done:
    """A plan on empty databases, shown and now and then kept."""
    form, kept = chance.choice(PLAN_FORMS), project.path / "kept.json"
    keep = chance.random() < 0.2
    done = project.observe("plan", *(("--out", str(kept)) if keep else ()), "--format", form)
    if kept.exists():
        project.check_shown(kept.read_text("utf-8"), ("plan", "--out"))
    return done


def _demand(project: Observed, done: Done, code: int, *command: str) -> None:
    said = set(_CODE.findall(done.err))
    if done.code != code and not (said and said <= BEYOND):
        project.note("refused" if code == 0 else "taken", command, done.err or done.out[:500])
