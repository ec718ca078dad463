"""From which hosts images are taken, and that a name which is allowed does not lead into a private network."""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Sequence
from urllib.parse import urlsplit

from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

_HOST = re.compile(r"(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]{0,62})(\.[a-z0-9_][a-z0-9_-]{0,62})*")


class Hosts:
    """The hosts from which images are taken: the API's own and the configured ones, each with its subdomains.

    A host that is given with a port is allowed with this port alone, others with the usual ones.
    """

    def __init__(self, base: URL, more: Sequence[str] = ()) -> None:
        self._ports: dict[str, set[int | None]] = {_norm(base.raw_host or ""): {_port(base)}}
        for text in more:
            host, port = host_and_port(text)
            self._ports.setdefault(host, set()).add(port)
        self.proxies: set[str] = set()
        """Hosts that only pass on what is asked of others: they may be in a private network, and give no images."""

    def allow(self, url: URL) -> bool:
        host = _norm(url.raw_host or "")
        if url.scheme not in {"http", "https"} or not host or url.user is not None or url.password is not None:
            return False
        return any(_port(url) in self._ports[known] for known in (host, *_parents(host)) if known in self._ports)

    def names(self, host: str) -> bool:
        """Whether this very host is configured, and not merely a subdomain of one."""
        return _norm(host) in self._ports or _norm(host) in self.proxies


def host_and_port(text: str) -> tuple[str, int | None]:
    """Read ``host`` or ``host:port`` (an IPv6 address in brackets). Raises ValueError."""
    parts = urlsplit(f"//{text}")
    host = _norm(parts.hostname or "")
    if parts.path or parts.query or parts.fragment or parts.username is not None:
        raise ValueError("not a host")
    if not _is_address(host) and not _HOST.fullmatch(host):
        raise ValueError("not a host")
    return host, parts.port


def _port(url: URL) -> int | None:
    """None for the port that goes without saying."""
    return None if url.is_default_port() else url.port


def _norm(host: str) -> str:
    return host.lower().rstrip(".")


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _parents(host: str) -> tuple[str, ...]:
    """The domains above a host name. An address is not above anything."""
    parts = host.split(".")
    above = (".".join(parts[n:]) for n in range(1, len(parts)))
    return tuple(domain for domain in above if not _is_address(domain))


class GuardedResolver(AbstractResolver):
    """Looks names up; one that is allowed only as a subdomain must not lead into a private network."""

    def __init__(self, hosts: Hosts, resolver: AbstractResolver) -> None:
        self._hosts = hosts
        self._resolver = resolver

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        found = await self._resolver.resolve(host, port, family)
        if self._hosts.names(host):
            return found
        public = [one for one in found if ipaddress.ip_address(one["host"].partition("%")[0]).is_global]
        if not public:
            raise OSError(None, "the name leads to a private address")
        return public

    async def close(self) -> None:
        await self._resolver.close()
