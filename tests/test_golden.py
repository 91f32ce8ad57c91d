"""Every case of every suite in `tests/golden` produces the text it shows. `--update-golden` rewrites the outputs."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.golden_format import Case, read_cases, rewrite
from tests.golden_harness import run_case

SUITES = Path(__file__).parent / "golden"
CASES = [case for path in sorted(SUITES.rglob("*.md")) for case in read_cases(path)]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.path.relative_to(SUITES).as_posix()}::{case.title}")
def test_golden(case: Case, tmp_path: Path, update_golden: bool):
    project = tmp_path / "project"  # whose name is in the SQL of what flowc keeps
    project.mkdir()
    outputs = {index: (block, actual) for index, block, actual in run_case(case, project)}
    assert outputs, "the case shows no output"
    if update_golden:
        rewrite(case, {index: actual for index, (_, actual) in outputs.items()})
        return
    for block, actual in outputs.values():
        assert actual == block.text, f"{case.path.name}:{block.first}: ```{block.info}"
