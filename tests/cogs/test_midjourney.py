"""Midjourney as a user sees it: four images at a time, their price, the progress, an engine that is gone."""

from __future__ import annotations

import pytest

from bot.domain.edits import ENGINE_GONE
from bot.domain.engines import IMAGES_TOGETHER
from bot.jobs.provider_text import TEXTS
from bot.providers.errors import Reason
from bot.ui.cards.engines import RETIRED, TOGETHER
from fakes.services import Fault
from fakes.services.answer_edits import state_is
from fakes.services.faults import Rewrite
from fakes.services.version_faults import retired
from storage.records import JobStatus
from tests.cogs.conftest import CONFIRM, MakeStudio, Studio, card, told
from tests.doubles.texts import shows

pytestmark = pytest.mark.slow

VERSIONS = "stablediffusion_text2img, midjourney, dalle2_text2img"


@pytest.fixture
async def studio(make_studio: MakeStudio) -> Studio:
    return await make_studio(AI_CLIENT_VERSIONS=VERSIONS)


async def test_one_command_makes_four_images_for_one_price(studio: Studio) -> None:
    result = await studio.imagine(engine="midjourney", size="16:9", negative="fog")
    await studio.finish()
    assert (await studio.job()).status is JobStatus.DELIVERED
    assert len(card(result).images) == 4
    assert studio.stand_in.charged == 10_000
    (posted,) = studio.stand_in.calls_to("ai-client.entry")
    assert isinstance(posted.body, dict)
    assert posted.body["prompt"] == "a lighthouse --ar 16:9 --no fog"


async def test_a_number_that_it_cannot_make_is_refused_with_the_next_one_as_a_button(studio: Studio) -> None:
    result = await studio.imagine(engine="midjourney", images=2)
    assert shows(told(result).text, IMAGES_TOGETHER(engine="Midjourney", batch=4, numbers=["4", "8"], value="2"))
    assert told(result).private
    assert studio.stand_in.calls == []


async def test_engines_says_that_it_makes_four_at_a_time(studio: Studio) -> None:
    for options in ({}, {"engine": "midjourney"}):
        listed = told(await studio.ada.slash(studio.channel, "engines", **options))
        assert shows(listed.text, TOGETHER(count=4))
    only = told(await studio.ada.slash(studio.channel, "engines", engine="dalle-2"))
    assert not shows(only.text, TOGETHER(count=1))


async def test_the_card_shows_how_far_it_is(make_studio: MakeStudio) -> None:
    studio = await make_studio(seconds=None, AI_CLIENT_VERSIONS=VERSIONS, AI_CLIENT_PATIENCE="86400")
    studio.stand_in.misbehave(
        Fault("ai-client.entries", Rewrite(state_is("processing", waiting=True, percent=31)), None)
    )
    result = await studio.imagine(engine="midjourney")
    await studio.until(lambda: "31%" in card(result).text)
    studio.stand_in.behave()
    studio.stand_in.finish_all()
    await studio.finish()
    assert len(card(result).images) == 4


async def test_an_engine_that_is_gone_says_so_and_costs_nothing(studio: Studio) -> None:
    studio.stand_in.misbehave(retired("midjourney"))
    result = await studio.imagine(engine="midjourney")
    await studio.finish()
    assert shows(card(result).text, TEXTS[Reason.RETIRED](label="ai-client"))
    assert shows(told(await studio.imagine(engine="midjourney")).text, ENGINE_GONE)
    listed = told(await studio.ada.slash(studio.channel, "engines")).text.splitlines()
    assert [line.startswith("**Midjourney") for line in listed if str(RETIRED) in line] == [True]
    only = told(await studio.ada.slash(studio.channel, "engines", engine="midjourney"))
    assert shows(only.text, RETIRED)
    assert len(studio.stand_in.calls) == 1
    other = await studio.imagine(engine="dalle-2")
    await studio.finish()
    assert len(card(other).images) == 1


async def test_a_job_goes_on_after_a_restart(make_studio: MakeStudio) -> None:
    studio = await make_studio(seconds=None, AI_CLIENT_VERSIONS=VERSIONS, AI_CLIENT_PATIENCE="86400")
    await studio.imagine(engine="midjourney")
    await studio.begun("ai-client.entries")
    await studio.restart()
    studio.stand_in.finish_all()
    await studio.finish()
    assert (await studio.job()).status is JobStatus.DELIVERED
    assert len(studio.stand_in.calls_to("ai-client.entry")) == 1


async def test_a_comparison_with_it(studio: Studio) -> None:
    result = await studio.ada.slash(studio.channel, "compare", prompt="a fox", engines="midjourney, dalle-2")
    result = await studio.press(studio.ada, card(result), CONFIRM)
    await studio.finish()
    assert len(card(result).images) == 5


async def test_flags_of_its_own_can_be_written_into_the_prompt(studio: Studio) -> None:
    await studio.imagine(prompt=r"a fox \--v 5 \--ar 3:2 \--repeat 9", engine="midjourney", size="16:9")
    await studio.finish()
    (posted,) = studio.stand_in.calls_to("ai-client.entry")
    assert isinstance(posted.body, dict)
    assert posted.body["prompt"] == "a fox --ar 16:9 --v 5"
    assert (await studio.job()).status is JobStatus.DELIVERED


async def test_a_prompt_of_its_flags_alone_costs_nothing(studio: Studio) -> None:
    result = await studio.imagine(prompt=r"\--v 5 \--tile", engine="midjourney")
    await studio.finish()
    assert shows(card(result).text, TEXTS[Reason.NO_WORDS](label="ai-client"))
    assert studio.stand_in.calls == []
