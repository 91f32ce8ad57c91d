"""Marks the secrets that stand in a file, so that no diagnostic ever shows them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from functools import cache
from itertools import chain
from typing import Any

from flowc.compiler.front.kinds import may_name_secret, secret_names
from flowc.compiler.front.schemas import load
from flowc.compiler.front.yamltree import Entry, Node, Scalar, Sequence, TreeMap
from flowc.masking import Place, places_in_prose, secret_places, written_out
from flowc.source import SourceFile

_SENT = {"alerts": ("url", "routing_key", "password", "headers"), "telemetry": ("headers",)}
"""What is sent to others, by the key of the project: which options are secrets, or hold them."""
_HEADERS = ("routing_key", "authorization", "x-api-key", "cookie")
_SHAPES = {"alerts": ("alert",), "telemetry": ("metrics_sink", "traces_sink")}
_ADDRESS = re.compile(r"(?<![\w+.-])[\w+.-]++://(?:\$\{[^{}]*\}|[^\s'\"`,}\])])+")
_LOGIN = re.compile(r":\S*@")
_WEB = re.compile(r"https?://", re.IGNORECASE)
_HEADER = re.compile(r"[A-Za-z]+(-[A-Za-z]+)*")
"""The name of a header that is a word, and no secret that stands in its place."""
_BLOCK = re.compile(r"^[ \t]*['\"]?(?:alerts|telemetry)['\"]?[ \t]*:.*(?:\n(?:[ \t#].*)?(?=\n|$))*", re.MULTILINE)
"""What is sent to others in a file that is no YAML: a line, and those behind it that are indented."""
_VALUE = re.compile(r"(?<![^\s,{}\[\]'\"])[^\s,{}\[\]'\"]{4,}(?<!:)(?!['\"]?\s*:(?:\s|$))(?![^\s,{}\[\]'\"])")
"""A word in it that is no key."""
_LINE = re.compile(r"[^\n]+")


def hide_secrets(file: SourceFile, root: Node | None) -> None:
    """Hides passwords in URLs, and the values of secret options; by their names alone in a file that is no YAML."""
    found = {*places_in_prose(file.text), *_webhooks(file.text)}
    if root is None:
        names = "|".join(map(re.escape, sorted({*secret_names(), *_HEADERS})))
        pattern = re.compile(rf"(?:{names})['\"]?\s*:\s*(?P<secret>[^\s,}}][^,}}\n]*)")
        found |= {match.span("secret") for match in pattern.finditer(file.text)}
        lines = (match.span() for match in _LINE.finditer(file.text))
        found |= {place for line in lines for place in _within(file.text, line)}
        found |= {
            value.span()
            for block in _BLOCK.finditer(file.text)
            for value in _VALUE.finditer(file.text, *block.span())
            if value[0] not in _words()
        }
    else:
        found |= set(_options(root))
    file.hidden.extend(sorted(place for place in found if written_out(file.text[slice(*place)])))
    file.secrets.update(file.text[slice(*place)] for place in file.hidden)


def _webhooks(text: str) -> Iterator[Place]:
    """Addresses by which whoever knows them may write somewhere: `https://hooks.slack.com/…`."""
    yield from (match.span() for match in _ADDRESS.finditer(text) if "hook" in match[0].lower())


def _within(text: str, part: Place) -> Iterator[Place]:
    """The places of secrets in a part of the text."""
    start, end = part
    yield from ((start + first, start + last) for first, last in secret_places(text[start:end]))


def _options(root: Node) -> Iterator[Place]:
    """The places of secret options below every key that may hold some, and below what may be a misspelled one."""
    if not isinstance(root, TreeMap):
        yield from _below(root, "")
        return
    holders = [root]
    for entry in _entries(root):
        if entry.key.text == "environments" and isinstance(entry.value, TreeMap):
            holders += [each.value for each in _entries(entry.value) if isinstance(each.value, TreeMap)]
    others = load("project.json")["properties"].keys() - {"connections", "alerts", "telemetry"}
    for entry in (entry for holder in holders for entry in _entries(holder)):
        if entry.key.text not in others:
            yield from _below(entry.value, entry.key.text)
            for meant in get_close_matches(entry.key.text.lower(), _SENT, 1):
                yield from _sent(entry.value, meant)


def _entries(node: TreeMap) -> tuple[Entry, ...]:
    """Those that count for nothing too: a diagnostic shows them."""
    return (*node.entries.values(), *node.dropped)


def _sent(node: Node, key: str) -> Iterator[Place]:
    """Keys, headers and addresses, which tell who may write there; everything, where the shape is another one.

    What has no meaning may be one of these, under a name that somebody took for it.
    """
    if not isinstance(node, TreeMap):
        yield from _all(node)
        return
    for entry in _entries(node):
        yield from _addresses(entry.key)
        if (key, entry.key.text) == ("telemetry", "resource") and isinstance(entry.value, TreeMap):
            yield from _addresses(entry.value)
            continue
        for option in _entries(entry.value) if isinstance(entry.value, TreeMap) else (entry,):
            if option is entry or option.key.text in _SENT[key] or option.key.text not in _known(key):
                yield from _all(option.value)
                yield from _names(option.value)
            elif option.key.text == "endpoint":
                yield from (_hidden(each) for each in _scalars(option.value) if not _WEB.match(each.text))
            elif option.key.text != "body":  # a text in which an address of mail may stand
                yield from _addresses(option.value)


@cache
def _shapes(key: str) -> tuple[Mapping[str, Any], ...]:
    """What may be sent, by its kinds: the options that each has."""
    defs = load("project.json")["$defs"]
    return tuple(shape["properties"] for name in _SHAPES[key] for shape in defs[name]["oneOf"])


@cache
def _known(key: str) -> frozenset[str]:
    """All of these options."""
    return frozenset(chain(*_shapes(key)))


@cache
def _words() -> frozenset[str]:
    """Words that are no secrets, wherever they stand: options, and kinds."""
    kinds = (shape["kind"]["const"] for key in _SENT for shape in _shapes(key))
    return frozenset(kinds).union(*map(_known, _SENT))


def _names(node: Node) -> Iterator[Place]:
    """The keys of a mapping that are no names of headers."""
    if isinstance(node, TreeMap):
        yield from (_hidden(entry.key) for entry in _entries(node) if _HEADER.fullmatch(entry.key.text) is None)


def _scalars(node: Node) -> Iterator[Scalar]:
    """The values in lists and mappings, and what may be one by mistake: `headers: [a: SECRET]`."""
    if isinstance(node, Sequence):
        for item in node.items:
            yield from _scalars(item)
    elif isinstance(node, TreeMap):
        for entry in _entries(node):
            yield from _scalars(entry.value)
    else:
        yield node


def _all(node: Node) -> Iterator[Place]:
    """Every value."""
    for scalar in _scalars(node):
        if scalar.text not in _words():
            yield _hidden(scalar)


def _addresses(node: Node) -> Iterator[Place]:
    """The addresses that stand where none belongs, and those with a password."""
    for scalar in _scalars(node):
        if any(_webhooks(scalar.text)) or _LOGIN.search(scalar.text):
            yield _hidden(scalar)


def _hidden(scalar: Scalar) -> Place:
    scalar.span.file.secrets.update({scalar.text} if written_out(scalar.text) else ())
    return scalar.span.start, scalar.span.end


def _below(node: Node, key: str) -> Iterator[Place]:
    if isinstance(node, Sequence):
        for item in node.items:
            yield from _below(item, key)
    elif isinstance(node, TreeMap):
        for entry in _entries(node):
            yield from _below(entry.value, entry.key.text)
    elif isinstance(node, Scalar):
        text, start, end = node.span.file.text, node.span.start, node.span.end
        if may_name_secret(key):
            yield _hidden(node)
        quoted = node.style in ("'", '"')
        yield from _within(text, (start + quoted, end - quoted))
        written = (node.text[slice(*place)] for place in secret_places(node.text))
        node.span.file.secrets.update(filter(written_out, written))
