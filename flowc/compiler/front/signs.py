"""Signs of secrets in text that is no sound YAML: `password:"x"`, `sasl.password = x`, a line that ends nowhere."""

from __future__ import annotations

import re
from collections.abc import Iterator

from flowc.compiler.front.schemas import load
from flowc.masking import Place

_WORDS = (
    r"pas{1,2}w?o?r?d|passwd|passwort|pwd|passphrase|secret|token|cred(?:s|entials?)|signature|jaas\.config|bearer\.config|"
    r"key\.pem|auth\.user\.info|(?:secret|access|account|api|shared|private)[ _.-]?(?:access[_.-]?)?key|routing_key|"
    r"authorization|x-api-key|cookie|(?<![A-Za-z])(?:sig|pw|pass|auth)"
)
_NAME = rf"(?<![A-Za-z0-9])[\w.-]*(?:{_WORDS})(?![\w.-])['\"]?"
_SIGN = re.compile(rf"{_NAME}\s*[:=;]+", re.IGNORECASE)
_LOOSE = re.compile(rf"{_NAME}(?:\s*[:=;]+|(?=\s+\S)|\s*$)", re.IGNORECASE)
"""The same, also without what belongs behind a key."""
_ONLY = re.compile(rf"(?:{_NAME})", re.IGNORECASE)
_TOP = re.compile(r"['\"]?(\w+)['\"]?\s*:")
_OPEN = re.compile(r"\s*(?:[|>&!][^\s]*\s*)*(?:#.*)?")
"""What stands behind a key whose value is in other lines."""
_AROUND = " \t\r\n'\"{}[],|>&!`@%*:;="
_WORD = re.compile(r"[A-Za-z_]{0,7}|\d{0,7}|\$\{.*|.{0,3}")
"""What is too often a word of its own to be masked elsewhere."""
_COMMENT = re.compile(r"\s#.*")
_COMMON = re.compile(
    r"(?:text|string|varchar|char|(?:big|small|tiny)?int(?:eger)?|bool(?:ean)?|bytea|uuid|json|timestamp(?:tz)?|date|true|"
    r"false|null|none|(?:not )?null|numeric|decimal|double|float|md5|sha256|hash)\b.*",
    re.IGNORECASE,
)
"""What stands behind the name of a column."""


def names_a_secret(key: str) -> bool:
    """Whether a key is the name of a secret, perhaps with a typing error."""
    return _ONLY.fullmatch(key.strip(" :")) is not None


def behind_sign(text: str, *, loose: bool = False) -> int | None:
    """Where a secret begins, behind the first sign of one; `loose` for a text that may be a key and its value."""
    found = _LOOSE.search(text) if loose else _SIGN.search(text)
    return found.end() if found else None


def spelled_values(written: str) -> set[str]:
    """What may be the secret in what is written behind a sign, without what YAML writes around it."""
    whole = _COMMENT.sub("", written).strip(_AROUND)
    found = {whole, written.strip(_AROUND), written.strip()}
    if words := whole.split():
        found |= {words[0].strip(_AROUND), words[-1].strip(_AROUND)}
    found |= {part for each in tuple(found) for part in (each.rstrip("}]"), each.partition("#")[0].strip(_AROUND))}
    return {each for each in found if not _WORD.fullmatch(each) and not _COMMON.fullmatch(each)}


def secret_lines(text: str) -> Iterator[Place]:
    """In a file that is no YAML: each line from the first sign on, and what belongs to it in lines below.

    Where data and queries are described, `token` is a column as long as nothing is given to it.
    """
    below, loose, start = -1, True, 0
    sound = load("project.json")["properties"].keys() - {"connections", "alerts", "telemetry", "environments"}
    for line in text.splitlines(keepends=True):
        content, at, start = line.rstrip("\r\n"), start, start + len(line)
        if top := _TOP.match(content):
            loose = top[1] not in sound
        indent = len(content) - len(content.lstrip())
        if content.strip() and (indent > below >= 0 or below == _NEXT):
            yield at + indent, at + len(content)
            below = indent if below == _NEXT else below
        elif content.strip():
            below = -1
            if (found := behind_sign(content, loose=loose)) is not None:
                yield at + found, at + len(content)
                below = _NEXT if _OPEN.fullmatch(content, found) else indent


_NEXT = 1_000_000
"""Instead of an indentation: the next line belongs to this one, however it is indented."""
