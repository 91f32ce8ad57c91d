"""Marks the secrets that stand in a file, so that no diagnostic ever shows them with their line."""

from __future__ import annotations

import re
from collections.abc import Iterator

from flowc.compiler.front.kinds import may_name_secret, password_word, secret_names
from flowc.compiler.front.yamltree import Node, Scalar, Sequence, TreeMap
from flowc.source import SourceFile

_URL = re.compile(r"://[^\s/@:'\"]*:(?P<secret>(?!\$\{)[^\s/@'\"]+)@")


def hide_secrets(file: SourceFile, root: Node | None) -> None:
    """Hides passwords in URLs, and the values of secret options; by their names alone in a file that is no YAML."""
    found = {match.span("secret") for match in _URL.finditer(file.text)}
    if root is None:
        pattern = re.compile(rf"\b(?:{'|'.join(sorted(secret_names()))})['\"]?\s*:\s*(?P<secret>[^\s,}}][^,}}\n]*)")
        found |= {match.span("secret") for match in pattern.finditer(file.text)}
    else:
        found |= set(_options(root))
    file.hidden.extend(sorted(found))


def _options(root: Node) -> Iterator[tuple[int, int]]:
    """The places of secret options below every `connections`, whatever their kind."""
    if not isinstance(root, TreeMap):
        return
    environments = root.get("environments")
    holders = [root]
    if isinstance(environments, TreeMap):
        holders += [e.value for e in environments.entries.values() if isinstance(e.value, TreeMap)]
    for holder in holders:
        if connections := holder.get("connections"):
            yield from _below(connections)


def _below(node: Node) -> Iterator[tuple[int, int]]:
    if isinstance(node, Sequence):
        for item in node.items:
            yield from _below(item)
    elif isinstance(node, TreeMap):
        for key, entry in node.entries.items():
            value = entry.value
            if not isinstance(value, Scalar):
                yield from _below(value)
            elif may_name_secret(key) and "${" not in value.text:
                yield value.span.start, value.span.end
            elif found := password_word(value.span.file.text[value.span.start : value.span.end]):
                yield value.span.start + found[0], value.span.start + found[1]
