"""Files of streams on a full disk: what is wrong is told once, by the write that failed."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import pyarrow as pa
import pytest

from flowc.compiler.ir import FilesOutput
from flowc.compiler.systems.files.target import plan_target
from flowc.nodes import Changelog
from flowc.runtime.arrow import arrow_schema
from flowc.runtime.systems.files.formats import maker
from tests.streams.test_targets_files import COLUMNS, SPAN


@pytest.mark.covering
@pytest.mark.parametrize(("form", "how"), [
    *(("jsonl", how) for how in ("none", "gzip", "zstd", "bzip2", "lz4", "xz", "brotli")),
    ("parquet", "zstd"), ("orc", "zstd"),
])  # fmt: skip
@pytest.mark.parametrize("count", [1, 300])
def test_a_file_on_a_full_disk_is_let_go_without_a_word(
    form: str, how: str, count: int, capfd: pytest.CaptureFixture[str]
) -> None:
    output = FilesOutput("out", "rows", form, span=SPAN, write={"compression": how}, partition_by=())
    plan = plan_target(output, COLUMNS, "s", Changelog.INSERT_ONLY)
    file = maker(plan, COLUMNS)(Path("/dev/full"))
    rows = pa.table({"id": list(range(count)), "name": [os.urandom(3000).hex() for _ in range(count)]})
    with suppress(OSError):  # or at its end, where what is written waits in memory
        for each in rows.cast(arrow_schema(COLUMNS)).to_batches():
            file.write(each)
            file.spill()
            file.write(each)
    file.abandon()
    del file
    assert capfd.readouterr() == ("", "")
