"""Secrets in texts that nobody told of: where they stand, by the shape of what is around them or by their own."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from urllib.parse import unquote

MASK = "***"
REFERENCE = re.compile(r"\$\{([^{}]*)\}")
Place = tuple[int, int]
SHORT = 4
"""Shorter secrets are masked only where they stand, as other words hold them too."""
_WORD = (
    r"password|passwd|passwort|pwd|passphrase|secret|token|"
    r"(?:secret|access|account|api|shared|private)[ _.-]?(?:access[_.-]?)?key|"
    r"signature|cred(?:s|entials?)|jaas\.config|oauthbearer\.config|key\.pem|auth\.user\.info"
)
_NAME = re.compile(rf"(?:{_WORD}|(?:^|[._-])(?:sig|pw|pass|auth))$", re.IGNORECASE)
_HEAD = re.compile(r"(?::|/(?=/))/++(?:\$\{[^{}]*\}|[^\s/?#:'\"`])*+:")
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


_DEFAULT = re.compile(r"\$\{[^{}:]*:?[^{}:]*:[-=+?](?P<secret>[^{}]+)")
_STRANGE = re.compile(
    r"\$\{(?P<secret>(?:(?!env:|file:|vault:|aws:|gcp:)[A-Za-z]*(?=[A-Za-z]*[a-z])(?=[A-Za-z]*\d)[A-Za-z\d]+"
    r"|[^{}:]*[^{}:\w][^{}:]*))\}"
)
"""What stands as a reference and names no variable: it has letters and digits mixed, or other characters."""
_ASSIGNED = re.compile(
    rf"(?<![\w.-])[\w.-]*(?:{_WORD}|(?<![A-Za-z])(?:pw|pass))="
    r"(?:'(?P<single>[^'\n]+)|\"(?P<double>[^\"\n]+)|(?P<bare>(?:\$\{[^{}]*\}|[^\s'\"`;,&)(]|[;,&)(](?![\w.]*=|[\s'\"`]|$))+))",
    re.IGNORECASE,
)
_STATED = re.compile(
    r"(?:\b(?:SECRET|PASSWORD|TOKEN|SESSION_TOKEN|IDENTIFIED\s+BY)\s+|"
    rf"(?:^|[;\"|>])\s*SET\s+(?:\w+\s+)?[\w.]*(?:{_WORD})\s*=\s*)'(?P<secret>[^'\n]+)",
    re.IGNORECASE | re.MULTILINE,
)
"""In statements: `CREATE SECRET … (SECRET '…')`, `IDENTIFIED BY '…'`, `SET …_token = '…'`."""
_OPAQUE = re.compile(r"(?<![\w.+-])[a-z][a-z0-9+.-]*:[^\s/:@'\"`{}]+:(?P<secret>[^\s'\"`]+)@[\w.\[]", re.IGNORECASE)
_AUTHORIZED = re.compile(
    r"(?:authorization['\"]?\s*[:=]\s*['\"]?(?:(?:basic|bearer|token|apikey|digest)\s+)?|\bbearer\s+(?=\S*[\d._=-]))"
    r"(?P<secret>[^\s'\",;{}\[\]]+)",
    re.IGNORECASE,
)
_OWN = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)"
    r"|\b(?:AKIA|ASIA)[A-Z0-9]{16}\b|\bgh[opsur]_\w{20,}|\bxox[abeprs]-[\w-]{10,}|\bglpat-[\w-]{20,}"
    r"|\beyJ[\w-]{8,}\.[\w-]{8,}(?:\.[\w-]*)?|\bAIza[\w-]{35}|\b[rs]k_live_\w{16,}"
)
"""Secrets that are known by themselves: private keys, keys of AWS and of Google, tokens of code hosts, JWTs."""
_SIGNS: tuple[tuple[re.Pattern[str], tuple[str, ...]], ...] = (
    (_ASSIGNED, ("pass", "pwd=", "pw=", "secret", "token=", "key=", "signature=", "cred", "config=", "pem=")),
    (_STATED, ("secret", "password", "token", "identified", "_key", "pwd", "pass")),
    (_OPAQUE, ("@",)),
    (_DEFAULT, ("${",)),
    (_STRANGE, ("${",)),
    (_AUTHORIZED, ("authorization", "bearer")),
    (
        _OWN,
        (
            "private key",
            "akia",
            "asia",
            "gho_",
            "ghp_",
            "ghs_",
            "ghu_",
            "ghr_",
            "xox",
            "glpat-",
            "eyj",
            "aiza",
            "k_live_",
        ),
    ),
)
"""Shapes, each with words of which a text holds one at least that has it."""


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
    before = without(text[:start], (each for each in places if each[1] <= start))
    after = without(text, ((0, end), *places)).removeprefix(MASK).replace(f"{MASK}@", "")
    return "@" not in text[start:end] + after and _PARAMETER.search(before + text[start:end]) is None


def written_out(secret: str) -> bool:
    """Whether this is more than `${…}` references to what may be shown."""
    return bool(REFERENCE.sub("", secret)) or _DEFAULT.search(secret) is not None or _STRANGE.search(secret) is not None


def is_password(secret: str) -> bool:
    """Whether what stands before the last `@` is no port and more behind it: `://host:5432/db?options=a@b`."""
    return _PORT.match(secret) is None


def mask_address(text: str) -> str:
    """An address with its secrets masked; references stay as they are."""
    return without(text, ((start, end) for start, end in secret_places(text) if written_out(text[start:end])))


def places_in_prose(text: str) -> list[Place]:
    """Where secrets stand in a text by their shape: in addresses without spaces, as `password=…`, as keys."""
    found = [*(_passwords(text) if "@" in text else ()), *_parameters(text), *_shaped(text)]
    return sorted(place for place in found if written_out(text[slice(*place)]))


def _shaped(text: str) -> Iterator[Place]:
    lower = text.lower()
    for pattern, words in _SIGNS:
        for match in pattern.finditer(text) if any(word in lower for word in words) else ():
            group = match.lastgroup or 0
            if pattern is not _ASSIGNED or match.end(group) - match.start(group) >= SHORT:
                yield match.span(group)


def _parameters(text: str) -> Iterator[Place]:
    """Those named by a parameter: `md:orders?motherduck_token=…`."""
    for match in _NAMED.finditer(text):
        if len(match["secret"]) >= SHORT and names_secret(unquote(match["name"])):
            yield match.span("secret")


def _passwords(text: str) -> Iterator[Place]:
    """Each up to the last `@` of its word: all that is between may be of the password."""
    end = 0
    for head in _HEAD.finditer(text):
        if head.end() > end and (match := _WORD_END.search(text, head.end())) is not None:
            end = match.start()
            if (at := text.rfind("@", head.end(), end)) > head.end():
                yield head.end(), at


def mask_prose(text: str) -> str:
    """Prose with the secrets masked that their shape tells."""
    return without(text, places_in_prose(text))


def without(text: str, places: Iterable[Place]) -> str:
    """The text with what stands at these places, in their order, masked."""
    parts, at = [], 0
    for start, end in places:
        if end > at:
            parts.append(text[at : max(start, at)] + MASK)
            at = end
    return "".join(parts) + text[at:]
