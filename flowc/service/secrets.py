"""Secrets: `${…}` references turned into values when something is opened, and kept out of everything that is shown.

    ${NAME} ${env:NAME}     a variable of the environment
    ${file:path}            the text of a file, without the line end
    ${vault:path#key}       HashiCorp Vault, KV version 1 or 2, through VAULT_ADDR and VAULT_TOKEN
    ${aws:id#key}           AWS Secrets Manager
    ${gcp:id}               Google Secret Manager

A value that was resolved is never part of a repr or of an error's text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

from flowc.compiler.front.references import REFERENCE
from flowc.errors import UsageError
from flowc.service.vaults import read_aws, read_gcp, read_vault

MASK = "***"
_SHORT = 4
"""Shorter secrets are masked only where they stand alone, so that text stays readable."""


@dataclass(frozen=True)
class Resolver:
    """Resolves references; remembers the values it gave out, so that they can be masked."""

    env: Mapping[str, str] = field(repr=False)
    root: Path
    _secrets: set[str] = field(default_factory=set, repr=False)

    def resolve(self, text: str) -> str:
        """The text with every reference replaced by its value. Raises FlowcError when one cannot be resolved."""
        found = REFERENCE.sub(lambda match: self._value(match[1]), text)
        if found != text:
            self.remember(found)
        return found

    def resolve_all(self, value: object) -> object:
        """The same for every text in lists and mappings."""
        if isinstance(value, str):
            return self.resolve(value)
        if isinstance(value, Mapping):
            return {key: self.resolve_all(item) for key, item in value.items()}
        return [self.resolve_all(item) for item in value] if isinstance(value, list) else value

    def remember(self, value: str) -> None:
        """Has a value, and the password in it when it is a URL, masked from now on."""
        self._secrets.add(value)
        self._secrets.update(_passwords(value))

    def redact(self, text: str) -> str:
        """The text with every value that was given out masked."""
        return redact(text, tuple(self._secrets))  # others may resolve more meanwhile

    def _value(self, reference: str) -> str:
        scheme, colon, rest = reference.partition(":")
        reader = _READERS.get(scheme) if colon else None
        if colon and reader is None:
            known = ", ".join(f"`${{{name}:…}}`" for name in _READERS)
            message = f"`${{{reference}}}` is no known kind of reference"
            raise UsageError(message, code="unknown-reference", help=f"use `${{NAME}}` or one of {known}")
        value = reader(self, rest) if reader else _variable(self, reference)
        self.remember(value)
        return value


def redact(text: str, secrets: Iterable[str]) -> str:
    """The text with every secret masked, the longest first."""
    for secret in sorted((s for s in secrets if s), key=len, reverse=True):
        if len(secret) >= _SHORT:
            text = text.replace(secret, MASK)
        else:
            text = re.sub(rf"(?<!\w){re.escape(secret)}(?!\w)", MASK, text)
    return text


def redact_url(url: str) -> str:
    """A URL with its password masked; references stay as they are."""
    return re.sub(r"(://[^/@:]*:)(?!\$\{)[^/@]*@", rf"\g<1>{MASK}@", url)


def _passwords(value: str) -> set[str]:
    try:
        password = urlsplit(value).password if "://" in value else None
    except ValueError:
        return set()
    return {password, unquote(password)} if password else set()


def _variable(resolver: Resolver, name: str) -> str:
    value = resolver.env.get(name)
    if value is None:
        message = f"the variable `{name}` is not set"
        raise UsageError(message, code="unset-variable", help=f"set it: `export {name or 'NAME'}=…`")
    return value


def _file(resolver: Resolver, path: str) -> str:
    home = resolver.env.get("HOME", "~")
    place = resolver.root / re.sub(r"^~(?=/)", lambda _: home, path)
    try:
        return place.read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, ValueError) as error:
        reason = (getattr(error, "strerror", None) or "it is not text").lower()
        message = f"`${{file:{path}}}` cannot be read: {reason}"
        raise UsageError(message, code="unreadable-secret", help=f"create `{place}`, or correct the path") from None


def _vault(resolver: Resolver, reference: str) -> str:
    return read_vault(reference, resolver.env)


def _aws(_resolver: Resolver, reference: str) -> str:
    return read_aws(reference)


def _gcp(resolver: Resolver, reference: str) -> str:
    return read_gcp(reference, resolver.env)


_READERS: Mapping[str, Callable[[Resolver, str], str]] = {
    "env": _variable, "file": _file, "vault": _vault, "aws": _aws, "gcp": _gcp,
}  # fmt: skip
