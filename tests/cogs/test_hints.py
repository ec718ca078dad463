"""The hint about what to try next: below a person's first result, and never again."""

from __future__ import annotations

import pytest

from bot.ui.cards.job_text import TRY_EDIT, TRY_STYLE
from fakes.services import Fault
from fakes.services.faults import Status
from storage import hints
from storage.hints import Hint
from tests.cogs.conftest import BASIC, Studio, card
from tests.doubles.texts import shows

pytestmark = pytest.mark.slow


def hinted(text: str) -> bool:
    return shows(text, TRY_EDIT) or shows(text, TRY_STYLE)


async def seen(studio: Studio, user_id: int) -> bool:
    async with studio.runtime.database.read() as connection:
        return await hints.was_shown(connection, user_id, Hint.FIRST_RESULT)


@pytest.mark.parametrize("private", [False, True])
async def test_the_first_result_says_what_to_try_next_once(studio: Studio, private: bool) -> None:
    first = await studio.imagine(private=private)
    await studio.finish()
    assert shows(card(first).text, TRY_STYLE(style="anime"))
    await studio.restart()
    second = await studio.imagine()
    await studio.finish()
    assert card(second).images
    assert not hinted(card(second).text)
    # Ben has not seen it.
    his = await studio.imagine(studio.ben)
    await studio.finish()
    assert hinted(card(his).text)


async def test_no_style_is_suggested_to_somebody_who_used_one(studio: Studio) -> None:
    result = await studio.imagine(engine=BASIC, style="anime")
    await studio.finish()
    assert shows(card(result).text, TRY_EDIT)
    assert not shows(card(result).text, TRY_STYLE)


async def test_a_failure_does_not_count(studio: Studio) -> None:
    studio.stand_in.misbehave(Fault("aithriving.core", Status(400)))
    failed = await studio.imagine()
    await studio.finish()
    assert not card(failed).images
    assert not hinted(card(failed).text)
    assert not await seen(studio, studio.ada.id)


async def test_several_first_results_at_once_show_one_hint(slow_studio: Studio) -> None:
    studio = slow_studio
    results = [await studio.imagine(prompt=f"fox {number}") for number in range(3)]
    await studio.begun(count=3)
    studio.stand_in.finish_all()
    await studio.finish()
    assert [bool(card(result).images) for result in results] == [True] * 3
    assert sum(hinted(card(result).text) for result in results) == 1


async def test_after_a_deletion_of_everything_a_person_is_new(studio: Studio) -> None:
    await studio.imagine()
    await studio.finish()
    assert await seen(studio, studio.ada.id)
    await studio.runtime.privacy.delete(studio.ada.id)
    assert not await seen(studio, studio.ada.id)
    result = await studio.imagine()
    await studio.finish()
    assert hinted(card(result).text)
