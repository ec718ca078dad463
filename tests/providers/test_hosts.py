"""Which hosts images may be downloaded from."""

from __future__ import annotations

import socket

import pytest
from aiohttp.abc import AbstractResolver, ResolveResult
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from bot.providers.hosts import GuardedResolver, Hosts, host_and_port

HOSTS = Hosts(
    URL("https://app.ai-client.com/api/v1"), ("cdn.example.com", "127.0.0.1:8080", "[::1]:9000", "cdn.lan:80")
)


@pytest.mark.parametrize(
    "url",
    [
        "https://app.ai-client.com/storage/x.png",
        "https://APP.ai-client.com./x.png",
        "https://img.app.ai-client.com/x.png",
        "https://a.b.app.ai-client.com:443/x.png",
        "https://cdn.example.com/x.png",
        "https://eu.cdn.example.com/x.png",
        "http://127.0.0.1:8080/x.png",
        "http://[::1]:9000/x.png",
        "http://cdn.lan/x.png",
        "http://cdn.lan:80/x.png",
        "http://eu.cdn.lan/x.png",
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
        # The service is reached by https, and these were not configured with a port.
        "http://app.ai-client.com/x.png",
        "http://img.app.ai-client.com/x.png",
        "http://app.ai-client.com:443/x.png",
        "http://cdn.example.com/x.png",
        "https://cdn.example.com:80/x.png",
        "https://cdn.lan/x.png",
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


def test_a_service_without_https_may_have_its_images_on_http_or_https() -> None:
    hosts = Hosts(URL("http://painter.lan/api"), ("cdn.lan",))
    for url in ("http://painter.lan/x", "https://painter.lan/x", "http://cdn.lan/x", "https://eu.cdn.lan/x"):
        assert hosts.allow(URL(url))
    assert not hosts.allow(URL("http://cdn.lan:9000/x"))


@pytest.mark.parametrize(
    ("base", "url", "entry"),
    [
        ("https://api.example", "https://cdn.lan/x", "cdn.lan"),
        ("https://api.example", "http://cdn.lan:9000/x", "cdn.lan:9000"),
        ("https://api.example", "https://CDN.lan.:9000/x", "cdn.lan:9000"),
        ("https://api.example", "http://cdn.lan/x", "cdn.lan:80"),
        ("https://api.example", "http://api.example/x", "api.example:80"),
        ("https://api.example:8443", "https://api.example/x", "api.example"),
        ("https://api.example", "http://[fd00::1]:9000/x", "[fd00::1]:9000"),
        ("http://api.lan", "http://cdn.lan/x", "cdn.lan"),
        ("http://api.lan", "http://cdn.lan:9000/x", "cdn.lan:9000"),
    ],
)
def test_the_named_setting_is_the_one_that_allows_the_host(base: str, url: str, entry: str) -> None:
    assert not Hosts(URL(base)).allow(URL(url))
    assert Hosts(URL(base)).to_allow(URL(url)) == entry
    assert Hosts(URL(base), (entry,)).allow(URL(url))


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
def test_invalid_hosts(text: str) -> None:
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
    """A resolver that returns these addresses for every name."""

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


PRIVATE = [
    "127.0.0.1",
    "10.1.2.3",
    "192.168.0.1",
    "169.254.169.254",
    "100.64.0.1",
    "0.0.0.0",  # noqa: S104 - looked up, not listened on
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "192.0.0.8",
    "192.88.99.1",
    "198.51.100.1",
    "::",
    "::1",
    "::127.0.0.1",
    "::169.254.169.254",
    "::93.184.216.34",
    "::ffff:10.0.0.1",
    "::ffff:0:10.0.0.1",
    "64:ff9b::127.0.0.1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b::224.0.0.1",
    "64:ff9b:1::10.0.0.1",
    "64:ff9b:1:ffff::5db8:d822",
    "2002:7f00:1::",
    "2002:a00:1::1",
    "2002:a9fe:a9fe::",
    "2001:0:5db8:d822::1",
    "2001:0:a9fe:a9fe::ffff",
    "2001:db8::1",
    "2001:20::1",
    "3fff::1",
    "100::1",
    "5f00::1",
    "fc00::1",
    "fd12:3456::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
    "ff0e::1",
]
PUBLIC = [
    "93.184.216.34",
    "::ffff:93.184.216.34",
    "64:ff9b::93.184.216.34",
    "2002:5db8:d822::1",
    "2001:4860:4860::8888",
    "2606:2800:220:1::1",
]


@pytest.mark.parametrize("address", PRIVATE)
async def test_a_subdomain_that_resolves_to_a_private_network_is_not_followed(address: str) -> None:
    guarded = GuardedResolver(HOSTS, Fixed(address))
    with pytest.raises(OSError):
        await guarded.resolve("img.app.ai-client.com", 443)


@pytest.mark.parametrize("address", PUBLIC)
async def test_a_subdomain_may_resolve_to_any_public_address(address: str) -> None:
    guarded = GuardedResolver(HOSTS, Fixed(*PRIVATE, address))
    assert [one["host"] for one in await guarded.resolve("img.app.ai-client.com", 443)] == [address]


async def test_only_the_public_ones_of_several_addresses_are_used() -> None:
    guarded = GuardedResolver(HOSTS, Fixed("10.0.0.1", "93.184.216.34"))
    assert [one["host"] for one in await guarded.resolve("img.app.ai-client.com", 443)] == ["93.184.216.34"]


async def test_a_configured_host_may_be_in_a_private_network() -> None:
    guarded = GuardedResolver(HOSTS, Fixed("10.0.0.1"))
    assert len(await guarded.resolve("app.ai-client.com", 443)) == 1


async def test_closing_also_closes_the_wrapped_resolver() -> None:
    inner = Fixed()
    await GuardedResolver(HOSTS, inner).close()
    assert inner.closed
