"""Runs one command and writes its seconds and its peak memory to a file.

A process of its own, small and without imports of ours, because Linux counts the memory of the process that starts a
program towards that program's peak. The command's output passes through.

    python -I -S launch.py REPORT COMMAND [ARGUMENT…]
"""

import os
import sys
import time


def main() -> int:
    report, command = sys.argv[1], sys.argv[2:]
    began = time.perf_counter()
    child = os.posix_spawnp(command[0], command, os.environ)
    _, status, usage = os.wait4(child, 0)
    seconds = time.perf_counter() - began
    kibibytes = usage.ru_maxrss / 1024 if sys.platform == "darwin" else usage.ru_maxrss
    with open(report, "w", encoding="utf-8") as file:
        file.write(f"{seconds} {kibibytes / 1024}")
    return os.waitstatus_to_exitcode(status) & 0xFF


if __name__ == "__main__":
    sys.exit(main())
