"""Marking a part of a picture faster than Discord shows it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest

from bot.domain.areas import Area
from bot.jobs.panel_pictures import PanelPictures
from bot.pictures import grids
from bot.ui import picture_panel
from bot.ui.cards.part_buttons import FINER
from bot.ui.cards.picture_buttons import BACK_TO_PICTURE
from fakes.discord.model import Channel
from fakes.discord.people import Person
from fakes.discord.seen import Seen
from storage.records import JobStatus
from tests.wire.house import House
from tests.wire.test_picture_panel import PLACES

pytestmark = pytest.mark.slow


def marked(seen: Seen) -> set[str]:
    return {each["value"] for menu in seen.choices for each in menu["options"] if each.get("default")}


async def handled() -> None:
    """Wait until the bot has handled all presses."""
    under_way = [task for task in asyncio.all_tasks() if task.get_name().startswith("discord-ui")]
    await asyncio.gather(*under_way)


def starting(seen: Seen, label: str) -> str:
    return next(each for each in seen.labels if each.startswith(label))


@pytest.fixture
async def finer(home: House, ada: Person) -> Seen:
    """The card with the finer grid."""
    asked = await home.begun(ada)
    await home.done()
    result = await asked.until(lambda seen: bool(seen.pictures))
    panel = await (await ada.press(result, "Edit picture")).answered()
    await ada.press(panel, starting(panel, "Change a part"))
    coarse = await ada.watches(panel, lambda seen: len(seen.choices) == 1)
    await ada.press(coarse, str(FINER.label))
    return await ada.watches(panel, lambda seen: len(seen.choices) == 4)


@pytest.mark.slow
@pytest.mark.parametrize("place", PLACES)
async def test_a_part_is_erased_everywhere(home: House, place: Callable[[House, Person], Channel]) -> None:
    ada = home.discord.user("ada", installed_app=True)
    asked = await home.begun(ada, place(home, ada))
    await home.done()
    result = await asked.until(lambda seen: bool(seen.pictures))
    panel = await (await ada.press(result, "Edit picture")).answered()
    await ada.press(panel, starting(panel, "Erase a part"))
    shown = await ada.watches(panel, lambda seen: len(seen.choices) == 1)
    await ada.choose(shown, "6", "7")
    shown = await ada.watches(shown, lambda seen: marked(seen) == {"6", "7"})
    assert shown.private
    erased = await ada.press(shown, starting(shown, "Erase"))
    await erased.acknowledged()
    await home.services.called("aithriving.erase")
    assert (await home.done(2)).status is JobStatus.DELIVERED
    (call,) = home.services.calls_to("aithriving.erase")
    assert call.files.keys() == {"image", "mask"}


async def test_choices_in_all_menus_at_once_are_all_marked(home: House, ada: Person, finer: Seen) -> None:
    edits = finer.edits
    for menu, cell in zip(finer.choices, ("1", "5", "33", "37"), strict=True):
        await ada.choose(finer, cell, custom_id=menu["custom_id"])
    seen = await ada.watches(finer, lambda seen: len(marked(seen)) == 4)
    assert marked(seen) == {"1", "5", "33", "37"}
    assert seen.edits - edits < 4, "states that are out of date are not shown"


async def test_what_was_chosen_last_is_erased_even_if_it_is_not_shown_yet(
    home: House, ada: Person, finer: Seen
) -> None:
    await ada.choose(finer, "1", custom_id=finer.choices[0]["custom_id"])
    seen = await ada.watches(finer, lambda seen: marked(seen) == {"1"})
    await ada.choose(seen, "2", custom_id=seen.choices[0]["custom_id"])
    await ada.press(seen, starting(seen, "Erase"))
    await home.services.called("aithriving.erase")
    await home.done(2)
    view = await home.runtime.jobs.view(2)
    assert view.requests[0].area == str(Area.of(8, [2]))


async def test_a_grid_that_is_drawn_too_late_does_not_replace_the_panel(
    home: House, ada: Person, finer: Seen, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, finish = threading.Event(), threading.Event()
    draw = grids.grid_picture

    def slow(base: bytes, area: Area) -> bytes:
        begun.set()
        finish.wait()
        return draw(base, area)

    monkeypatch.setattr(grids, "grid_picture", slow)
    await ada.choose(finer, "1", custom_id=finer.choices[0]["custom_id"])
    await asyncio.to_thread(begun.wait)
    await ada.press(finer, str(BACK_TO_PICTURE.label))
    await ada.watches(finer, lambda seen: not seen.choices)
    finish.set()
    await handled()
    seen = await ada.watches(finer, lambda seen: bool(seen.labels))
    assert not seen.choices


async def test_a_panel_whose_picture_is_drawn_too_late_does_not_replace_the_grid(
    home: House, ada: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn, calls = asyncio.Event(), count()
    draw = PanelPictures.of

    async def slow_at_first(pictures: PanelPictures, file: Path) -> bytes | None:
        if next(calls) == 0:
            await drawn.wait()
        return await draw(pictures, file)

    monkeypatch.setattr(PanelPictures, "of", slow_at_first)
    monkeypatch.setattr(picture_panel, "PATIENCE", 0)
    asked = await home.begun(ada)
    await home.done()
    result = await asked.until(lambda seen: bool(seen.pictures))
    panel = await (await ada.press(result, "Edit picture")).answered()
    await ada.press(panel, starting(panel, "Change a part"))
    await ada.watches(panel, lambda seen: len(seen.choices) == 1)
    drawn.set()
    await handled()
    seen = await ada.watches(panel, lambda seen: bool(seen.pictures))
    assert len(seen.choices) == 1
