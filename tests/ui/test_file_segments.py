"""Files that consist of pieces: reading and uploading them."""

from __future__ import annotations

import io
import os
from pathlib import Path

import aiohttp
import discord
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from hypothesis import given
from hypothesis import strategies as st

from bot.ui.delivery.file_segments import Piece, Spliced
from storage.pools import Pool

THREADS = Pool("files of a test", 1)
STORED = bytes(range(256)) * 16
PLACES = st.tuples(st.integers(0, len(STORED)), st.integers(0, len(STORED))).map(lambda ends: range(*sorted(ends)))


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("stored") / "1.png"
    file.write_bytes(STORED)
    return file


def whole(pieces: list[Piece]) -> bytes:
    return b"".join(STORED[p.start : p.stop] if isinstance(p, range) else p for p in pieces)


@given(
    pieces=st.lists(PLACES | st.binary(max_size=40), max_size=6),
    steps=st.lists(st.tuples(st.none() | st.integers(0, 5000), st.integers(-1, 3000)), max_size=8),
)
def test_the_pieces_read_like_one_file(stored: Path, pieces: list[Piece], steps: list[tuple[int | None, int]]) -> None:
    spliced, plain = Spliced(stored, pieces, THREADS), io.BytesIO(whole(pieces))
    for place, size in steps:
        if place is not None:
            inside = min(place, len(plain.getvalue()))
            assert spliced.seek(inside) == plain.seek(inside)
        assert spliced.read(size) == plain.read(size)
        assert spliced.tell() == plain.tell()
    assert spliced.size == len(plain.getvalue())


def test_seek_works_from_start_end_and_current_position(stored: Path) -> None:
    spliced = Spliced(stored, [b"head", range(10)], THREADS)
    assert spliced.seek(-3, os.SEEK_END) == 11
    assert spliced.seek(1, os.SEEK_CUR) == 12
    assert spliced.read() == STORED[8:10]
    assert spliced.seek(99) == 14
    assert spliced.read() == b""


def test_a_missing_or_shorter_file_raises_an_error(tmp_path: Path) -> None:
    file = tmp_path / "1.png"
    file.write_bytes(b"12345")
    spliced = Spliced(file, [range(10)], THREADS)
    with pytest.raises(OSError, match="shorter"):
        spliced.read()
    file.unlink()
    with pytest.raises(FileNotFoundError):
        spliced.read()


async def test_each_upload_has_a_length_and_starts_at_the_beginning(tmp_path: Path) -> None:
    file = tmp_path / "1.png"
    file.write_bytes(os.urandom(3 * 2**20))
    bodies: list[tuple[bytes, bool]] = []

    async def take(request: web.Request) -> web.Response:
        told = request.content_length is not None
        async for part in await request.multipart():
            assert isinstance(part, aiohttp.BodyPartReader)
            bodies.append((bytes(await part.read()), told))
        return web.Response()

    app = web.Application(client_max_size=2**23)
    app.router.add_post("/", take)
    upload = discord.File(Spliced(file, [b"head", range(8, 3 * 2**20)], THREADS), filename="1.png")
    async with TestServer(app) as server, aiohttp.ClientSession() as session:
        for again in range(2):
            upload.reset(seek=again)
            form = aiohttp.FormData(quote_fields=False)
            form.add_field("files[0]", upload.fp, filename="1.png")
            async with session.post(server.make_url("/"), data=form) as response:
                assert response.status == 200
    assert bodies == [(b"head" + file.read_bytes()[8:], True)] * 2
