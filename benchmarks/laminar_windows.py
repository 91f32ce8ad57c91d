"""The tumbling windows of `benchmarks.windowpeers` by LaminarDB, in memory, in its own environment.

python laminar_windows.py FILE SIZE

Its windows take whole numbers as milliseconds. Rows that come behind its watermark are lost, and the watermark moves on
with whatever it takes at once; so it is given two tenths of a window, within which no row comes late.
"""

from __future__ import annotations

import json
import os
import sys
import time

import laminardb
import pyarrow as pa
import pyarrow.compute as pc

PATIENCE = 30.0


class Sums:
    """What has come out of the windows."""

    def __init__(self, subscription: object) -> None:
        self.groups = self.count = self.total = 0
        self._subscription = subscription

    def take(self, wait: int) -> None:
        """Takes what is there; the first within so many milliseconds."""
        while True:
            try:
                found = self._subscription.next_timeout(wait) if wait else self._subscription.try_next()
            except laminardb.SubscriptionError:  # so it tells that nothing came
                return
            if found is None:
                return
            rows = found.arrow()
            self.groups += rows.num_rows
            self.count += pc.sum(rows["n"]).as_py() or 0
            self.total += pc.sum(rows["total"]).as_py() or 0


def main() -> None:
    """Runs the windows, and prints what came out and how long it took."""
    path, size = sys.argv[1], int(sys.argv[2])
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    with pa.OSFile(path) as file:
        batches = [pa.Table.from_batches([batch]) for batch in pa.ipc.open_file(file).read_all().to_batches()]
    rows, end = sum(batch.num_rows for batch in batches), pc.max(batches[-1]["at"]).as_py()
    connection = laminardb.open(":memory:")
    watermark = f"WATERMARK FOR at AS at - INTERVAL '{max(size // 5000, 60)}' SECOND"
    connection.execute(f"CREATE SOURCE events (key BIGINT, value BIGINT, at BIGINT, {watermark})")
    connection.execute(
        "CREATE STREAM sums AS SELECT key, count(*) AS n, sum(value) AS total, avg(value) AS mean, "
        "min(value) AS least, max(value) AS most "
        f"FROM events GROUP BY key, TUMBLE(at, {size}) EMIT ON WINDOW CLOSE"
    )
    sums = Sums(connection.subscribe_stream("sums"))
    connection.start()
    began, clock = time.process_time(), time.perf_counter()
    with connection.writer("events") as writer:
        for batch in batches:
            writer.insert(batch)
            writer.flush()
            sums.take(0)
        # One row far ahead lets out all windows before it, and may come out itself.
        writer.insert(pa.table({"key": [0], "value": [0], "at": [end + 100 * size]}))
        writer.flush()
    while sums.count < rows and time.perf_counter() - clock < PATIENCE:
        sums.take(100)
    took, far = time.process_time() - began, int(sums.count > rows)
    told = {"groups": sums.groups - far, "count": sums.count - far, "total": sums.total, "processor": took}
    print(json.dumps({**told, "elapsed": time.perf_counter() - clock}))
    sys.stdout.flush()
    os._exit(0)  # its threads do not end by themselves


main()
