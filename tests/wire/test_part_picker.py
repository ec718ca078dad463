"""Marking a part of a picture faster than Discord shows it."""

from __future__ import annotations

import pytest

from bot.domain.areas import Area
from bot.ui.cards.part_picker import FINER
from fakes.discord.people import Person
from fakes.discord.seen import Seen
from tests.wire.house import House


def marked(seen: Seen) -> set[str]:
    return {each["value"] for menu in seen.choices for each in menu["options"] if each.get("default")}


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
