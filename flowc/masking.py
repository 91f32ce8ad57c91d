"""Secrets in texts: where they stand in an address, how outputs may spell them, and how they are kept out of sight."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from html import escape
from urllib.parse import quote, quote_plus, unquote, unquote_plus

from flowc.controls import json_text

MASK = "***"
REFERENCE = re.compile(r"\$\{([^{}]*)\}")
Place = tuple[int, int]
_SHORT = 4
"""Shorter secrets are masked only where they stand alone, so that text stays readable."""
_LONG = 8
"""A piece of a secret that is a plain word or number is masked from this length on: a shorter one is likely a word."""
_NAME = re.compile(
    r"(?:password|passwd|pwd|passphrase|secret|token|(?:secret|access|account|api|shared)[_.-]?(?:access[_.-]?)?key|"
    r"signature|credentials?|jaas\.config|oauthbearer\.config|key\.pem|(?:^|[._-])sig)$",
    re.IGNORECASE,
)
_HEAD = re.compile(r":/++(?:\$\{[^{}]*\}|[^\s/?#:'\"`])*+:")
"""An address up to its password. Possessive, as a text without an end may begin as many addresses as it has letters."""
_WORD_END = re.compile(r"[\s'\"`]|$")
_QUERY = re.compile(r"[?&;](?P<name>[\w.%-]+)=(?P<secret>.*?)(?=&[\w.%-]+=|$)", re.DOTALL)
_WORDS = re.compile(
    r"(?:^|(?<=\s))(?P<name>[\w.-]+)\s*=\s*"
    r"(?:(?:'(?P<single>(?:[^'\\]|\\.)*)'|\"(?P<double>(?:[^\"\\]|\\.)*)\")(?=[\s;]|$)|(?P<bare>.+?)(?=(?<!\s)\s++[\w.-]++\s*+=|$))",
    re.DOTALL,
)
_NAMED = re.compile(r"[?&](?P<name>[\w.%-]+)=(?P<secret>(?:\$\{[^{}]*\}|[^\s'\"`&,;)])+)")
_PARAMETER = re.compile(r"[?&;=]")
_PORT = re.compile(r"\d+(?:[/?#,]|$)")
_JSON_TEXT = re.compile(r'(?P<text>"(?:[^"\\]|\\.)*")(?P<key>\s*:)?')


def names_secret(name: str) -> bool:
    """Whether an option is secret by its name alone, as `sasl.password` and `motherduck_token` are."""
    return _NAME.search(name) is not None


def secret_places(text: str) -> list[Place]:
    """Where an address or a list of `name=value` holds secrets: `://user:…@`, `?sslpassword=…`, `password='…'`.

    A password may hold what an address is made of, so the last `@` ends it: rather too much is found than a piece less.
    """
    head = _HEAD.search(text)
    found = {(head.end(), text.rfind("@"))} if head else set()
    for pattern in (_QUERY, _WORDS):
        named = (match for match in pattern.finditer(text) if names_secret(unquote(match["name"])))
        found |= {match.span(match.lastgroup or 0) for match in named}
    return sorted((start, end) for start, end in found if end > start)


def public_in_address(text: str, place: Place) -> bool:
    """Whether what stands there is known to be no secret: a host, a path, or a user before a password.

    A value before an `@` without a password may be a token, and one behind `?` or `name=` may be anything.
    """
    start, end = place
    places = secret_places(text)
    if any(low < end and start < high for low, high in places):
        return False
    before = _without(text[:start], (each for each in places if each[1] <= start))
    after = _without(text, ((0, end), *places)).removeprefix(MASK).replace(f"{MASK}@", "")
    return "@" not in text[start:end] + after and _PARAMETER.search(before + text[start:end]) is None


def written_out(secret: str) -> bool:
    """Whether this is more than `${…}` references."""
    return bool(REFERENCE.sub("", secret))


def is_password(secret: str) -> bool:
    """Whether what stands before the last `@` is no port and more behind it: `://host:5432/db?options=a@b`."""
    return _PORT.match(secret) is None


def mask_address(text: str) -> str:
    """An address with its secrets masked; references stay as they are."""
    return _without(text, ((start, end) for start, end in secret_places(text) if written_out(text[start:end])))


def places_in_prose(text: str) -> list[Place]:
    """Where secrets stand in the addresses that occur in a text, each of them without spaces and quotes."""
    found = [*(_passwords(text) if "@" in text else ()), *_parameters(text)]
    return sorted(place for place in found if written_out(text[slice(*place)]))


def _parameters(text: str) -> Iterator[Place]:
    """Those named by a parameter: `md:orders?motherduck_token=…`."""
    for match in _NAMED.finditer(text):
        if len(match["secret"]) >= _SHORT and names_secret(unquote(match["name"])):
            yield match.span("secret")


def _passwords(text: str) -> Iterator[Place]:
    """Each up to the last `@` of its word: all that is between may be of the password."""
    end = 0
    for head in _HEAD.finditer(text):
        if head.end() > end and (match := _WORD_END.search(text, head.end())) is not None:
            end = match.start()
            if (at := text.rfind("@", head.end(), end)) > head.end():
                yield head.end(), at


def mask_addresses(text: str) -> str:
    """Prose with the secrets masked of the addresses in it."""
    return _without(text, places_in_prose(text))


def _without(text: str, places: Iterable[Place]) -> str:
    parts, at = [], 0
    for start, end in places:
        if end > at:
            parts.append(text[at : max(start, at)] + MASK)
            at = end
    return "".join(parts) + text[at:]


def redact(text: str, secrets: Iterable[str]) -> str:
    """The text with every secret masked, the longest first."""
    for secret in sorted((s for s in secrets if s), key=len, reverse=True):
        if len(secret) >= _SHORT:
            text = text.replace(secret, MASK)
        else:
            text = re.sub(rf"(?<!\w){re.escape(secret)}(?!\w)", MASK, text)
    return text


@dataclass
class Masker:
    """Remembers what must not be shown, and masks it in every spelling that an output may give it."""

    _spelled: set[str] = field(default_factory=set, repr=False)
    _cores: set[str] = field(default_factory=set, repr=False)
    """The spellings of passwords and keys themselves, of which no piece may be shown either."""
    _heads: set[str] = field(default_factory=set, repr=False)
    """How the least pieces of them are spelled."""

    def remember(self, value: str) -> None:
        """Has a value masked from now on, and the secrets in it where it is an address."""
        self._spelled |= _spellings(value)
        for start, end in secret_places(value):
            self.remember_secret(value[start:end])

    def remember_secret(self, secret: str) -> None:
        """Has a password or a key masked, its lines and, in what went wrong, its pieces."""
        lines = (line for line in secret.splitlines() if len(line) >= _SHORT)  # others tell nothing, as that of a `{`
        for part in {secret, *lines}:
            self._cores |= _spellings(part)
        self._spelled |= self._cores
        self._heads |= {core[i : i + _SHORT] for core in self._cores for i in range(len(core) - _SHORT + 1)}

    def redact(self, text: str, *, pieces: bool = False) -> str:
        """The text without what is remembered; `pieces` for what others say, who may have cut a secret up."""
        masked = self._masked(text, pieces)
        if masked != text and _is_json(text):  # a secret of digits or a common word breaks no number and no key
            return _JSON_TEXT.sub(lambda match: match[0] if match["key"] else self._within(match[0], pieces), text)
        return masked

    def _within(self, written: str, pieces: bool) -> str:
        text = json.loads(written)
        masked = self._masked(text, pieces)
        return written if masked == text else json_text(masked)

    def _masked(self, text: str, pieces: bool) -> str:
        text = redact(text, tuple(self._spelled))  # others may remember more meanwhile
        return _without(text, self._pieces(text)) if pieces else text

    def _pieces(self, text: str) -> Iterator[Place]:
        """Where pieces of secrets stand that tell something of them."""
        at, last = 0, len(text) - _SHORT if self._heads else -1
        while at <= last:
            end = at + _SHORT
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
    least = min(len(secret), _SHORT)
    return {spelled for spelled in found if len(spelled) >= least and not spelled.isspace()} - {""}


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
