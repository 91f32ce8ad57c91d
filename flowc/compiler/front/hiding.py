"""Marks the secrets that stand in a file, so that no diagnostic ever shows them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from functools import cache
from itertools import chain
from typing import Any

from flowc.compiler.front.kinds import may_name_secret, public_names
from flowc.compiler.front.schemas import load
from flowc.compiler.front.signs import behind_sign, names_a_secret, secret_lines, spelled_values
from flowc.compiler.front.yamltree import Entry, Node, Scalar, Sequence, TreeMap, parse
from flowc.diagnostics import Reporter
from flowc.masking import Place, names_secret, places_in_prose, secret_places, written_out
from flowc.source import SourceFile

_SENT = {"alerts": ("url", "routing_key", "password", "headers"), "telemetry": ("headers",)}
"""What is sent to others, by the key of the project: which options are secrets, or hold them."""
_DATA = ("columns", "given", "rows", "expect", "aggregate", "ops", "sql", "before", "after")
"""Keys below which others are the names of columns."""
_PROSE = ("description", "sql", "before", "after")
_USER = re.compile(r"(?<![^\s'\"])[^\s/:@'\"]+:(?P<secret>[^\s/]\S*)@[^\s@]+")
_KIND = re.compile(r"[A-Za-z_ -]{0,24}")
"""What may be meant for the kind of something."""
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
_PROPERTIES = re.compile(r"(?<!\S)(?:[&!]\S*\s*)+\Z")
_GIVEN = re.compile(r"(?P<name>[\w.-]+)\\?['\"]?\s*[:=]\s*\\?['\"]?(?P<secret>[^\s'\",;}\\]{4,})")
_LINE = re.compile(r"[^\n]+")


def read_tree(file: SourceFile, reporter: Reporter) -> Node | None:
    """The tree of a file. Its secrets are hidden before anything is told of it."""
    told = Reporter()
    root = parse(file, told)
    hide_secrets(file, root)
    reporter.masker.remember_written(file.secrets)
    for each in told.found:
        reporter.add(each)
    return root


def hide_secrets(file: SourceFile, root: Node | None) -> None:
    """Hides what is a secret by its shape, and the values of secret options; by signs alone where there is no YAML."""
    text = file.text
    shaped = places_in_prose(text)
    named = [*_webhooks(text), *(_options(root) if root is not None else _unread(text))]
    file.hidden.extend(sorted(place for place in {*shaped, *named} if written_out(text[slice(*place)])))
    file.secrets.update(text[slice(*place)] for place in named if root is not None and written_out(text[slice(*place)]))
    file.secrets.update(text[slice(*place)] for place in shaped if _is_certain(text, place))
    if root is None:
        for place in named:
            file.secrets.update(spelled_values(text[slice(*place)]))
    file.secrets.difference_update([each for each in file.secrets if each in _words() or names_a_secret(each)])


def _is_certain(text: str, place: Place) -> bool:
    """Whether what has the shape of a secret is one: `token=upper(x)` outside quotes of a query is none."""
    start = text.rfind("\n", 0, place[0]) + 1
    before = text[start : place[0]]
    return not before.endswith("=") or before.count("'") % 2 == 1 or "://" in before or "?" in before


def _unread(text: str) -> Iterator[Place]:
    """What may be secrets in a file that is no YAML."""
    yield from secret_lines(text)
    for line in _LINE.finditer(text):
        yield from _within(text, line.span())
    yield from (login.span("secret") for login in _USER.finditer(text))
    for block in _BLOCK.finditer(text):
        yield from (each.span() for each in _VALUE.finditer(text, *block.span()) if each[0] not in _words())


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
            yield from _signed(entry.key)
            for meant in get_close_matches(entry.key.text.lower(), _SENT, 1):
                yield from _sent(entry.value, meant)
        elif entry.key.text != "environments" and _named_in(root):
            yield from _elsewhere(entry.value, entry.key.text)


def _named_in(root: Node) -> bool:
    """Whether a file has anything that may name a secret."""
    text = root.span.file.text.lower()
    return any(word in text for word in ("pas", "pwd", "pw", "secret", "token", "key", "credential", "auth"))


def _elsewhere(node: Node, key: str) -> Iterator[Place]:
    """What is a secret by the name of its key where columns, rows and queries are described."""
    if isinstance(node, Sequence):
        for item in node.items:
            yield from _elsewhere(item, key)
    elif isinstance(node, TreeMap):
        for entry in _entries(node) if key not in _DATA else ():
            yield from _elsewhere(entry.value, entry.key.text)
            if entry.value.span.start == entry.value.span.end:
                yield from _signed(entry.key)
    elif names_secret(key) and not isinstance(node.value, bool | None):
        yield _hidden(node)
    elif key not in _DATA and not any(map(str.isspace, node.text)):
        yield from _signed(node)


def _signed(scalar: Scalar) -> Iterator[Place]:
    """What stands behind a sign in a text where a key and its value belong."""
    text, start, end = scalar.span.file.text, scalar.span.start, scalar.span.end
    if (found := behind_sign(text[start:end], loose=True)) is not None and found < end - start:
        scalar.span.file.secrets.update(spelled_values(scalar.text[behind_sign(scalar.text, loose=True) :]))
        scalar.span.file.secrets.update(spelled_values(text[start + found : end]))
        yield start + found, end


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
            else:
                yield from (place for each in _scalars(option.value) for place in _given(each))


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


def _given(scalar: Scalar) -> Iterator[Place]:
    """What a text gives to the name of a secret: `"token": "x"` in the body of an alert."""
    text = scalar.span.file.text
    for given in _GIVEN.finditer(text, scalar.span.start, scalar.span.end):
        if names_a_secret(given["name"]) and "{{" not in given["secret"]:
            yield given.span("secret")


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
    """Where a value is written, with its tag and its anchor, which may be what was meant for it."""
    file, start = scalar.span.file, scalar.span.start
    file.secrets.update({scalar.text} if written_out(scalar.text) else ())
    if found := _PROPERTIES.search(file.text, file.text.rfind("\n", 0, start) + 1, start):
        start = found.start()
        file.secrets.update(spelled_values(found[0]))
    return start, scalar.span.end


def _below(node: Node, key: str, *, secret: bool = False) -> Iterator[Place]:
    """Secrets in what is a connection, or may be one."""
    secret = secret or may_name_secret(key) or (names_a_secret(key) and key not in public_names())
    if isinstance(node, Sequence):
        for item in node.items:
            yield from _below(item, key, secret=secret)
    elif isinstance(node, TreeMap):
        for entry in _entries(node):
            name = "" if key == "connections" and _has_kind(entry.value) else entry.key.text
            yield from _below(entry.value, name, secret=secret)
            yield from [_hidden(entry.key)] if secret and entry.key.text not in _words() else _signed(entry.key)
    elif secret:
        yield _hidden(node)
    else:
        yield from _in_value(node, key)


def _has_kind(node: Node) -> bool:
    """Whether this is a connection: its name may be any word, as `auth` and `token` are."""
    return isinstance(node, TreeMap) and "kind" in node.entries


def _in_value(node: Scalar, key: str) -> Iterator[Place]:
    """Secrets in an option that is none itself: an address, `name=value`, another key in the wrong place."""
    text, start, end = node.span.file.text, node.span.start, node.span.end
    quoted = node.style in ("'", '"')
    found = [*_within(text, (start + quoted, end - quoted))]
    yield from found
    written = (node.text[slice(*place)] for place in secret_places(node.text))
    node.span.file.secrets.update(filter(written_out, written))
    if login := _USER.fullmatch(node.text):
        node.span.file.secrets.add(login["secret"])
        yield text.find(login["secret"], start, end), end
    if not found and key not in _PROSE:
        yield from _signed(node)
    if key == "kind" and not _KIND.fullmatch(node.text):
        yield _hidden(node)
