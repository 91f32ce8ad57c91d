"""Stray quotes: what opens a value that swallows the rows behind it, which the engine would take for one."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

from flowc.errors import DataError
from flowc.runtime.connectors.files import BROKEN, CsvOptions, csv_bytes, unreadable
from flowc.runtime.connectors.filestream_records import splits, without_mark
from flowc.runtime.csvquotes import Quoting


def stray_quote(path: Path, options: CsvOptions, stop: threading.Event | None = None) -> DataError | None:
    """The error for the first stray quote of a file, with the line on which it stands; None where there is none.

    The whole file is read, until `stop` is set; bytes that cannot be read are an error too.
    """
    quoting, line = Quoting(options), options.skip_rows
    try:
        with csv_bytes(path, options) as stream:
            for _, found in splits(without_mark(stream), path, quoting):
                if found.strays:
                    stray = found.strays[0]
                    return unreadable(path, f"line {line + stray.opens + 1}: a quote opens a value that {stray.why}")
                line += found.lines
                if stop is not None and stop.is_set():
                    break
    except DataError as error:
        return error
    except BROKEN as error:
        return unreadable(path, str(error))
    return None


class StrayQuotes:
    """Looks for stray quotes in files while the engine reads them, in a thread of its own."""

    def __init__(self, files: Sequence[tuple[Path, CsvOptions]]) -> None:
        self._files = files
        self._stopped = threading.Event()
        self._error: DataError | None = None
        self._thread = threading.Thread(target=self._look, name="flowc-quotes", daemon=True)
        self._thread.start()

    def _look(self) -> None:
        for path, options in self._files:
            self._error = stray_quote(path, options, self._stopped)
            if self._error is not None or self._stopped.is_set():
                return

    def found(self) -> DataError | None:
        """The error for the first one, when all files were looked through."""
        self._thread.join()
        return self._error

    def close(self) -> None:
        """Looks no further."""
        self._stopped.set()
        self._thread.join()
