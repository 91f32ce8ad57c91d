"""Secrets that are known: every spelling that an output may give them, masked."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from html import escape
from urllib.parse import quote, quote_plus, unquote, unquote_plus

from flowc.controls import json_text
from flowc.masking import MASK, SHORT, Place, mask_prose, secret_places, without

_LONG = 8
"""A piece of a secret that is a plain word or number is masked from this length on: a shorter one is likely a word."""
_MANY = 200
"""So many spellings are looked up by their beginnings, instead of each in the text."""
_JSON_TEXT = re.compile(r'(?P<text>"(?:[^"\\]|\\.)*")(?P<key>\s*:)?')


def redact(text: str, secrets: Iterable[str]) -> str:
    """The text with every secret masked, the longest first. One of few characters would mask words that hold it."""
    for secret in sorted(secrets, key=len, reverse=True):
        if len(secret) >= SHORT:
            text = text.replace(secret, MASK)
    return text


@dataclass
class Masker:
    """Remembers what must not be shown, and masks it in every spelling that an output may give it."""

    _spelled: set[str] = field(default_factory=set, repr=False)
    _cores: set[str] = field(default_factory=set, repr=False)
    """The spellings of passwords and keys themselves, of which no piece may be shown either."""
    _heads: set[str] = field(default_factory=set, repr=False)
    """How the least pieces of them are spelled."""
    _beginnings: dict[str, set[str]] = field(default_factory=dict, repr=False)
    """The spellings by their first characters."""

    def remember(self, value: str) -> None:
        """Has a value masked from now on, and the secrets in it where it is an address."""
        if len(value) >= SHORT:
            self._learn(_spellings(value))
        for start, end in secret_places(value):
            self.remember_secret(value[start:end])

    def remember_written(self, secrets: Iterable[str]) -> None:
        """Has secrets masked that stand in specs; what is part of one may be another word there."""
        for secret in secrets:
            self._learn(_spellings(secret) if len(secret) >= SHORT else ())

    def remember_secret(self, secret: str) -> None:
        """Has a password or a key masked, its lines and, in what went wrong, its pieces; not one of few characters."""
        lines = (line for line in secret.splitlines() if len(line) >= SHORT)  # others tell nothing, as that of a `{`
        for part in {secret, *lines} if len(secret) >= SHORT else ():
            self._cores |= _spellings(part)
        self._learn(self._cores)
        self._heads |= {core[i : i + SHORT] for core in self._cores for i in range(len(core) - SHORT + 1)}

    def redact(self, text: str, *, pieces: bool = False) -> str:
        """The text without what is remembered.

        `pieces` for what others say: who may have cut a secret up, and may say one that nobody remembers.
        """
        masked = self._masked(text, pieces)
        if masked == text or not _is_json(text):
            return masked
        # A secret of digits or a common word breaks no number and no key.
        made = _JSON_TEXT.sub(lambda match: match[0] if match["key"] else self._within(match[0], pieces), text)
        shaped = mask_prose(made) if pieces else made
        return shaped if _is_json(shaped) else made

    def _within(self, written: str, pieces: bool) -> str:
        text = json.loads(written)
        masked = self._masked(text, pieces)
        return written if masked == text else json_text(masked)

    def _masked(self, text: str, pieces: bool) -> str:
        text = redact(text, self._possible(text))
        return mask_prose(without(text, self._pieces(text))) if pieces else text

    def _possible(self, text: str) -> Iterable[str]:
        """What may occur in a text: of many, those of which a beginning does."""
        if len(self._spelled) < _MANY:
            return tuple(self._spelled)  # others may remember more meanwhile
        found = {text[at : at + SHORT] for at in range(len(text) - SHORT + 1)}
        heads = (self._beginnings[head] for head in found if head in self._beginnings)
        return [each for head in heads for each in tuple(head)]

    def _learn(self, spelled: Iterable[str]) -> None:
        for each in spelled:
            if each not in self._spelled:
                self._beginnings.setdefault(each[:SHORT], set()).add(each)
                self._spelled.add(each)

    def _pieces(self, text: str) -> Iterator[Place]:
        """Where pieces of secrets stand that tell something of them."""
        at, last = 0, len(text) - SHORT if self._heads else -1
        while at <= last:
            end = at + SHORT
            if text[at:end] in self._heads:
                end = self._end(text, at, end)
                if _tells(text[at:end]):
                    yield at, end
                    at = end
                    continue
            at += 1

    def _end(self, text: str, at: int, end: int) -> int:
        """Where the longest piece ends that begins there."""
        cores = tuple(self._cores)  # others may remember more meanwhile
        while end < len(text) and any(text[at : end + 1] in core for core in cores):
            end += 1
        return end


def _is_json(text: str) -> bool:
    if text.lstrip()[:1] not in ("{", "["):
        return False
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def _spellings(secret: str) -> set[str]:
    """The secret as outputs write it, also one inside of another."""
    found = {secret, unquote(secret), unquote_plus(secret)}
    for _ in range(2):
        found |= {spelled for each in found for spelled in _encoded(each)}
    return {spelled for spelled in found if len(spelled) >= SHORT and not spelled.isspace()}


def _encoded(text: str) -> Iterator[str]:
    yield from (quote(text, safe=""), quote(text), quote_plus(text))
    yield from (json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1], json_text(text)[1:-1])
    yield repr(text)[1:-1]
    yield from (escape(text), text.replace("'", "''"), text.replace("\\", "\\\\"))
    line = text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    yield from (line, line.replace(":", "%3A").replace(",", "%2C"))


def _tells(piece: str) -> bool:
    if len(piece) >= _LONG:
        return any(map(str.isalnum, piece))
    return not piece.isalpha() and not piece.isdigit() and any(map(str.isalnum, piece))
