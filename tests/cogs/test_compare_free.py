"""/compare between engines that cost nothing, and between those and engines that charge."""

from __future__ import annotations

import pytest
import simcord

from bot.domain.money import FREE
from bot.jobs.limits import TOO_MANY_FREE, LimitKind
from bot.providers.errors import Reason, Refused
from bot.ui.cards.job import FREE_FAILURE
from bot.ui.cards.layout import facts
from storage.reconcile import reconcile
from tests.cogs.conftest import CONFIRM, CORE, MakeStudio, Studio, card, told
from tests.cogs.test_quota import EVERYONE, quota
from tests.doubles.free_provider import FreeProvider
from tests.doubles.texts import shows

ONE, TWO = "one/brush", "two/brush"


@pytest.fixture
def providers() -> list[FreeProvider]:
    return [FreeProvider(name="one"), FreeProvider(name="two")]


@pytest.fixture
async def studio(make_studio: MakeStudio, providers: list[FreeProvider]) -> Studio:
    return await make_studio(providers=providers)


async def compare(studio: Studio, *engines: str, **options: object) -> simcord.InteractionResult:
    result = await studio.ada.slash(studio.channel, "compare", prompt="a fox", engines=", ".join(engines), **options)
    await studio.finish()
    return result


async def test_what_is_free_is_made_at_once(studio: Studio, providers: list[FreeProvider]) -> None:
    result = await compare(studio, ONE, TWO)
    shown = card(result)
    assert not shown.private
    assert len(shown.images) == 2
    assert [provider.calls("submit") for provider in providers] == [1, 1]
    lines = [line for line in shown.text.splitlines() if "Brush" in line and str(FREE) in line]
    assert len(lines) == 2
    await studio.press(studio.ada, shown, "Again")
    await studio.finish()
    assert [provider.calls("submit") for provider in providers] == [2, 2]


async def test_a_private_one_is_private_from_the_start(studio: Studio) -> None:
    shown = card(await compare(studio, ONE, TWO, private=True))
    assert shown.private
    assert len(shown.images) == 2


async def test_with_one_that_charges_its_price_is_confirmed_first(
    studio: Studio, providers: list[FreeProvider]
) -> None:
    result = await compare(studio, ONE, CORE)
    shown = card(result)
    assert shown.labels[0].startswith(CONFIRM)
    assert facts("**Brush**", "512x512", FREE) in shown.text
    assert providers[0].calls("submit") == 0
    result = await studio.press(studio.ada, shown, CONFIRM)
    await studio.finish()
    shown = card(result)
    assert len(shown.images) == 2
    assert facts("1024x1024", "6 credits") in shown.text
    async with studio.runtime.database.read() as connection:
        books = await reconcile(connection)
    assert books.differences == []
    assert (books.totals.spent, books.totals.in_flight) == (6000, 0)


async def test_one_that_fails_does_not_keep_the_others_from_being_shown(
    studio: Studio, providers: list[FreeProvider]
) -> None:
    providers[0].enqueue("submit", Refused(Reason.MODERATED))
    shown = card(await compare(studio, ONE, TWO))
    assert len(shown.images) == 1
    assert shows(shown.text, FREE_FAILURE)


async def test_the_limit_on_free_images_counts_free_engines_alone(studio: Studio) -> None:
    await quota(studio, "set", free_images=1, **EVERYONE)
    refused = told(await compare(studio, ONE, TWO))
    assert shows(refused.text, TOO_MANY_FREE[LimitKind.FREE_USER])
    assert card(await compare(studio, ONE, CORE)).labels[0].startswith(CONFIRM)


async def test_without_engines_the_services_take_turns(studio: Studio) -> None:
    await studio.ada.slash(studio.channel, "compare", prompt="a fox")
    engines = (await studio.job()).options["engines"]
    assert sorted(engines[:2]) == [ONE, TWO]
