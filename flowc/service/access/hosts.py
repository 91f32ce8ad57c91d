"""Names by which clients ask for a server: a request that names another host is refused (DNS rebinding)."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection, Iterable

from flowc.errors import UsageError

_HOST = re.compile(r"(?:\[(?P<six>[0-9a-fA-F:.]+)\]|(?P<name>[A-Za-z0-9._-]+))(?::[0-9]{1,5})?")


def host_names(names: Iterable[str]) -> frozenset[str]:
    """The names of `--host`, as `knows_host` compares them. Raises UsageError for what is no name of a host."""
    names = tuple(names)
    for name in names:
        if not is_host_name(name):
            help = "--host flowc.example.com, without scheme and port"
            raise UsageError(f"`{name}` is no name of a host", code="unusable-option", help=help)
    return frozenset(name.lower().rstrip(".") for name in names)


def knows_host(host: str | None, names: Collection[str]) -> bool:
    """Whether the value of a `Host` header names this server: an address, `localhost`, or one of its names.

    An attacker can point a name of its own at this server (DNS rebinding): such a name is none of these.
    """
    match = _HOST.fullmatch(host or "")
    if match is None:
        return False
    name = (match["six"] or match["name"]).lower().rstrip(".")
    return name == "localhost" or name in names or address_of(name) is not None


def is_host_name(name: str) -> bool:
    """Whether a request can name a server so: without scheme, port and path."""
    match = _HOST.fullmatch(name)
    return match is not None and name in (match["name"], match["six"])


def address_of(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The IP address that a text spells, as IPv4 where an IPv6 socket maps it; None for another text."""
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
