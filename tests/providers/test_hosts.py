"""From where images are taken."""

from __future__ import annotations

import socket

import pytest
from aiohttp.abc import AbstractResolver, ResolveResult
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from bot.providers.hosts import GuardedResolver, Hosts, host_and_port

HOSTS = Hosts(URL("https://app.ai-client.com/api/v1"), ("cdn.example.com", "127.0.0.1:8080", "[::1]:9000"))


@pytest.mark.parametrize(
    "url",
    [
        "https://app.ai-client.com/storage/x.png",
        "https://APP.ai-client.com./x.png",
        "http://app.ai-client.com/x.png",
        "https://img.app.ai-client.com/x.png",
        "https://a.b.app.ai-client.com:443/x.png",
        "https://cdn.example.com/x.png",
        "https://eu.cdn.example.com/x.png",
        "http://127.0.0.1:8080/x.png",
        "http://[::1]:9000/x.png",
    ],
)
def test_allowed(url: str) -> None:
    assert HOSTS.allow(URL(url))


@pytest.mark.parametrize(
    "url",
    [
        "https://ai-client.com/x.png",
        "https://evil-app.ai-client.com/x.png",
        "https://app.ai-client.com.evil.example/x.png",
        "https://app.ai-client.com@evil.example/x.png",
        "https://user@app.ai-client.com/x.png",
        "https://user:word@app.ai-client.com/x.png",
        "https://app.ai-client.com:22/x.png",
        "https://example.com/x.png",
        "http://127.0.0.1/x.png",
        "http://127.0.0.1:8081/x.png",
        "http://localhost:8080/x.png",
        "http://2130706433/x.png",
        "http://10.0.0.1/x.png",
        "http://169.254.169.254/latest/meta-data",
        "http://[::ffff:127.0.0.1]:8080/x.png",
        "http://sub.127.0.0.1:8080/x.png",
        "file:///etc/passwd",
        "ftp://app.ai-client.com/x.png",
        "data:image/png;base64,AAAA",
        "/x.png",
        "",
    ],
)
def test_refused(url: str) -> None:
    assert not HOSTS.allow(URL(url))


def test_the_port_of_the_api_is_allowed() -> None:
    hosts = Hosts(URL("http://127.0.0.1:5000/api/v1"))
    assert hosts.allow(URL("http://127.0.0.1:5000/x.png"))
    assert not hosts.allow(URL("http://127.0.0.1:5001/x.png"))
    assert not hosts.allow(URL("http://127.0.0.1/x.png"))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("cdn.example.com", ("cdn.example.com", None)),
        ("CDN.Example.com.", ("cdn.example.com", None)),
        ("cdn.example.com:8443", ("cdn.example.com", 8443)),
        ("127.0.0.1:80", ("127.0.0.1", 80)),
        ("[::1]:80", ("::1", 80)),
        ("localhost", ("localhost", None)),
    ],
)
def test_hosts_in_the_settings(text: str, found: tuple[str, int | None]) -> None:
    assert host_and_port(text) == found


@pytest.mark.parametrize(
    "text", ["", "https://x.example", "x.example/y", "*.example.com", ".example.com", "a b", "x:99999", "u@x.example"]
)
def test_what_is_no_host(text: str) -> None:
    with pytest.raises(ValueError):
        host_and_port(text)


@given(st.text(max_size=40))
def test_any_text_is_a_host_or_a_value_error(text: str) -> None:
    try:
        host, port = host_and_port(text)
    except ValueError:
        return
    assert host
    assert port is None or 0 <= port < 65_536


class Fixed(AbstractResolver):
    """Answers every name with these addresses."""

    def __init__(self, *addresses: str) -> None:
        self.addresses = addresses
        self.closed = False

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        return [
            ResolveResult(hostname=host, host=address, port=port, family=family, proto=0, flags=0)
            for address in self.addresses
        ]

    async def close(self) -> None:
        self.closed = True


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "10.1.2.3", "192.168.0.1", "169.254.169.254", "::1", "fe80::1%eth0", "::ffff:10.0.0.1"]
)
async def test_a_subdomain_that_leads_into_a_private_network_is_not_followed(address: str) -> None:
    guarded = GuardedResolver(HOSTS, Fixed(address))
    with pytest.raises(OSError):
        await guarded.resolve("img.app.ai-client.com", 443)


async def test_only_the_public_ones_of_several_addresses_are_used() -> None:
    guarded = GuardedResolver(HOSTS, Fixed("10.0.0.1", "93.184.216.34"))
    assert [one["host"] for one in await guarded.resolve("img.app.ai-client.com", 443)] == ["93.184.216.34"]


async def test_a_host_that_is_configured_itself_may_stand_anywhere() -> None:
    guarded = GuardedResolver(HOSTS, Fixed("10.0.0.1"))
    assert len(await guarded.resolve("app.ai-client.com", 443)) == 1


async def test_closing_closes_what_is_guarded() -> None:
    inner = Fixed()
    await GuardedResolver(HOSTS, inner).close()
    assert inner.closed
