"""The first answer does not wait for the download of an attachment."""

from __future__ import annotations

import asyncio

import discord
import pytest

from fakes.discord.model import Upload
from fakes.discord.people import Person
from storage.records import JobStatus
from tests.doubles.photos import photo, scene
from tests.wire.house import House

pytestmark = pytest.mark.slow

BASIC, ROUTE = "aithriving/sd-1.6", "aithriving.basic.image_to_image"


@pytest.mark.parametrize("name", ["imagine", "edit vary"])
async def test_a_slow_download_does_not_delay_the_first_answer(
    home: House, ada: Person, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    go, real = asyncio.Event(), discord.Attachment.read

    async def read(self: discord.Attachment, *, use_cached: bool = False) -> bytes:
        await go.wait()
        return await real(self, use_cached=use_cached)

    monkeypatch.setattr(discord.Attachment, "read", read)
    upload = Upload(0, "photo.jpg", photo("JPEG", scene((640, 480))))
    typed = await ada.slash(home.channel, name, prompt="a fox", engine=BASIC, picture=upload)
    await typed.acknowledged()
    assert home.services.calls == []
    go.set()
    await home.services.called(ROUTE)
    home.services.finish_all()
    assert (await home.done()).status is JobStatus.DELIVERED
