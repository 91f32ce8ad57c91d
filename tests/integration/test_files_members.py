"""Compressed files of several members: nothing of them is lost in silence, and what is no member is damage."""

from __future__ import annotations

import bz2
import gzip
import lzma
import zlib

import pytest

from flowc.runtime.stores.members import MOST_MEMORY
from tests.integration.test_files_bounded import DECLARED, ids, write
from tests.integration.test_files_silence import outcomes
from tests.streams.filefolder import aged

ROWS, DAMAGED = 3000, "error[unreadable-file]"
PACK = {"bz2": bz2.compress, "xz": lzma.compress}


def rows(form: str) -> list[str]:
    head = ["id,name\n"] if form == "csv" else []
    one = "{},n{}\n" if form == "csv" else '{{"id": {}, "name": "n{}"}}\n'
    return head + [one.format(n, n * 7919 % 10007) for n in range(1, ROWS + 1)]


def members(form: str, how: str) -> list[bytes]:
    lines = rows(form)
    return [PACK[how]("".join(lines[n : n + ROWS // 3 + 1]).encode()) for n in range(0, len(lines), ROWS // 3 + 1)]


def flipped(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 0x55]) + data[at + 1 :]


def file(project, form: str, how: str, data: bytes) -> None:
    path = project.path / "in" / f"a.{form}.{how}"
    path.parent.mkdir()
    path.write_bytes(data)
    aged(path)
    write(project, path.name, "")


BROKEN = {
    "in the second member": lambda a, b, c: a + flipped(b, len(b) // 2) + c,
    "in its header": lambda a, b, c: a + flipped(b, 1) + c,
    "cut off": lambda a, b, c: a + b[: len(b) // 2],
    "garbage": lambda a, b, c: a + b + c + b"garbage",
    "a letter": lambda a, b, c: a + b + c + b"g",
    "zeros, and not in fours": lambda a, b, c: a + b"\0" * 511 + b + c,
}


@pytest.mark.covering
@pytest.mark.parametrize("how", PACK)
@pytest.mark.parametrize("form", ["csv", "jsonl", "json"])
@pytest.mark.parametrize("wrong", BROKEN.values(), ids=BROKEN)
def test_a_broken_member_is_damage_of_its_file(project, form, how, wrong):
    file(project, form, how, wrong(*members(form, how)))
    for said in outcomes(project, "kept", "strict"):
        assert DAMAGED in said
        assert f"a.{form}.{how}` cannot be read" in said
    (said,) = outcomes(project, "follow")
    (letter,) = project.flowc("dlq", "show", "follow", "--json").json
    assert (letter["code"], letter["topic"]) == ("unreadable-file", f"a.{form}.{how}"), said


@pytest.mark.parametrize("how", PACK)
@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_members_are_read_one_behind_the_other(project, form, how):
    """Also those of nothing, many of them."""
    nothing = PACK[how](b"") * 500
    file(project, form, how, nothing + nothing.join(members(form, how)) + nothing)
    assert all("error" not in said for said in outcomes(project))
    assert ids(project) == ids(project, "s") == list(range(1, ROWS + 1))


@pytest.mark.parametrize("zeros", [4, 512, 1 << 16])
@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_zeros_pad_members_of_xz(project, form, zeros):
    padding = b"\0" * zeros
    file(project, form, "xz", padding.join(members(form, "xz")) + padding)
    assert all("error" not in said for said in outcomes(project))
    assert ids(project) == ids(project, "s") == list(range(1, ROWS + 1))


@pytest.mark.parametrize("how", PACK)
def test_zeros_are_no_member_of_bz2(project, how):
    """As the engine has it; of `.xz` they are padding."""
    file(project, "csv", how, b"\0".join(members("csv", how)))
    assert all("unreadable-file" in said for said in outcomes(project, "kept", "strict"))


@pytest.mark.parametrize("ending", ["csv.bz2", "jsonl.bz2", "csv.xz", "jsonl.xz", "csv.gz", "jsonl.gz"])
def test_a_compressed_file_without_bytes_has_no_rows(project, ending):
    file(project, *ending.split("."), b"")
    assert all("error" not in said for said in outcomes(project))
    assert ids(project) == []


def test_zeros_behind_gzip_are_told_with_the_file(project):
    """The engine reads no such file, and names none; streams pass over them as gzip does."""
    file(project, "csv", "gz", gzip.compress("".join(rows("csv")).encode()) + b"\0" * 512)
    kept, strict, follow = outcomes(project)
    assert "error" not in kept + follow
    assert DAMAGED in strict
    assert "a.csv.gz` cannot be read: " in strict


def wanting(data: bytes, memory: int) -> bytes:
    """A file of `.xz` whose header says that it needs a dictionary of so many bytes, two to the power of something."""
    head = bytearray(data[12 : 12 + (data[12] + 1) * 4 - 4])
    assert head[2] == 0x21  # the filter; behind it are the length of its property, and that
    head[4] = (memory.bit_length() - 1 - 12) * 2
    return data[:12] + head + zlib.crc32(head).to_bytes(4, "little") + data[12 + len(head) + 4 :]


@pytest.mark.parametrize("form", ["csv", "jsonl"])
@pytest.mark.parametrize("more", [DECLARED, ""])
def test_xz_takes_no_more_memory_than_it_may(project, form, more):
    member = lzma.compress("".join(rows(form)).encode())
    file(project, form, "xz", wanting(member, MOST_MEMORY // 2))
    assert all("error" not in said for said in outcomes(project, "kept", "strict"))
    (project.path / "in" / f"a.{form}.xz").write_bytes(wanting(member, MOST_MEMORY))
    write(project, f"a.{form}.xz", "", more)
    for said in outcomes(project, "kept", "strict"):
        assert "takes more than 256MiB of memory" in said
        assert DAMAGED in said
