"""A service's image URL is requested exactly as written, since a signed URL must not change."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from bot.providers.addresses import as_written
from bot.providers.credentials import Credentials
from bot.providers.fetching import Downloads
from bot.providers.http import Service
from fakes.services import Picture, flat
from tests.providers.workbench import SECRET, raw_server

BASE = URL("https://api.example/v1", encoded=True)
PNG = flat(Picture("a lighthouse", "", "", 7, 320, 384))

TARGETS = [
    "/x.png?a=1%2F2",
    "/x.png?signature=ab%2Bcd%3D%3D&expires=1",
    "/x%2Fy.png",
    "/x%2fy.png?a=%e4%C3%84",
    "/%78.png?q=%41%7E%2D",
    "/x.png?a=1+2&b=%20",
    "/x.png?a=b?c=d&&e",
    "/x.png?",
    "/x.png?a=",
    "/x.png.",
    "/a/../x.png?b=../c",
    "/a/./b//x.png",
    "/%2e%2e/x.png",
    "/x;v=1,2.png?a[]=1|2&b={c}&d=<e>\"^`'\\",
    "/100%.png?a=%zz",
    "/x!$&'()*+,;=:@-._~.png",
]
"""Request targets as services write them. All can be sent unchanged."""
QUOTED = [
    ("/a b.png?c=d e", "/a%20b.png?c=d%20e"),
    ("/fox \U0001f98a.png?name=ø%2F", "/fox%20%F0%9F%A6%8A.png?name=%C3%B8%2F"),
    ("/a\r\nHost: evil.example\r\n\r\n.png", "/aHost:%20evil.example.png"),
    ("/a\x00\x7f\x1b.png", "/a%00%7F%1B.png"),
    ("/x.png#part?a=b", "/x.png"),
]
"""Characters that a request line cannot contain, and what is sent instead."""


class Recorder:
    """A server that records the request targets and responds in turn: with a Location, or with an image for None."""

    def __init__(self) -> None:
        self.targets: list[str] = []
        self.locations: list[str | None] = []
        self.url = ""

    async def talk(self, incoming: asyncio.StreamReader, outgoing: asyncio.StreamWriter) -> None:
        request, *headers = (await incoming.readuntil(b"\r\n\r\n")).split(b"\r\n")
        method, target, _ = request.decode("ascii").split(" ")
        assert method == "GET"
        assert not any(b"evil" in header for header in headers)
        self.targets.append(target)
        location = self.locations.pop(0) if self.locations else None
        status, header, body = ("302 Found", f"Location: {location}", b"") if location else ("200 OK", "X: y", PNG)
        head = f"HTTP/1.1 {status}\r\n{header}\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n"
        outgoing.write(head.encode() + body)
        await outgoing.drain()


@pytest.fixture
async def recorder() -> AsyncIterator[Recorder]:
    recorder = Recorder()
    async with raw_server(recorder.talk) as url:
        recorder.url = url
        yield recorder


async def fetch(recorder: Recorder, url: str, folder: Path) -> list[str]:
    """Fetch an image; return the targets that the server received."""
    service = Service("Painter", f"{recorder.url}/api", credentials=Credentials.key(SECRET))
    try:
        assert (await Downloads(service, pause=0).fetch(url, folder / "x")).bytes == len(PNG)
    finally:
        await service.close()
    return recorder.targets


@pytest.mark.parametrize("target", TARGETS)
async def test_a_target_is_sent_byte_for_byte(recorder: Recorder, tmp_path: Path, target: str) -> None:
    assert await fetch(recorder, f"{recorder.url}{target}", tmp_path) == [target]


@pytest.mark.parametrize(("target", "sent"), QUOTED)
async def test_only_characters_that_a_request_line_cannot_contain_are_quoted(
    recorder: Recorder, tmp_path: Path, target: str, sent: str
) -> None:
    assert await fetch(recorder, f"{recorder.url}{target}", tmp_path) == [sent]


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("absolute", [True, False])
async def test_the_target_of_a_redirect_is_sent_byte_for_byte_too(
    recorder: Recorder, tmp_path: Path, target: str, absolute: bool
) -> None:
    recorder.locations = [f"{recorder.url}{target}" if absolute else target]
    assert await fetch(recorder, f"{recorder.url}/first%2F?a=%2F", tmp_path) == ["/first%2F?a=%2F", target]


@pytest.mark.parametrize(
    ("location", "sent"),
    [
        ("y.png?b=%2F", "/a%2Fb/c/y.png?b=%2F"),
        ("../y%2Fz.png?b=../%2F", "/a%2Fb/y%2Fz.png?b=../%2F"),
        ("./y.png", "/a%2Fb/c/y.png"),
        ("../../../../y.png", "/y.png"),
        ("?b=%2F", "/a%2Fb/c/x.png?b=%2F"),
        ("ø.png", "/a%2Fb/c/%C3%B8.png"),
    ],
)
async def test_a_relative_redirect_keeps_the_missing_parts(
    recorder: Recorder, tmp_path: Path, location: str, sent: str
) -> None:
    recorder.locations = [location]
    assert (await fetch(recorder, f"{recorder.url}/a%2Fb/c/x.png?a=%2F", tmp_path))[1:] == [sent]


async def test_the_configured_base_url_is_kept() -> None:
    recorder = Recorder()
    async with raw_server(recorder.talk) as url:
        service = Service("Painter", f"{url}/%7Eme/a%2Fb%3A", credentials=Credentials.key(SECRET))
        await service.call("GET", "/x", paid=False)
        await service.close()
    assert recorder.targets == ["/%7Eme/a%2Fb%3A/x"]


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("HTTPS://CDN.Example:443/x", "cdn.example"),
        ("https://bücher.example/x", "xn--bcher-kva.example"),
        ("//cdn.example/x", "cdn.example"),
        (" https://cdn.example/x\n", "cdn.example"),
        ("https://cdn.example", "cdn.example"),
        ("https://cdn.example?a=%2F", "cdn.example"),
        ("/x", "api.example"),
        ("", "api.example"),
    ],
)
def test_hosts_are_parsed_as_before(text: str, host: str) -> None:
    address = as_written(text, BASE)
    assert address is not None
    assert (address.scheme, address.raw_host, address.port) == ("https", host, 443)


@pytest.mark.parametrize(
    "text",
    [
        "http://[::1/broken",
        "http://[",
        "https://api.example\\@evil.example/x",
        "https://user@api.example/x",
        "https://user:word@api.example/x",
        "https://api.example:99999/",
        "https:///x",
        "https:/x",
        "http:x",
        "data:image/png;base64,AA",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "/\ud800.png",
    ],
)
def test_invalid_image_addresses(text: str) -> None:
    assert as_written(text, BASE) is None


@given(st.text(max_size=60))
def test_any_text_gives_a_valid_request_target_or_none(text: str) -> None:
    for whole in (text, f"https://cdn.example/{text}", f"https://{text}/x"):
        address = as_written(whole, BASE)
        if address is not None:
            assert address.raw_path_qs.startswith("/")
            assert all("!" <= sign <= "~" for sign in address.raw_path_qs)
