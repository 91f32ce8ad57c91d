"""Edits `~/.flowc/connections.yaml`: one connection at a time, everything else in the file kept as it was."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

from flowc.compiler.front.yamltree import TreeMap, parse, plain
from flowc.diagnostics import Reporter
from flowc.errors import UsageError
from flowc.service.access.writing import write_whole
from flowc.source import SourceFile

_PLAIN = re.compile(r"^[A-Za-z_/.~][\w/.~-]*$")
_WORDS = frozenset({"true", "false", "null", "yes", "no", "on", "off", "~", "y", "n"})


def read_connections(path: Path) -> dict[str, dict[str, object]]:
    """The connections of the file, plain; nothing when there is no file. Raises UsageError when it cannot be read."""
    tree = _tree(_text(path), path)
    section = tree.get("connections")
    if not isinstance(section, TreeMap):
        return {}
    return {name: plain(entry.value) for name, entry in section.entries.items() if isinstance(entry.value, TreeMap)}


def set_connection(path: Path, name: str, options: Mapping[str, object]) -> None:
    """Writes a connection whole, readable by its owner only. Comments and other entries stay as they are."""
    text = _text(path)
    line = f"  {_scalar(name)}: {flow(options)}\n"
    _replace(path, _edited(text, _tree(text, path), name, line, path))


def _edited(text: str, tree: TreeMap, name: str, line: str, path: Path) -> str:
    section = tree.entries.get("connections")
    if section is None:
        lead = text if not text or text.endswith("\n") else text + "\n"
        return f"{lead}connections:\n{line}"
    if not isinstance(section.value, TreeMap) or text[section.value.span.start : section.value.span.start + 1] == "{":
        message = f"`connections` in `{path}` is not written one connection a line"
        raise UsageError(
            message, code="uneditable-file", help=f"write it as `connections:`, then `{line.strip()}` below"
        )
    entries = section.value.entries
    first = min(entry.key.span.start for entry in entries.values())
    indent = first - (text.rfind("\n", 0, first) + 1)
    line = " " * indent + line.strip() + "\n"
    if name not in entries:
        start = text.rfind("\n", 0, first) + 1
        return text[:start] + line + text[start:]
    start = text.rfind("\n", 0, entries[name].key.span.start) + 1
    return text[:start] + line + text[_end(text, entries[name].value.span.end) :]


def _end(text: str, offset: int) -> int:
    """The end of the line on which an entry ends; an entry over lines may end at the start of the next."""
    if text[:offset].endswith("\n"):
        return offset
    found = text.find("\n", offset)
    return len(text) if found < 0 else found + 1


def _text(path: Path) -> str:
    try:
        if path.exists() and not path.is_file():
            raise OSError(f"{path} is not a file")
        return path.read_text(encoding="utf-8-sig") if path.exists() else ""
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read `{path}`", code="unreadable-file", help="check the file") from error


def _tree(text: str, path: Path) -> TreeMap:
    reporter = Reporter()
    file = SourceFile(str(path), text)
    tree = parse(file, reporter)
    if reporter.has_errors or not (tree is None or isinstance(tree, TreeMap)):
        problem = reporter.sorted()[0].message if reporter.has_errors else "it is not a mapping"
        raise UsageError(f"cannot read `{path}`: {problem}", code="unreadable-file", help="correct it by hand")
    return tree or TreeMap.empty(file)


def flow(options: Mapping[str, object]) -> str:
    """A mapping on one line of YAML."""
    return "{ " + ", ".join(f"{_scalar(key)}: {_value(value)}" for key, value in options.items()) + " }"


def _value(value: object) -> str:
    if isinstance(value, Mapping):
        return flow(value)
    if isinstance(value, list):
        return "[" + ", ".join(_value(item) for item in value) + "]"
    return _scalar(value) if isinstance(value, str) else json.dumps(value)


def _scalar(text: str) -> str:
    """A YAML scalar that reads back as this text: quoted unless it plainly needs no quotes."""
    return text if _PLAIN.match(text) and text.lower() not in _WORDS else json.dumps(text, ensure_ascii=False)


def _replace(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_whole(path, text, owner_only=True)
    except OSError as error:
        message = f"cannot write `{path}`: {error.strerror}"
        raise UsageError(message, code="unwritable-file", help="check the permissions of the folder") from error
