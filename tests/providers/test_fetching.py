"""Downloading images into files."""

from __future__ import annotations

import asyncio
import random
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import nullcontext
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from aiohttp.abc import ResolveResult

from bot.providers.credentials import Credentials
from bot.providers.errors import NotFound, ProviderError, Reason, Refused, Unreachable
from bot.providers.fetching import ATTEMPTS, Downloads, keep
from bot.providers.http import Service
from bot.providers.operations import Size
from fakes.services import Picture, flat, image_variants
from tests.providers.workbench import SECRET

PICTURE = flat(Picture("a lighthouse", "", "", 7, 320, 384))
SIZE = Size(320, 384)


Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Store:
    """A server for images that responds to each request as the test has set."""

    def __init__(self) -> None:
        self.url = ""
        self.asked: list[web.Request] = []
        self.answers: list[Answer] = []

    def then(self, *answers: Answer) -> None:
        """Respond with these in turn; the last one repeats."""
        self.answers += answers

    async def serve(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return await answer(request)


def bare(status: int, **headers: str) -> Answer:
    async def answer(request: web.Request) -> web.StreamResponse:
        return web.Response(status=status, headers=headers)

    return answer


def image(data: bytes = PICTURE, status: int = 200, kind: str = "image/png") -> Answer:
    async def answer(request: web.Request) -> web.StreamResponse:
        return web.Response(status=status, body=data, content_type=kind)

    return answer


def redirect(location: str, status: int = 302) -> Answer:
    return bare(status, Location=location)


def streaming(body: Callable[[], AsyncIterator[bytes]], length: int | None = None) -> Answer:
    """Stream these chunks, with this Content-Length."""

    async def answer(request: web.Request) -> web.StreamResponse:
        stream = web.StreamResponse()
        stream.content_length = length
        await stream.prepare(request)
        async for piece in body():
            await stream.write(piece)
        if request.transport is not None:
            request.transport.close()
        return stream

    return answer


@pytest.fixture
async def store() -> AsyncIterator[Store]:
    store = Store()
    app = web.Application()
    app.router.add_get("/{path:.*}", store.serve)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.01)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    store.url = f"http://{host}:{port}"
    yield store
    await runner.cleanup()


@pytest.fixture
async def service(store: Store) -> AsyncIterator[Service]:
    service = Service("Painter", store.url, credentials=Credentials.key(SECRET, "Bearer"))
    yield service
    await service.close()


@pytest.fixture
def downloads(service: Service) -> Downloads:
    return Downloads(service, largest=100_000, pause=0)


async def failing(downloads: Downloads, url: str, path: Path, **expected: object) -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        await downloads.fetch(url, path, **expected)  # type: ignore[arg-type]  # passed on as they are
    assert not await asyncio.to_thread(path.exists)
    assert SECRET not in f"{caught.value!r} {caught.value.detail}"
    return caught.value


@pytest.mark.parametrize(
    ("alter", "media_type"),
    [(bytes, "image/png"), (image_variants.jpeg, "image/jpeg"), (image_variants.webp, "image/webp")],
    ids=["png", "jpeg", "webp"],
)
async def test_an_image_is_written_and_its_type_comes_from_the_bytes(
    store: Store, downloads: Downloads, tmp_path: Path, alter: Callable[[bytes], bytes], media_type: str
) -> None:
    data = alter(PICTURE)
    store.then(image(data, kind="text/plain"))
    path = tmp_path / "image.part"
    path.write_bytes(b"what stood there before" * 10_000)
    fetched = await downloads.fetch(f"{store.url}/x.png", path)
    assert (fetched.media_type, fetched.size, fetched.bytes) == (media_type, SIZE, len(data))
    assert path.read_bytes() == data


async def test_the_key_and_cookies_are_not_sent(store: Store, downloads: Downloads, tmp_path: Path) -> None:
    store.then(image())
    await downloads.fetch(f"{store.url}/x.png", tmp_path / "x")
    headers = store.asked[0].headers
    assert "Authorization" not in headers
    assert "Cookie" not in headers
    assert SECRET not in str(dict(headers))


@pytest.mark.parametrize("status", [401, 403, 404, 409, 425, 429, 500, 502, 503])
async def test_an_image_that_is_not_ready_yet_is_requested_again(
    store: Store, downloads: Downloads, tmp_path: Path, status: int
) -> None:
    store.then(image(b"<h1>Not yet</h1>", status, "text/html"), image())
    assert (await downloads.fetch(f"{store.url}/x.png", tmp_path / "x")).size == SIZE
    assert len(store.asked) == 2


@pytest.mark.parametrize("status", [202, 204, 206, 304, 404, 500])
async def test_an_image_that_stays_unready_may_come_later(
    store: Store, downloads: Downloads, tmp_path: Path, status: int
) -> None:
    store.then(bare(status))
    assert isinstance(await failing(downloads, f"{store.url}/x.png", tmp_path / "x"), Unreachable)
    assert len(store.asked) == ATTEMPTS


async def test_a_410_is_left_to_the_caller(store: Store, downloads: Downloads, tmp_path: Path) -> None:
    store.then(bare(410))
    assert isinstance(await failing(downloads, f"{store.url}/x.png", tmp_path / "x"), NotFound)
    assert len(store.asked) == 1


@pytest.mark.parametrize(
    "spoil", [image_variants.truncated, image_variants.cut_at_the_end, image_variants.empty], ids=lambda f: f.__name__
)
async def test_a_truncated_image_is_fetched_again(
    store: Store, downloads: Downloads, tmp_path: Path, spoil: Callable[[bytes], bytes]
) -> None:
    store.then(image(spoil(PICTURE)), image())
    assert (await downloads.fetch(f"{store.url}/x.png", tmp_path / "x")).bytes == len(PICTURE)
    store.then(image(spoil(PICTURE)))
    store.answers.pop(0)
    assert isinstance(await failing(downloads, f"{store.url}/x.png", tmp_path / "y"), Unreachable)


async def test_a_persistent_html_page_is_refused(store: Store, downloads: Downloads, tmp_path: Path) -> None:
    store.then(image(image_variants.HTML))
    assert isinstance(await failing(downloads, f"{store.url}/x.png", tmp_path / "x"), Refused)
    assert len(store.asked) == ATTEMPTS


async def test_an_html_page_may_be_replaced_by_the_image(store: Store, downloads: Downloads, tmp_path: Path) -> None:
    store.then(image(image_variants.HTML), image())
    assert (await downloads.fetch(f"{store.url}/x.png", tmp_path / "x")).size == SIZE


@pytest.mark.parametrize(
    "spoil",
    [image_variants.svg, image_variants.noise, image_variants.bomb, image_variants.gif],
    ids=lambda f: f.__name__,
)
async def test_other_content_is_refused_at_once(
    store: Store, downloads: Downloads, tmp_path: Path, spoil: Callable[[bytes], bytes]
) -> None:
    store.then(image(spoil(PICTURE)))
    assert isinstance(await failing(downloads, f"{store.url}/x.png", tmp_path / "x"), Refused)
    assert len(store.asked) == 1


@pytest.mark.parametrize("declared", [True, False])
async def test_an_endless_file_is_cut_off(store: Store, downloads: Downloads, tmp_path: Path, declared: bool) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while sent < 100_000_000:
            sent += 65_536
            yield b"\x89PNG\r\n\x1a\n" + bytes(65_528)

    store.then(streaming(endless, 1 << 40 if declared else None))
    assert isinstance(await failing(downloads, f"{store.url}/x.png", tmp_path / "x"), Refused)
    assert len(store.asked) == 1
    assert sent < 50_000_000


async def test_the_length_is_compared_with_the_expected_one(store: Store, downloads: Downloads, tmp_path: Path) -> None:
    placeholder = flat(Picture("wait", "", "", 1, 64, 64))
    store.then(image(placeholder), image())
    fetched = await downloads.fetch(
        f"{store.url}/x.png", tmp_path / "x", expected_bytes=len(PICTURE), expected_size=SIZE
    )
    assert fetched.bytes == len(PICTURE)
    assert len(store.asked) == 2


async def test_an_image_of_the_wrong_length_and_size_may_come_later(
    store: Store, downloads: Downloads, tmp_path: Path
) -> None:
    store.then(image(flat(Picture("wait", "", "", 1, 64, 64))))
    error = await failing(
        downloads, f"{store.url}/x.png", tmp_path / "x", expected_bytes=len(PICTURE), expected_size=SIZE
    )
    assert isinstance(error, Unreachable)


async def test_a_complete_image_of_the_right_size_is_taken_despite_a_wrong_length(
    store: Store, downloads: Downloads, tmp_path: Path
) -> None:
    store.then(image())
    fetched = await downloads.fetch(f"{store.url}/x.png", tmp_path / "x", expected_bytes=1, expected_size=SIZE)
    assert fetched.bytes == len(PICTURE)
    assert (tmp_path / "x").read_bytes() == PICTURE
    assert len(store.asked) == ATTEMPTS


async def test_redirects_are_followed_on_the_same_host(store: Store, downloads: Downloads, tmp_path: Path) -> None:
    store.then(redirect("/b.png", 301), redirect("c/d.png", 307), redirect(f"{store.url}/e.png", 303), image())
    assert (await downloads.fetch(f"{store.url}/a.png", tmp_path / "x")).size == SIZE
    assert [request.path for request in store.asked] == ["/a.png", "/b.png", "/c/d.png", "/e.png"]


@pytest.mark.parametrize(
    "location",
    [
        "http://images.evil.example/x.png",
        "http://127.0.0.2/x.png",
        "http://localhost/x.png",
        "http://10.0.0.1/x.png",
        "http://169.254.169.254/latest/",
        "//evil.example/x.png",
    ],
)
async def test_a_redirect_to_another_host_is_refused(
    store: Store, downloads: Downloads, tmp_path: Path, location: str
) -> None:
    store.then(redirect(location))
    error = await failing(downloads, f"{store.url}/x.png", tmp_path / "x")
    assert isinstance(error, Refused)
    assert error.operator
    assert len(store.asked) == 1


@pytest.mark.parametrize("location", ["file:///etc/passwd", "http://[::1/broken", "http://user@127.0.0.1/x.png"])
async def test_a_redirect_to_an_invalid_address_is_refused_and_cannot_be_fixed(
    store: Store, downloads: Downloads, tmp_path: Path, location: str
) -> None:
    store.then(redirect(location))
    error = await failing(downloads, f"{store.url}/x.png", tmp_path / "x")
    assert isinstance(error, Refused)
    assert not error.operator
    assert len(store.asked) == 1


@pytest.mark.parametrize("named", [True, False])
async def test_a_host_with_a_port_must_be_configured_with_it(store: Store, tmp_path: Path, named: bool) -> None:
    """Otherwise the log names the setting, and the operator can fix it."""
    store.then(image())
    netloc = store.url.removeprefix("http://")
    host = netloc.partition(":")[0]
    service = Service(
        "Painter",
        "https://painter.example",
        credentials=Credentials.key(SECRET),
        image_hosts=(netloc if named else host,),
    )
    downloads = Downloads(service, pause=0)
    if named:
        assert (await downloads.fetch(f"{store.url}/x.png", tmp_path / "x")).size == SIZE
    else:
        error = await failing(downloads, f"{store.url}/x.png", tmp_path / "x")
        assert isinstance(error, Refused)
        assert (error.operator, error.reason) == (True, Reason.IMAGE_HOST_NOT_ALLOWED)
        assert error.detail == f"{store.url}: IMAGE_HOSTS does not name {netloc}"
        assert host not in str(error.values)
    await service.close()


async def test_the_operator_can_also_raise_the_size_limit(store: Store, downloads: Downloads, tmp_path: Path) -> None:
    store.then(image(PICTURE + bytes(200_000)))
    error = await failing(downloads, f"{store.url}/x.png", tmp_path / "x")
    assert isinstance(error, Refused)
    assert error.operator
    assert "IMAGE_MAX_MIB" in error.detail


async def test_a_redirect_loop_ends(store: Store, downloads: Downloads, tmp_path: Path) -> None:
    store.then(redirect("/x.png"))
    assert isinstance(await failing(downloads, f"{store.url}/x.png", tmp_path / "x"), Unreachable)
    assert len(store.asked) <= 6 * ATTEMPTS


@pytest.mark.parametrize(
    "url", ["http://evil.example/x.png", "http://127.0.0.1:1/x.png", "data:image/png;base64,AA", "http://[", ""]
)
async def test_an_address_on_another_host_is_never_requested(
    downloads: Downloads, store: Store, tmp_path: Path, url: str
) -> None:
    store.then(image())
    error = await failing(downloads, url or "http://user@127.0.0.1/", tmp_path / "x")
    assert isinstance(error, Refused)
    assert not store.asked


@pytest.mark.parametrize(("host", "reached"), [("localhost", True), ("images.localhost", False)])
async def test_a_subdomain_that_resolves_to_a_private_network_is_not_reached(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, host: str, reached: bool
) -> None:
    class EveryNameIsHere(aiohttp.ThreadedResolver):
        async def resolve(
            self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
        ) -> list[ResolveResult]:
            return [ResolveResult(hostname=host, host="127.0.0.1", port=port, family=family, proto=0, flags=0)]

    monkeypatch.setattr("bot.providers.http.aiohttp.ThreadedResolver", EveryNameIsHere)
    store.then(image())
    port = store.url.rpartition(":")[2]
    service = Service("Painter", f"http://localhost:{port}", credentials=Credentials.key(SECRET))
    with nullcontext() if reached else pytest.raises(Unreachable):
        await Downloads(service, pause=0).fetch(f"http://{host}:{port}/x.png", tmp_path / "x")
    await service.close()
    assert bool(store.asked) is reached


async def test_an_address_without_a_host_is_resolved_against_the_api(
    store: Store, downloads: Downloads, tmp_path: Path
) -> None:
    store.then(image())
    assert (await downloads.fetch("/storage/x.png", tmp_path / "x")).size == SIZE
    assert store.asked[0].path == "/storage/x.png"


async def test_a_dropped_connection_is_retried(store: Store, downloads: Downloads, tmp_path: Path) -> None:
    async def half() -> AsyncIterator[bytes]:
        yield PICTURE[:100]

    store.then(streaming(half, len(PICTURE)), image())
    assert (await downloads.fetch(f"{store.url}/x.png", tmp_path / "x")).bytes == len(PICTURE)
    assert len(store.asked) == 2


async def test_a_stalled_download_times_out(
    store: Store, downloads: Downloads, tmp_path: Path, pass_time: Callable[[float], None]
) -> None:
    silent = asyncio.Event()

    async def silence() -> AsyncIterator[bytes]:
        yield PICTURE[:100]
        silent.set()
        await asyncio.Event().wait()

    store.then(streaming(silence), image())
    fetching = asyncio.create_task(downloads.fetch(f"{store.url}/x.png", tmp_path / "x"))
    await silent.wait()
    pass_time(1000)
    assert (await fetching).bytes == len(PICTURE)


async def test_a_cancelled_download_leaves_nothing_behind(store: Store, downloads: Downloads, tmp_path: Path) -> None:
    begun = asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        yield PICTURE[:100]
        begun.set()
        await asyncio.Event().wait()

    store.then(streaming(slow))
    fetching = asyncio.create_task(downloads.fetch(f"{store.url}/x.png", tmp_path / "x"))
    await begun.wait()
    fetching.cancel()
    with pytest.raises(asyncio.CancelledError):
        await fetching
    assert not (tmp_path / "x").exists()


async def test_a_disk_error_is_not_blamed_on_the_service(store: Store, downloads: Downloads, tmp_path: Path) -> None:
    store.then(image())
    with pytest.raises(OSError):
        await downloads.fetch(f"{store.url}/x.png", tmp_path / "no such folder" / "x")
    assert len(store.asked) == 1


async def test_inline_bytes_are_written_and_checked(service: Service, tmp_path: Path) -> None:
    kept = await keep(service, PICTURE, tmp_path / "x")
    assert (kept.media_type, kept.size, kept.bytes) == ("image/png", SIZE, len(PICTURE))
    assert (tmp_path / "x").read_bytes() == PICTURE


@pytest.mark.parametrize(
    "data",
    [
        image_variants.HTML,
        image_variants.SVG,
        image_variants.bomb(b""),
        PICTURE[:-8],
        b"",
        random.Random(1).randbytes(200_000),
    ],
    ids=["html", "svg", "bomb", "cut", "empty", "large"],
)
async def test_inline_bytes_that_are_no_image_are_refused(service: Service, tmp_path: Path, data: bytes) -> None:
    with pytest.raises(Refused):
        await keep(service, data, tmp_path / "x", largest=100_000)
    assert not (tmp_path / "x").exists()
