"""What the numbers were measured on: cores, memory, processor, versions."""

from __future__ import annotations

import os
import platform
import sqlite3
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from flowc import __version__

PACKAGES = ("duckdb", "datafusion", "pyarrow", "sqlglot", "psycopg", "pgpq", "adbc-driver-postgresql")


def facts(postgres: str | None, peer: str | None) -> list[tuple[str, str]]:
    """Names and values, machine first, then versions."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    load = os.getloadavg()[0]
    return [
        ("cores", f"{len(os.sched_getaffinity(0))} (load average at the start {load:.1f})"),
        ("memory", f"{memory:.0f} GiB"),
        ("processor", _processor()),
        ("system", f"{platform.system()} {platform.release()}"),
        ("flowc", f"{__version__} ({_revision()})"),
        ("python", sys.version.split()[0]),
        *((name, _version(name)) for name in PACKAGES),
        ("sqlite", sqlite3.sqlite_version),
        ("postgresql", postgres or "not used"),
        ("ematix-flow", peer or "not used"),
    ]


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    for line in cpuinfo.read_text().splitlines() if cpuinfo.exists() else ():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def _revision() -> str:
    command = ["git", "describe", "--always", "--dirty"]
    done = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "no git"


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "missing"
