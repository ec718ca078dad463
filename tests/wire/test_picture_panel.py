"""The panel of a picture on the loopback Discord: everywhere, with the real services, and while pictures are slow."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import discord as library
import pytest

from bot.jobs.panel_pictures import PanelPictures
from bot.ui import picture_panel
from bot.ui.attached_files import Sheet, fill
from bot.ui.cards.picture_panel import HOW_TO_EXTEND
from bot.ui.client import Interaction
from fakes.discord.model import Channel
from fakes.discord.people import Person
from storage.records import JobStatus
from tests.doubles.texts import shows
from tests.wire.house import House

VARY_ROUTE = "aithriving.basic.image_to_image"
PLACES: list[Callable[[House, Person], Channel]] = [
    lambda home, _: home.channel,
    lambda _, ada: ada.dm,
    lambda home, ada: home.discord.group(ada, home.discord.user("ben")),
    lambda home, _: home.discord.guild("Elsewhere", bot_present=False).channel("lounge"),
]


@pytest.fixture
def ada(home: House) -> Person:
    """A person who has installed the app for herself."""
    return home.discord.user("ada", installed_app=True)


@pytest.mark.slow
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("private", [False, True])
async def test_an_image_is_varied_everywhere(
    home: House, ada: Person, place: Callable[[House, Person], Channel], private: bool
) -> None:
    asked = await home.begun(ada, place(home, ada), private=private)
    await home.done()
    result = await asked.until(lambda seen: bool(seen.pictures))
    panel = await (await ada.press(result, "Edit picture")).answered()
    assert panel.private
    await ada.watches(panel, lambda seen: len(seen.pictures) == 1)
    label = next(each for each in panel.labels if each.startswith("Vary a little"))
    varied = await ada.press(panel, label)
    await varied.acknowledged()
    await home.services.called(VARY_ROUTE, 1)
    assert (await home.done(2)).status is JobStatus.DELIVERED
    (call,) = home.services.calls_to(VARY_ROUTE)
    assert call.files.keys() == {"init_image"}
    assert (await varied.until(lambda seen: bool(seen.pictures))).private is private


async def test_the_panel_does_not_wait_for_a_slow_picture(
    home: House, ada: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = asyncio.Event()
    draw = PanelPictures.of

    async def slow(pictures: PanelPictures, file: Path) -> bytes | None:
        await drawn.wait()
        return await draw(pictures, file)

    monkeypatch.setattr(PanelPictures, "of", slow)
    monkeypatch.setattr(picture_panel, "PATIENCE", 0)
    asked = await home.begun(ada)
    await home.done()
    result = await asked.until(lambda seen: bool(seen.pictures))
    first, second = [await (await ada.press(result, "Edit picture")).answered() for _ in range(2)]
    assert (first.pictures, second.pictures) == ((), ())
    label = next(each for each in first.labels if each.startswith("Extend"))
    await ada.press(first, label)
    await ada.watches(first, lambda seen: shows(seen.text, HOW_TO_EXTEND))
    drawn.set()
    await ada.watches(second, lambda seen: len(seen.pictures) == 1)
    choices = await ada.watches(first, lambda seen: len(seen.pictures) == 1)
    assert shows(choices.text, HOW_TO_EXTEND), "the panel does not come back"


async def test_a_picture_that_is_drawn_while_the_panel_is_sent_is_added(
    home: House, ada: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawings: list[asyncio.Task[bytes | None]] = []
    draw = PanelPictures.of

    async def slow(pictures: PanelPictures, file: Path) -> bytes | None:
        if drawings:
            return await asyncio.shield(drawings[0])
        drawings.append(asyncio.create_task(draw(pictures, file)))
        await asyncio.Event().wait()
        raise AssertionError("nothing sets this event")

    async def sent(interaction: Interaction, sheet: Sheet) -> library.Message:
        await drawings[0]
        return await fill(interaction, sheet)

    monkeypatch.setattr(PanelPictures, "of", slow)
    monkeypatch.setattr(picture_panel, "fill", sent)
    monkeypatch.setattr(picture_panel, "PATIENCE", 0.001)
    asked = await home.begun(ada)
    await home.done()
    result = await asked.until(lambda seen: bool(seen.pictures))
    panel = await (await ada.press(result, "Edit picture")).answered()
    await ada.watches(panel, lambda seen: len(seen.pictures) == 1)


async def test_panels_come_before_pictures(home: House, ada: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    """A picture is neither drawn nor added while another panel is being sent."""
    held, holding, drawn = asyncio.Event(), asyncio.Event(), list[Path]()
    draw = PanelPictures.of

    async def noted(pictures: PanelPictures, file: Path) -> bytes | None:
        drawn.append(file)
        return await draw(pictures, file)

    async def held_back(interaction: Interaction, sheet: Sheet) -> library.Message:
        if not holding.is_set():
            holding.set()
            await held.wait()
        return await fill(interaction, sheet)

    first = await home.begun(ada)
    await home.done()
    second = await home.begun(ada)
    await home.done(2)
    results = [await asked.until(lambda seen: bool(seen.pictures)) for asked in (first, second)]
    monkeypatch.setattr(PanelPictures, "of", noted)
    monkeypatch.setattr(picture_panel, "fill", held_back)
    monkeypatch.setattr(picture_panel, "HELD_BACK", 60)
    slow = await ada.press(results[0], "Edit picture")
    await holding.wait()
    panel = await (await ada.press(results[1], "Edit picture")).answered()
    assert panel.pictures == ()
    assert len(drawn) == 1
    held.set()
    await ada.watches(panel, lambda seen: len(seen.pictures) == 1)
    assert len((await slow.answered()).pictures) == 1
