"""A short campaign (long: `python -m tests.fuzz`), and the faults that are planted to see that it finds them."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from copy import deepcopy
from functools import reduce
from operator import getitem
from pathlib import Path
from typing import Any

import pytest
import yaml

from flowc.compiler import stages
from flowc.diagnostics import Reporter
from tests.extended import with_extended
from tests.fuzz.campaign import Campaign
from tests.fuzz.faults import FAULTS
from tests.fuzz.kinds import KINDS
from tests.fuzz.large import SHAPES
from tests.fuzz.mutant import spec
from tests.fuzz.rules import examine
from tests.fuzz.texts import SPECS
from tests.fuzz.trees import ODD

CORPUS = Path(__file__).parent / "corpus"
COUNT = 225
"""What takes half a minute."""
RARE = {"tests": 10, "loads": 7}
"""Kinds of which a fault may not show in the few mutants that are among those: they have so many more of their own."""
STUCK = 20.0
NEVER = 8.0
"""Seconds without a word after which what does not end is taken for that: longer than any mutant that ends."""
QUICK = ("dies", "writes", "breaks json", "miscounts")
"""Faults of every run, in the process, the statements, the words and the rows; the others test the tests alike."""


def test_no_mutant_breaks_a_rule(tmp_path: Path) -> None:
    rare = [Campaign(count, seed=1, only=(kind,), folder=tmp_path) for kind, count in RARE.items()]
    for campaign in (Campaign(COUNT, seed=1, folder=tmp_path), *rare):
        campaign.run()
        assert dict(campaign.found) == {}
        assert campaign.examined.total() == campaign.count


@pytest.mark.parametrize("shape", ["windows", "hard calls", "wrong aliases", "deep flow", "aliases"])
def test_a_large_spec_is_answered_within_the_bounds(shape: str, tmp_path: Path) -> None:
    """The shapes that took longest, or did not end; `python -m tests.fuzz --only large` takes all of them."""
    found = examine(spec(SHAPES[shape]()), tmp_path / "p", random.Random(1))
    assert found == []


@pytest.mark.parametrize("fault", with_extended(QUICK, (each for each in FAULTS if each not in QUICK)))
def test_a_fault_is_found(fault: str, tmp_path: Path) -> None:
    """In no more mutants, of the kind that is there to find it, than the short campaign has."""
    _, rule, kind = FAULTS[fault]
    share = COUNT * KINDS[kind][1] // sum(weight for _, weight in KINDS.values()) if kind else COUNT
    count = RARE.get(kind, share)
    only, stuck = (kind,) if kind else (), NEVER if fault == "hangs" else STUCK
    campaign = Campaign(count, 1, only, (fault,), folder=tmp_path, first_only=True, stuck=stuck).run()
    assert rule in campaign.rules
    kept = next(tmp_path.glob(f"1-*-{rule}"))
    assert "seed 1, mutant " in (kept / "finding.txt").read_text("utf-8")
    assert any(file.read_bytes() for file in kept.rglob("*") if file.is_file() and file.name != "finding.txt")


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_the_corpus_is_right(path: Path) -> None:
    reporter = Reporter()
    stages.lint([path.parent if "specs" in path.parts else path], reporter, env={})
    assert [d for d in reporter.sorted() if d.code not in ("secret-literal", "narrowing")] == []


def test_an_odd_value_at_any_place_of_what_a_project_says_of_itself_is_told(tmp_path: Path) -> None:
    """Sections that are built on the way to any command: one that fails there fails all of them."""
    before = yaml.safe_load((CORPUS / "service.yaml").read_text("utf-8"))
    file = tmp_path / "service.yaml"
    for path in places(before):
        for value in ODD:
            tree = {path[0]: deepcopy(before[path[0]])}  # a section is built whatever the others say
            holder = reduce(getitem, path[:-1], tree)
            holder[path[-1]] = value
            file.write_text(json.dumps(tree), "utf-8")
            stages.load_project([file], Reporter(), environment="prod" if path[0] == "environments" else None)


def places(node: Any) -> Iterator[tuple[Any, ...]]:
    """The way to each value of a tree."""
    for key, value in node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ():
        yield (key,)
        yield from ((key, *below) for below in places(value))
