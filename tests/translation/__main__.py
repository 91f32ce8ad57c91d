"""Runs the corpus and writes the page: `python -m tests.translation --write`, or only shows it."""

from __future__ import annotations

import sys
from contextlib import ExitStack

from tests.services import postgres_server
from tests.translation.corpus import cases
from tests.translation.engines import Run, open_datafusion, open_duckdb, open_postgres, open_sqlite
from tests.translation.outcomes import Verdict, outcome
from tests.translation.report import PAGE, page


def main(arguments: list[str]) -> int:
    """Writes the page when asked to, and says what is wrong in the corpus."""
    with ExitStack() as stack:
        runs: dict[str, Run] = {
            "duckdb": stack.enter_context(open_duckdb()),
            "datafusion": stack.enter_context(open_datafusion()),
            "sqlite": stack.enter_context(open_sqlite()),
            "postgres": stack.enter_context(open_postgres(stack.enter_context(postgres_server()))),
        }
        outcomes = {(case, engine): outcome(case, engine, run) for case in cases() for engine, run in runs.items()}
    for (case, engine), found in outcomes.items():
        if found.verdict in (Verdict.WRONG, Verdict.REFUSED) and engine not in dict(case.known):
            sys.stdout.write(f"{engine} | {case.id}\n  {found.verdict}: {found.text}\n  {found.detail}\n")
    text = page(outcomes)
    if "--write" in arguments:
        PAGE.parent.mkdir(parents=True, exist_ok=True)
        PAGE.write_text(text, "utf-8")
    else:
        sys.stdout.write(text)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
