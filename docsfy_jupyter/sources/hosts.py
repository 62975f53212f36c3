"""Hosts that are not public: every way to write their address, and names that resolve to one."""

from __future__ import annotations

import asyncio
import ipaddress
import re
import socket
from collections.abc import Mapping
from typing import Protocol

from docsfy_jupyter.errors import BadRequest, SourceRefused

HOSTS_TRAIT = "c.DocsfyApp.allow_private_hosts"
_NUMERIC = re.compile(r"^(0x[0-9a-f]*|\d+)(\.(0x[0-9a-f]*|\d+)){0,3}$")
_HOST = re.compile(r"^[a-z0-9_.:-]+$")
_RESOLVE_LIMIT = 10.0
_EMBEDDED = (ipaddress.ip_network("64:ff9b::/96"), ipaddress.ip_network("::/96"))
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class HasHost(Protocol):
    """What `verify_host` needs to know of a source."""

    @property
    def host(self) -> str:
        """The host; empty for a path."""

    @property
    def scheme(self) -> str:
        """The scheme of its address."""


class HasPrivateRule(Protocol):
    """What `verify_host` needs to know of a policy."""

    @property
    def allow_private_hosts(self) -> bool:
        """Whether any host will do."""


def refuse_odd_host(host: str) -> None:
    """Refuse hosts that git and this check could read differently."""
    if not host:
        raise BadRequest("The repository's URL names no host.")
    if host.startswith("-"):
        raise SourceRefused("The host begins with a dash: that is an option, no host.")
    if not _HOST.match(host):
        raise SourceRefused("The host holds characters that do not belong there; write an international name in its xn-- form.")


def refuse_private_literal(host: str) -> None:
    """Refuse an address in any notation, and the names of this machine, when they are not public."""
    if host == "localhost" or host.endswith((".localhost", ".local", ".internal")):
        raise _refusal(host)
    address = literal(host)
    if address is not None and is_private(address):
        raise _refusal(host)


def literal(host: str) -> Address | None:
    """Read an IP address as C libraries do: decimal, hexadecimal, octal and short forms too; None for a name."""
    if _NUMERIC.match(host):
        try:
            return ipaddress.IPv4Address(socket.inet_aton(host))
        except OSError:
            return None
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def is_private(address: Address) -> bool:
    """Say whether an address is anything but a public one; IPv4 addresses inside IPv6 ones count as what they are."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if inner is None and any(address in network for network in _EMBEDDED):
            inner = ipaddress.IPv4Address(address.packed[-4:])
        if inner is not None:
            return is_private(inner)
    return not address.is_global or address.is_multicast


async def verify_host(source: HasHost, policy: HasPrivateRule, environ: Mapping[str, str] | None = None) -> tuple[str, ...]:
    """Resolve the host's name right before git does, and refuse it when an address of it is not public.

    Parameters
    ----------
    source : Source
        What is to be cloned.
    policy : SourcePolicy
        With `allow_private_hosts` nothing is looked up.
    environ : mapping, optional
        The environment that git will have: behind a proxy a name need not resolve here.

    Returns
    -------
    tuple of str
        The addresses that were found good, so that git can be held to them; empty where nothing was looked up.

    Raises
    ------
    SourceRefused, BadRequest
        With a sentence for people.
    """
    if policy.allow_private_hosts or not source.host:
        return ()
    refuse_private_literal(source.host)
    proxied = any((environ or {}).get(name) for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "http_proxy"))
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(_RESOLVE_LIMIT):
            found = await loop.getaddrinfo(source.host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError, TimeoutError):
        if proxied and source.scheme in ("https", "http"):
            return ()
        raise BadRequest(f"The host {source.host} was not found: its name cannot be resolved.") from None
    addresses = [str(entry[4][0]) for entry in found]
    if any(is_private(ipaddress.ip_address(address.partition("%")[0])) for address in addresses):
        raise _refusal(source.host)
    return () if proxied else tuple(dict.fromkeys(addresses))


def _refusal(host: str) -> SourceRefused:
    return SourceRefused(f"{host} is not a public host; repositories on private hosts are allowed by {HOSTS_TRAIT} = True only.")
