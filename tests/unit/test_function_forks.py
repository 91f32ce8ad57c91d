"""What a function of a project forks does not outlive the function."""

from __future__ import annotations

import subprocess
import sys

FORKS = """
import os
from flowc.runtime.exits import in_their_code
with in_their_code():
    child = os.fork()
print("parent" if child else "child", flush=True)
if child:
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def test_a_child_ends_where_the_function_returns_in_it() -> None:
    done = subprocess.run([sys.executable, "-c", FORKS], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "parent\n1\n", "")
