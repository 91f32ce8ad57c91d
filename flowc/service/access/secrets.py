"""Secrets: `${…}` references turned into values when something is opened, and kept out of everything that is shown.

    ${NAME} ${env:NAME}     a variable of the environment
    ${file:path}            the text of a file, without the line end
    ${vault:path#key}       HashiCorp Vault, KV version 1 or 2, through VAULT_ADDR and VAULT_TOKEN
    ${aws:id#key}           AWS Secrets Manager
    ${gcp:id}               Google Secret Manager
    ${NAME:…}               what an installed package resolves: its entry point `NAME` of the group `flowc.secrets`

A value that was resolved is never part of a repr, nor of an error's text unless its place is known to hold no secret.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from itertools import zip_longest
from pathlib import Path
from shlex import quote

from flowc.compiler.front.kinds import is_public
from flowc.compiler.front.references import own_schemes, package_of
from flowc.errors import UsageError
from flowc.masker import Masker
from flowc.masking import REFERENCE, Place, names_secret, secret_places
from flowc.service.access.vaults import read_aws, read_gcp, read_vault


@dataclass(frozen=True)
class Resolver:
    """Resolves references; remembers the values it gave out, so that they can be masked."""

    env: Mapping[str, str] = field(repr=False)
    root: Path
    masker: Masker = field(default_factory=Masker, repr=False)

    def resolve(self, text: str, is_public: Callable[[str, Place], bool] = lambda _text, _place: False) -> str:
        """The text with every reference replaced by its value, which is a secret from now on.

        It is none where `is_public` says so of its place in the whole, unless it comes from a store of secrets or its
        name is that of one. Raises FlowcError when one cannot be resolved.
        """
        found, values = "", list[tuple[str, Place]]()
        parts = REFERENCE.split(text)  # texts and references in turn
        for part, reference in zip_longest(parts[::2], parts[1::2]):
            found += part
            if reference is not None:
                value = self._value(reference)
                values.append((reference, (len(found), len(found) + len(value))))
                found += value
        secret = [
            (reference, place) for reference, place in values if _from_store(reference) or not is_public(found, place)
        ]
        for reference, (start, end) in secret:
            self.masker.remember(value := found[start:end])
            if _from_store(reference) and not secret_places(value):  # an address is known by more than its password
                self.masker.remember_secret(value)
        if secret:
            self.masker.remember(found)
        return found

    def resolve_options(self, kind: str, value: object, path: tuple[str, ...] = ()) -> object:
        """The same for every text in the options of a connection, of which the schema says where no secrets are."""
        if isinstance(value, str):
            return self.resolve(value, partial(is_public, kind, path))
        if isinstance(value, Mapping):
            return {key: self.resolve_options(kind, item, (*path, str(key))) for key, item in value.items()}
        return [self.resolve_options(kind, item, path) for item in value] if isinstance(value, list) else value

    def redact(self, text: str) -> str:
        """What went wrong in the words of others, without any piece of the values that were given out."""
        return self.masker.redact(text, pieces=True)

    def _value(self, reference: str) -> str:
        scheme, colon, rest = reference.partition(":")
        reader = _READERS.get(scheme) if colon else None
        if colon and reader is None and scheme in own_schemes():
            return _of_package(scheme, rest)
        if colon and reader is None:
            known = ", ".join(f"`${{{name}:…}}`" for name in (*_READERS, *own_schemes()))
            message = f"`${{{reference}}}` is no known kind of reference"
            help = f"use `${{NAME}}` or one of {known}, or {package_of(scheme)}"
            raise UsageError(message, code="unknown-reference", help=help)
        return reader(self, rest) if reader else _variable(self, reference)


def _from_store(reference: str) -> bool:
    return (":" in reference and not reference.startswith("env:")) or names_secret(reference)


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


def _of_package(scheme: str, reference: str) -> str:
    """What a package resolves. Its words may hold anything, and are not told."""
    entry = own_schemes()[scheme]
    try:
        value = entry.load()(reference)
    except Exception as error:
        reason = f"`{entry.value}` raised {type(error).__name__}"
    else:
        if isinstance(value, str):
            return value
        reason = f"`{entry.value}` gave no text"
    call = quote(f"import {entry.module}; {entry.module}.{entry.attr}({json.dumps(reference)})")
    message = f"`${{{scheme}:{reference}}}` cannot be read: {reason}"
    help = f"call it yourself to see why: `python -c {call}`"
    raise UsageError(message, code="unreadable-secret", help=help) from None


_READERS: Mapping[str, Callable[[Resolver, str], str]] = {
    "env": _variable, "file": _file, "vault": _vault, "aws": _aws, "gcp": _gcp,
}  # fmt: skip
