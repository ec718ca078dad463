"""A service on loopback that receives forms with files and JSON, and returns the responses that a test sets."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import BodyPartReader, web

from bot.providers.aithriving import Aithriving
from bot.providers.base import Finished, ImageRequest
from bot.providers.operations import PictureFile, Pictures, Size
from tests.doubles.provider import png
from tests.providers.workbench import SECRET, make_aithriving

SMALL = Size(64, 64)


@dataclass(frozen=True)
class File:
    """A file in a form, as it was received."""

    name: str
    media_type: str
    data: bytes = field(repr=False)


@dataclass(frozen=True)
class Received:
    """One request. ``files`` and ``fields`` are by field name; for JSON, ``fields`` are the values of the object."""

    path: str
    headers: Mapping[str, str]
    fields: Mapping[str, Any]
    files: Mapping[str, File]


def success(image: bytes = b"", **more: object) -> web.Response:
    data = {"image": b64encode(image or png(size=Size(64, 64))).decode(), "seed": 7} | more
    return web.json_response({"code": 0, "message": "success", "data": data})


def failure(message: object, status: int = 200) -> web.Response:
    return web.json_response({"code": -1, "message": message, "data": None}, status=status)


def page(status: int) -> web.Response:
    return web.Response(status=status, text="<html><h1>Nothing here</h1></html>", content_type="text/html")


class FormServer:
    """Answers with ``answers`` in order, then with successes. ``by_path`` overrides both for some paths."""

    def __init__(self) -> None:
        self.url = ""
        self.answers: list[web.Response] = []
        self.by_path: dict[str, web.Response] = {}
        self.calls: list[Received] = []

    async def handle(self, request: web.Request) -> web.StreamResponse:
        assert request.headers["Authorization"] == SECRET
        self.calls.append(await _received(request))
        if request.path in self.by_path:
            fixed = self.by_path[request.path]
            return web.Response(status=fixed.status, body=fixed.body, content_type=fixed.content_type)
        return self.answers.pop(0) if self.answers else success()


async def _received(request: web.Request) -> Received:
    fields: dict[str, Any] = {}
    files: dict[str, File] = {}
    if request.content_type == "application/json":
        fields = await request.json()
    else:
        assert request.content_type == "multipart/form-data"
        async for part in await request.multipart():
            assert isinstance(part, BodyPartReader)
            assert part.name is not None
            assert part.name not in {*fields, *files}
            data = bytes(await part.read())
            if part.filename is None:
                fields[part.name] = data.decode()
            else:
                files[part.name] = File(part.filename, part.headers["Content-Type"], data)
    return Received(request.path, dict(request.headers), fields, files)


@asynccontextmanager
async def form_server() -> AsyncIterator[FormServer]:
    server = FormServer()
    app = web.Application(client_max_size=64 << 20)
    app.router.add_route("*", "/{path:.*}", server.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    server.url = f"http://{host}:{port}"
    try:
        yield server
    finally:
        await runner.cleanup()


@asynccontextmanager
async def aithriving_at(server: FormServer, **options: Any) -> AsyncIterator[Aithriving]:
    provider = make_aithriving(server.url, **options)
    try:
        yield provider
    finally:
        await provider.close()


def picture_file(folder: Path, name: str = "picture", size: Size = SMALL, data: bytes = b"") -> PictureFile:
    """A PNG in this folder that is ready to be uploaded."""
    path = folder / name
    path.write_bytes(data or png(size=size))
    return PictureFile(path, "image/png", size, path.stat().st_size)


def pictures(folder: Path, *, mask: bool = False, size: Size = SMALL) -> Pictures:
    return Pictures(picture_file(folder, size=size), picture_file(folder, "mask", size) if mask else None)


async def made_from(provider: Aithriving, request: ImageRequest, files: Pictures | None) -> Finished:
    return await provider.submit(await provider.prepare(request), request, files)
