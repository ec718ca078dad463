"""Attachments are received in turn, in a bounded time and number."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, cast

import discord
import pytest

from bot.domain.pictures import SourceKind, SourcePicture
from bot.domain.place import Origin
from bot.errors import UserError
from bot.jobs.sources import Download, Sources
from bot.ui import pictures
from bot.ui.pictures import NOT_DOWNLOADED, TOO_MANY_AT_ONCE, Attachments
from storage.pools import Pools
from tests.doubles.texts import codes

ADA = Origin(user_id=7, user_name="Ada", server_id=1, channel_id=2, file_limit=10 << 20)
BEN = Origin(user_id=8, user_name="Ben", server_id=1, channel_id=2, file_limit=10 << 20)


class Attachment:
    """An attachment whose download ends when ``go`` is set."""

    content_type, width, height = "image/png", 64, 64

    def __init__(self, go: asyncio.Event, size: int = 4) -> None:
        self.size = size
        self.go = go
        self.reading = False

    async def read(self) -> bytes:
        self.reading = True
        await self.go.wait()
        self.reading = False
        return b"data"


class Folder:
    """Stores downloads as they are, in place of the part that decodes them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    async def receive(self, user_id: int, download: Download, **_: Any) -> SourcePicture:
        await download(self.folder / f"{user_id}")
        return SourcePicture(1, SourceKind.ATTACHED, 64, 64)


@pytest.fixture
def attachments(tmp_path: Path, pools: Pools) -> Attachments:
    return Attachments(cast("Sources", Folder(tmp_path)), pools.files)


async def receive(attachments: Attachments, origin: Origin, attachment: Attachment) -> SourcePicture:
    return await attachments.incoming(origin, cast("discord.Attachment", attachment)).receive()


async def settled() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_one_person_cannot_hold_up_others(attachments: Attachments) -> None:
    go = asyncio.Event()
    many, other = [Attachment(go) for _ in range(10)], Attachment(go)
    tasks = [asyncio.create_task(receive(attachments, ADA, each)) for each in many]
    tasks.append(asyncio.create_task(receive(attachments, BEN, other)))
    await settled()
    assert sum(each.reading for each in many) == pictures.AT_ONCE_OF_EACH
    assert other.reading
    go.set()
    assert len(await asyncio.gather(*tasks)) == 11
    assert attachments._queues == {}


async def test_of_50_at_once_by_one_person_the_last_are_refused(attachments: Attachments) -> None:
    go = asyncio.Event()
    tasks = [asyncio.create_task(receive(attachments, ADA, Attachment(go))) for _ in range(50)]
    await settled()
    refused = [task.exception() for task in tasks if task.done()]
    assert len(refused) == 50 - pictures.WAITING_OF_EACH
    assert all(isinstance(error, UserError) and codes(error) == [TOO_MANY_AT_ONCE.code] for error in refused)
    go.set()
    await asyncio.gather(*tasks, return_exceptions=True)
    await receive(attachments, ADA, Attachment(go))


async def test_large_ones_are_downloaded_one_after_the_other(attachments: Attachments) -> None:
    go = asyncio.Event()
    large, small = [Attachment(go, size=9 << 20) for _ in range(3)], Attachment(go)
    origins = [ADA, ADA, BEN, BEN]
    tasks = [asyncio.create_task(receive(attachments, *each)) for each in zip(origins, [*large, small], strict=True)]
    await settled()
    assert [each.reading for each in large] == [True, False, False]
    assert small.reading
    go.set()
    await asyncio.gather(*tasks)


@pytest.mark.parametrize("size", [4, 9 << 20])
async def test_a_download_that_does_not_end_is_given_up(
    attachments: Attachments, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    monkeypatch.setattr(pictures, "DOWNLOAD_SECONDS", 0.0)
    with pytest.raises(UserError) as caught:
        await receive(attachments, ADA, Attachment(asyncio.Event(), size))
    assert codes(caught.value) == [NOT_DOWNLOADED.code]
    go = asyncio.Event()
    go.set()
    monkeypatch.undo()
    await receive(attachments, ADA, Attachment(go, size))
