"""A process that examines mutants, many one after the other, and tells what it found as lines of JSON."""

from __future__ import annotations

import faulthandler
import json
import os
import random
import resource
import shutil
import sys
import tempfile
import time
from dataclasses import asdict, replace
from importlib import import_module
from pathlib import Path

from tests.fuzz.faults import plant
from tests.fuzz.kinds import made
from tests.fuzz.mutant import SPEC, Mutant
from tests.fuzz.rules import Finding, examine

ADDRESSES = 8 * 2**30
"""Bytes of addresses that the process may have: more is a MemoryError, and not the machine's end."""
TRIES, PATIENCE = 60, 20.0
"""How often, and for how many seconds, lines are dropped from a mutant to make it smaller."""


def main(asked: dict[str, object]) -> None:
    """Examines every `step`th mutant from `first` on, below `end`."""
    warm_up()
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESSES, ADDRESSES))
    for fault in asked["faults"]:
        plant(fault)
    talk = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what a library prints is not told as ours
    with tempfile.TemporaryDirectory(prefix="flowc-fuzz-") as folder:
        for number in range(asked["first"], asked["end"], asked["step"]):
            talk.write(json.dumps(_told(asked, number, Path(folder) / "p")) + "\n")


def warm_up() -> None:
    """Imports what commands import, so that no mutant pays for it."""
    from tests.warm import LIBRARIES

    faulthandler.enable()
    for library in (*LIBRARIES, "flowc.cli.compile", "flowc.cli.graph", "pgparse"):
        import_module(library)


def _told(asked: dict[str, object], number: int, folder: Path) -> dict[str, object]:
    started = time.monotonic()
    kind, mutant, chance = made(asked["seed"], number, tuple(asked["only"]))
    state = chance.getstate()
    findings = _examined(mutant, folder, state)
    slow = [each for each in findings if each.rule in ("slow", "memory")]
    if slow:  # a machine that is busy is no fault: it has to happen again
        again = {each.rule for each in _examined(mutant, folder, state)}
        findings = [each for each in findings if each not in slow or each.rule in again]
    told = {"number": number, "kind": kind, "took": time.monotonic() - started, "findings": []}
    if findings:
        small = smaller(mutant, findings[0].signature, folder, state) if asked["smaller"] else mutant
        told["findings"] = [{**asdict(each), "signature": each.signature} for each in findings]
        told["files"] = {name: content.decode("latin-1") for name, content in small.files.items()}
    return told


def _examined(mutant: Mutant, folder: Path, state: object) -> list[Finding]:
    chance = random.Random()
    chance.setstate(state)
    try:
        return examine(mutant, folder, chance)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def smaller(mutant: Mutant, signature: str, folder: Path, state: object) -> Mutant:
    """The mutant without lines, or parts of its line, that it needs not to be found, as far as time allows.

    These are lines of its data, where it has some, and else of its spec.
    """
    end = time.monotonic() + PATIENCE
    for name in [name for name in mutant.files if name != SPEC] or [SPEC]:
        mutant = _shortened(mutant, name, signature, folder, state, end)
    return mutant


def _shortened(mutant: Mutant, name: str, signature: str, folder: Path, state: object, end: float) -> Mutant:
    tries = 0
    separator = b"\n" if mutant.files[name].count(b"\n") > 3 else b","
    parts = mutant.files[name].split(separator)
    size = max(1, len(parts) // 2)
    while size and tries < TRIES and time.monotonic() < end:
        at = 0
        while at < len(parts) and tries < TRIES and time.monotonic() < end:
            without = [*parts[:at], *parts[at + size :]]
            tried = replace(mutant, files={**mutant.files, name: separator.join(without)})
            tries += 1
            if any(each.signature == signature for each in _examined(tried, folder, state)):
                mutant, parts = tried, without
            else:
                at += size
        size //= 2
    return mutant


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
