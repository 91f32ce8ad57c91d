"""The worker of a Job in a campaign: takes its run over as `flowc work` does, and tells as all runs do there."""

from __future__ import annotations

import json
import os
import sys
import threading
from pathlib import Path
from secrets import token_hex

from benchmarks.crash.schedulerworker import JOBS, Telling, opened
from flowc.errors import FlowcError
from flowc.service.access.locks import owner_name
from flowc.service.runs.executors import Project
from flowc.service.runs.minding import Guard, Minder, Settling
from flowc.service.runs.records import worker_name
from flowc.service.runs.taking import take


def main() -> int:
    """Does the run whose id is the second argument."""
    kind, options, folder = (os.environ[name] for name in ("CAMPAIGN_KIND", "CAMPAIGN_OPTIONS", "CAMPAIGN_FOLDER"))
    log = opened(kind, json.loads(options), worker_name(owner_name(), token_hex(4)))
    settling = Settling(log, lambda _: None, print)
    minder = Minder(settling, Guard(print), Telling(Path(folder) / "runs.jsonl"), Project(()))
    try:
        minder.begin(*take(log, sys.argv[2], JOBS))
        minder.mind_all(threading.Event())
    except FlowcError as error:
        print(error.message)
        return 2
    finally:
        log.close()
    return 1 if settling.failed else 0


if __name__ == "__main__":
    sys.exit(main())
