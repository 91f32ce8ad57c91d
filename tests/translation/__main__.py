"""Runs the corpus and writes the page: `python -m tests.translation --write`, or only shows it."""

from __future__ import annotations

import sys

from tests.services import mysql_server, postgres_server
from tests.services.mysql import fresh_database
from tests.translation.engines import open_engines
from tests.translation.outcomes import Verdict, outcomes_of
from tests.translation.report import PAGE, page


def main(arguments: list[str]) -> int:
    """Writes the page when asked to, and says what is wrong in the corpus."""
    with (
        postgres_server() as postgres,
        mysql_server() as server,
        fresh_database(server) as mysql,
        open_engines(postgres, mysql) as runs,
    ):
        outcomes = outcomes_of(runs)
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
