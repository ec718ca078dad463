"""Which hosts may serve images, and a resolver that keeps allowed names out of private networks."""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Sequence
from urllib.parse import urlsplit

from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from bot.providers.settings import SettingsReader, Takes, WrongSetting

_HOST = re.compile(r"(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]{0,62})(\.[a-z0-9_][a-z0-9_-]{0,62})*")


class Hosts:
    """The hosts that may serve images: the API's own host and the configured ones, each with its subdomains.

    A host configured with a port is allowed on that port only, all others on the default ports. If the service uses
    https, its images must too. Plain http is allowed only for a host that is configured with a port.
    """

    def __init__(self, base: URL, more: Sequence[str] = ()) -> None:
        self._secure = base.scheme == "https"
        # Hosts with a port, and hosts without one; None is the default port.
        self._named: set[tuple[str, int]] = set()
        self._usual: set[tuple[str, int | None]] = {(_norm(base.raw_host or ""), _port(base))}
        for text in more:
            host, port = host_and_port(text)
            if port is None:
                self._usual.add((host, None))
            else:
                self._named.add((host, port))
        self._names = {host for host, _ in (*self._named, *self._usual)}
        self.proxies: set[str] = set()
        """Proxies. They may be in a private network, and they serve no images themselves."""

    def allow(self, url: URL) -> bool:
        host = _norm(url.raw_host or "")
        if url.scheme not in {"http", "https"} or not host or url.user is not None or url.password is not None:
            return False
        known = (host, *_parents(host))
        if any((name, url.port) in self._named for name in known):
            return True
        return (url.scheme == "https" or not self._secure) and any((name, _port(url)) in self._usual for name in known)

    def to_allow(self, url: URL) -> str:
        """The entry for IMAGE_HOSTS that would allow this URL: a host, with its port if necessary."""
        host = _norm(url.raw_host or "")
        if url.is_default_port() and (url.scheme == "https" or not self._secure):
            return host
        return f"[{host}]:{url.port}" if ":" in host else f"{host}:{url.port}"

    def names(self, host: str) -> bool:
        """Return whether this exact host is configured, not just a parent domain."""
        return _norm(host) in self._names or _norm(host) in self.proxies


def host_and_port(text: str) -> tuple[str, int | None]:
    """Read ``host`` or ``host:port`` (an IPv6 address in brackets). Raises ValueError."""
    parts = urlsplit(f"//{text}")
    host = _norm(parts.hostname or "")
    if parts.path or parts.query or parts.fragment or parts.username is not None:
        raise ValueError("not a host")
    if not _is_address(host) and not _HOST.fullmatch(host):
        raise ValueError("not a host")
    return host, parts.port


def image_hosts(settings: SettingsReader) -> tuple[str, ...]:
    """The hosts that may serve images besides each service's own, with or without a port. Raises WrongSetting."""
    found = settings.names("IMAGE_HOSTS")
    for host in found:
        try:
            host_and_port(host)
        except ValueError:
            raise WrongSetting("IMAGE_HOSTS", Takes.HOSTS) from None
    return found


def _port(url: URL) -> int | None:
    """The port, or None for the default port."""
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
    """The parent domains of a host name. An IP address has none."""
    parts = host.split(".")
    above = (".".join(parts[n:]) for n in range(1, len(parts)))
    return tuple(domain for domain in above if not _is_address(domain))


def is_public(address: str) -> bool:
    """Return whether an IP address is public and does not embed a private one."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped is not None:
            return _is_public_v4(ip.ipv4_mapped)
        if ip in _NAT64:
            return _is_public_v4(ipaddress.IPv4Address(int(ip) & 0xFFFF_FFFF))
        if ip.sixtofour is not None:
            return _is_public_v4(ip.sixtofour)
        return ip in _UNICAST and ip.is_global and not any(ip in network for network in _NOT_UNICAST)
    return _is_public_v4(ip)


# The standard library's ``is_global`` is too broad, and differs between Python versions.
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_UNICAST = ipaddress.IPv6Network("2000::/3")
_NOT_UNICAST = (
    ipaddress.IPv6Network("2001::/23"),  # Teredo and other protocols' own
    ipaddress.IPv6Network("2001:db8::/32"),
    ipaddress.IPv6Network("3fff::/20"),
)
_NOT_UNICAST_V4 = (
    ipaddress.IPv4Network("192.0.0.0/24"),
    ipaddress.IPv4Network("192.88.99.0/24"),  # relays of 6to4
)


def _is_public_v4(ip: ipaddress.IPv4Address) -> bool:
    return ip.is_global and not ip.is_multicast and not any(ip in network for network in _NOT_UNICAST_V4)


class GuardedResolver(AbstractResolver):
    """A resolver that rejects private addresses for names that are allowed only as a subdomain."""

    def __init__(self, hosts: Hosts, resolver: AbstractResolver) -> None:
        self._hosts = hosts
        self._resolver = resolver

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        found = await self._resolver.resolve(host, port, family)
        if self._hosts.names(host):
            return found
        public = [one for one in found if is_public(one["host"])]
        if not public:
            raise OSError(None, "the name leads to a private address")
        return public

    async def close(self) -> None:
        await self._resolver.close()
