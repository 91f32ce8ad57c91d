"""Where connections say that folders and files lie: what is a path on this machine, and what an address elsewhere."""

from __future__ import annotations

import os
import re
from pathlib import Path

from flowc.errors import UsageError

PATH_OPTIONS = frozenset({"path", "uri", "ca_file", "cert_file", "key_file", "credentials_file", "private_key_file"})
"""The options of connections that are paths."""
_SCHEME = re.compile(r"\s*([A-Za-z][A-Za-z0-9+.-]+):")
"""Two letters and more: one is a drive of Windows."""
_FILE = re.compile(r"file://(?=/)", re.IGNORECASE)
_URL = re.compile(r"(?i:duckdb|sqlite)(?:\+[a-z0-9]+)?:(?://)?/?(?P<path>.*)", re.DOTALL)
_STORES = ("s3", "s3a", "s3n", "gs", "gcs", "az", "azure", "abfs", "abfss", "adl", "wasb", "wasbs", "r2", "oss", "hf")
_LATER = {**dict.fromkeys(_STORES, "an object store"), **dict.fromkeys(("md", "motherduck"), "MotherDuck")}


def local_path(place: str, option: str) -> str:
    """The path that an option of a connection is; `option` is how errors call it.

    Raises:
        UsageError: it is the address of a place that is not on this machine. Nothing of it is shown but what kind of
            place that is: an address may hold secrets anywhere.
    """
    path = without_scheme(place)
    if (match := _SCHEME.match(path)) is None:
        return path
    if later := _LATER.get(match[1].lower()):
        message = f"{option} is an address of {later}, which this version cannot open"
        raise UsageError(message, code="not-runnable-yet", help="name a place on this machine by its path")
    help = "write a path, or `file:///` before an absolute one; `./` goes before a name that holds a colon"
    raise UsageError(f"{option} is no path on this machine", code="unusable-option", help=help)


def absolute(path: str, root: str | Path) -> str:
    """A path starting at the project root; `:memory:` stays as it is."""
    return path if path.startswith(":") else os.path.normpath(Path(root) / os.path.expanduser(path))


def without_scheme(place: str) -> str:
    """`/lake` of `file:///lake`; anything else stays as it is."""
    return _FILE.sub("", place, count=1) if _FILE.match(place) else place


def url_path(url: str, option: str) -> str | None:
    """The path in the URL of a database in a file, `sqlite:///app.db`; None for the URL of something else.

    Raises:
        UsageError: the URL has parameters, which would become a part of the file's name.
    """
    if (match := _URL.fullmatch(url)) is None:
        return None
    if "?" in match["path"] and _SCHEME.match(match["path"]) is None:
        message = f"{option} has parameters behind a `?`, and files of databases take none"
        raise UsageError(message, code="unusable-option", help="leave them out; a name that holds a `?` is a `path`")
    return match["path"] or ":memory:"
