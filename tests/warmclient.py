"""How the process that has imported everything is asked for a copy of itself: of this, next to nothing is imported."""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import Mapping, Sequence

NUMBER = struct.Struct("q")


def asked(
    server: str, module: str, arguments: Sequence[str], files: Sequence[int], cwd: str, env: Mapping[str, str]
) -> socket.socket:
    """What tells the number of the process that runs the module with these files, and then its exit code."""
    wanted = {"module": module, "arguments": arguments, "cwd": cwd, "env": dict(env)}
    talk = socket.socket(socket.AF_UNIX)
    talk.connect(server)
    socket.send_fds(talk, [b"\n"], files)
    talk.sendall(json.dumps(wanted).encode() + b"\n")
    return talk


def heard(talk: socket.socket) -> int:
    """The next number that is told."""
    return int(NUMBER.unpack(talk.recv(NUMBER.size, socket.MSG_WAITALL))[0])
