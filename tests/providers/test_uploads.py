"""Forms with files: what arrives, and what an interrupted upload means."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp.abc import AbstractStreamWriter

from bot.providers.answers import Answer
from bot.providers.credentials import Credentials
from bot.providers.errors import OutcomeUnknown, Unreachable
from bot.providers.http import Service
from bot.providers.uploads import FilePart, Form
from tests.providers.form_server import form_server
from tests.providers.workbench import SECRET, raw_server, refusal

BIG = 3 << 20


def file_part(folder: Path, name: str = "image", data: bytes = b"picture") -> FilePart:
    path = folder / f"{name}-of-ada"
    path.write_bytes(data)
    return FilePart(name, path, "image/webp", len(data))


async def post(url: str, form: Form, **options: Any) -> Answer:
    service = Service("Painter", url, credentials=Credentials.key(SECRET))
    try:
        return await service.call("POST", "/x", paid=True, multipart=form, **options)
    finally:
        await service.close()


async def test_fields_and_files_arrive_as_they_are(tmp_path: Path) -> None:
    data = bytes(range(256)) * 4096
    fields = (("prompt", "Ünï 漢字\r\n--x 🎨"), ("seed", "7"))
    form = Form(fields, (file_part(tmp_path, data=data), file_part(tmp_path, "mask")))
    async with form_server() as server:
        assert (await post(server.url, form)).ok
    (call,) = server.calls
    assert call.fields == dict(fields)
    assert {name: file.data for name, file in call.files.items()} == {"image": data, "mask": b"picture"}
    assert call.files["image"].media_type == "image/webp"
    assert int(call.headers["Content-Length"]) == form.size
    assert "Transfer-Encoding" not in call.headers


async def test_the_name_of_the_file_is_not_sent(tmp_path: Path) -> None:
    async with form_server() as server:
        await post(server.url, Form((), (file_part(tmp_path),)))
    assert server.calls[0].files["image"].name == "image.webp"


async def test_a_file_is_read_in_chunks_by_the_given_threads(tmp_path: Path) -> None:
    part = file_part(tmp_path, data=bytes(BIG))
    chunks: list[int] = []

    async def in_thread(read: Callable[[int], bytes], start: int) -> bytes:
        chunk = read(start)
        chunks.append(len(chunk))
        return chunk

    written = bytearray()

    class Writer(AbstractStreamWriter):
        async def write(self, chunk: Any) -> None:
            written.extend(chunk)

        async def write_eof(self, chunk: bytes = b"") -> None: ...
        async def drain(self) -> None: ...
        def enable_compression(self, encoding: str = "deflate", strategy: int | None = None) -> None: ...
        def enable_chunking(self) -> None: ...
        async def write_headers(self, status_line: str, headers: Any) -> None: ...

    form = Form((), (part,))
    await form.encoded(in_thread).write(Writer())
    assert len(written) == form.size
    assert max(chunks) <= BIG // 4


@pytest.mark.parametrize("problem", ["gone", "shorter", "longer"])
async def test_a_file_that_changed_is_not_sent_at_all(tmp_path: Path, problem: str) -> None:
    part = file_part(tmp_path)
    if problem == "gone":
        part.path.unlink()
    else:
        part.path.write_bytes(b"pic" if problem == "shorter" else b"pictures")
    async with form_server() as server:
        error = await refusal(post(server.url, Form((), (part,))))
    assert type(error) is Unreachable
    assert not server.calls
    assert "ada" not in error.detail


Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def reading(amount: int) -> Talk:
    """Read the head and this many bytes of the body, then close the connection without an answer."""

    async def talk(incoming: asyncio.StreamReader, outgoing: asyncio.StreamWriter) -> None:
        await incoming.readuntil(b"\r\n\r\n")
        await incoming.readexactly(amount)

    return talk


async def test_an_upload_that_broke_off_was_not_accepted(tmp_path: Path) -> None:
    form = Form((("prompt", "x"),), (file_part(tmp_path, data=bytes(8 << 20)),))
    async with raw_server(reading(1000)) as url:
        assert type(await refusal(post(url, form))) is Unreachable


async def test_an_upload_that_stalls_was_not_accepted(tmp_path: Path, pass_time: Callable[[float], None]) -> None:
    started = asyncio.Event()

    async def talk(incoming: asyncio.StreamReader, outgoing: asyncio.StreamWriter) -> None:
        await incoming.readuntil(b"\r\n\r\n")
        started.set()
        await asyncio.Event().wait()

    form = Form((("prompt", "x"),), (file_part(tmp_path, data=bytes(32 << 20)),))
    async with raw_server(talk) as url:
        call = asyncio.create_task(refusal(post(url, form)))
        await started.wait()
        pass_time(1000)
        assert type(await call) is Unreachable


async def test_a_complete_upload_without_an_answer_may_have_been_accepted(tmp_path: Path) -> None:
    form = Form((("prompt", "x"),), (file_part(tmp_path, data=bytes(BIG)),))
    async with raw_server(reading(form.size)) as url:
        assert type(await refusal(post(url, form))) is OutcomeUnknown


async def test_an_answer_that_breaks_off_may_follow_an_accepted_upload(tmp_path: Path) -> None:
    async def talk(incoming: asyncio.StreamReader, outgoing: asyncio.StreamWriter) -> None:
        await incoming.readuntil(b"\r\n\r\n")
        outgoing.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")
        await outgoing.drain()

    form = Form((("prompt", "x"),), (file_part(tmp_path, data=bytes(BIG)),))
    async with raw_server(talk) as url:
        assert type(await refusal(post(url, form))) is OutcomeUnknown


async def test_an_early_refusal_is_read(tmp_path: Path) -> None:
    """A server may refuse a form by its length, and read the rest only to be polite."""

    async def talk(incoming: asyncio.StreamReader, outgoing: asyncio.StreamWriter) -> None:
        await incoming.readuntil(b"\r\n\r\n")
        outgoing.write(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await outgoing.drain()
        while await incoming.read(1 << 16):
            pass

    form = Form((("prompt", "x"),), (file_part(tmp_path, data=bytes(8 << 20)),))
    async with raw_server(talk) as url:
        assert (await post(url, form)).status == 413
