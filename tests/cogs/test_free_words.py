"""What people read about images that cost nothing: the cards say that they are free, and never "0 credits"."""

from __future__ import annotations

import re

import pytest

from bot.domain.money import FREE
from bot.providers.errors import Reason, Refused
from bot.providers.operations import Operation
from bot.text import credits_text
from bot.ui.cards.usage import GIVEN_BACK, SPENT
from storage.reports import By
from tests.cogs.conftest import MakeStudio, Shown, Studio, card, told
from tests.doubles.free_provider import FreeProvider
from tests.doubles.texts import shows

BRUSH = "scripted/brush"
NOTHING = re.compile(rf"(?<![\d.,]){re.escape(str(credits_text(0)))}")


@pytest.fixture
def provider() -> FreeProvider:
    return FreeProvider(edits=[Operation.IMAGE_TO_IMAGE])


@pytest.fixture
async def studio(make_studio: MakeStudio, provider: FreeProvider) -> Studio:
    """A studio where the admin has two images of a free engine."""
    studio = await make_studio(providers=[provider])
    await studio.imagine(studio.admin, engine=BRUSH, images=2)
    await studio.finish()
    return studio


def says_free(shown: Shown) -> bool:
    """Whether the card says that something is free, and not that it costs "0 credits". Totals may be "0 credits"."""
    words = "\n".join([shown.text, *shown.labels]).replace(str(SPENT(spent=0)), "")
    return str(FREE) in words and NOTHING.search(words) is None


@pytest.mark.parametrize(
    ("command", "options"),
    [
        ("history", {}),
        ("thread list", {}),
        ("thread show", {}),
        ("engines", {"engine": BRUSH}),
        ("engines", {}),
        ("usage report", {"by": By.ENGINE.value}),
        ("usage report", {"by": By.USER.value}),
    ],
)
async def test_lists_and_reports(studio: Studio, command: str, options: dict[str, str]) -> None:
    assert says_free(told(await studio.admin.slash(studio.channel, command, **options)))


async def test_a_result_and_its_details(studio: Studio) -> None:
    result = await studio.imagine(prompt="a {red, blue} car", engine=BRUSH)
    await studio.finish()
    assert len(card(result).images) == 2, "there is no price to confirm"
    assert says_free(card(result))
    assert says_free(told(await studio.press(studio.ada, card(result), "Details")))


async def test_the_offers_of_a_refusal(studio: Studio) -> None:
    refused = told(await studio.imagine(engine=BRUSH, size="3x3"))
    assert says_free(refused)


async def test_nothing_is_given_back_for_what_failed(studio: Studio, provider: FreeProvider) -> None:
    provider.enqueue("submit", Refused(Reason.MODERATED))
    await studio.imagine(engine=BRUSH)
    await studio.finish()
    said = told(await studio.admin.slash(studio.channel, "usage report")).text
    assert not shows(said, GIVEN_BACK)
