"""A service with OpenAI's API from the command to the card: prices, the unfinished image, edits and cancelling."""

from __future__ import annotations

import io
from typing import Any

import pytest
from PIL import Image

from bot.jobs.cancellation import ALREADY_SENT, STOPPING
from bot.providers.operations import Operation
from fakes.services import Fault
from fakes.services.faults import Reset
from fakes.services.openai_faults import refused
from playground.studio import OPENAI_MODELS
from storage import ledger
from storage.records import Submission, SubmissionStatus
from storage.submissions import submissions_of
from tests.cogs.conftest import MakeStudio, Studio, card, forge, told
from tests.cogs.test_edit_commands import edit
from tests.doubles.texts import shows

pytestmark = pytest.mark.slow

ENGINE = "openai/gpt-image-1-low"


async def with_openai(make_studio: MakeStudio, **options: Any) -> Studio:
    keys = {"OPENAI_KEY": "made-up", "OPENAI_URL": "{url}/openai/v1", "OPENAI_MODELS": OPENAI_MODELS}
    return await make_studio(**keys, **options)


async def submission(studio: Studio) -> Submission:
    async with studio.runtime.database.read() as connection:
        (found,) = await submissions_of(connection, 1)
    return found


async def spent(studio: Studio) -> tuple[int, int]:
    """The millicredits of the first submission, and how many captures are exact."""
    async with studio.runtime.database.read() as connection:
        (entries,) = (await ledger.costs_of(connection, 1)).values()
    return sum(entry.amount for entry in entries), sum(entry.kind == "capture" and entry.exact for entry in entries)


async def test_the_exact_cost_is_booked(make_studio: MakeStudio) -> None:
    studio = await with_openai(make_studio)
    result = await studio.imagine(engine=ENGINE)
    await studio.finish()
    assert len(card(result).images) == 1
    assert await spent(studio) == (studio.stand_in.charged, 1)
    assert studio.stand_in.charged > 1_088


async def test_the_unfinished_image_is_in_the_card(make_studio: MakeStudio) -> None:
    studio = await with_openai(make_studio, seconds=None)
    result = await studio.imagine(engine=ENGINE)
    await studio.until(lambda: bool(card(result).images))
    (preview,) = card(result).images
    studio.stand_in.finish_all()
    await studio.finish()
    (image,) = card(result).images
    assert image != preview


async def test_a_marked_part_becomes_transparent_in_the_mask(make_studio: MakeStudio) -> None:
    studio = await with_openai(make_studio)
    result = await edit(studio, Operation.INPAINT, prompt="a hat", area="4x4:1,2,5,6", engine=ENGINE)
    await studio.finish()
    assert len(card(result).images) == 1
    (call,) = studio.stand_in.calls_to("openai.edits")
    mask = Image.open(io.BytesIO(call.files["mask"].data))
    assert mask.mode == "RGBA"
    width, height = mask.size
    corners = [mask.getpixel((x, y)) for x in (8, width - 8) for y in (8, height - 8)]
    assert corners == [(255, 255, 255, 0), *[(0, 0, 0, 255)] * 3]
    assert await spent(studio) == (studio.stand_in.charged, 1)


async def test_it_is_too_late_to_cancel_what_is_charged(make_studio: MakeStudio) -> None:
    """The service charges for it anyway. If Cancel made it free, limits would not hold."""
    studio = await with_openai(make_studio, seconds=None)
    result = await studio.imagine(engine=ENGINE)
    await studio.until(lambda: bool(card(result).images))
    assert "Cancel" not in card(result).labels
    said = told(await forge(studio, studio.ada, "cancel", 1))
    assert shows(said.text, ALREADY_SENT)
    studio.stand_in.finish_all()
    await studio.finish()
    assert (await submission(studio)).status is SubmissionStatus.DONE
    assert await spent(studio) == (studio.stand_in.charged, 1)


async def test_what_is_free_is_cancelled(make_studio: MakeStudio) -> None:
    keys = {"OPENAI_URL": "{url}/openai/v1", "OPENAI_KEY": "x", "OPENAI_FREE": "1", "OPENAI_MODELS": "gpt-image-1 low"}
    studio = await make_studio(seconds=None, **keys)
    result = await studio.imagine(engine=ENGINE)
    await studio.begun("openai.generations")
    assert shows(told(await studio.press(studio.ada, card(result), "Cancel")).text, STOPPING)
    await studio.finish()
    assert (await submission(studio)).status is SubmissionStatus.CANCELLED


async def test_a_lost_answer_is_never_sent_again(make_studio: MakeStudio) -> None:
    studio = await with_openai(make_studio)
    studio.stand_in.misbehave(Fault("openai.generations", Reset(after_doing=True), times=None))
    await studio.imagine(engine=ENGINE)
    await studio.finish()
    assert (await submission(studio)).status is SubmissionStatus.UNKNOWN
    assert len(studio.stand_in.calls_to("openai.generations")) == 1


async def test_a_lost_answer_of_a_free_service_is_sent_again(make_studio: MakeStudio) -> None:
    studio = await make_studio(
        OPENAI_URL="{url}/openai/v1", OPENAI_KEY="x", OPENAI_FREE="1", OPENAI_MODELS="gpt-image-1 low"
    )
    studio.stand_in.misbehave(Fault("openai.generations", Reset(after_doing=True)))
    result = await studio.imagine(engine=ENGINE)
    await studio.finish()
    assert len(card(result).images) == 1
    assert len(studio.stand_in.calls_to("openai.generations")) == 2


async def test_an_empty_account_is_not_sent_again(make_studio: MakeStudio) -> None:
    studio = await with_openai(make_studio)
    studio.stand_in.misbehave(Fault("openai.generations", refused(429, "insufficient_quota"), times=None))
    await studio.imagine(engine=ENGINE)
    await studio.finish()
    assert (await submission(studio)).status is SubmissionStatus.FAILED
    assert len(studio.stand_in.calls_to("openai.generations")) == 1


async def test_engines_shows_the_prices(make_studio: MakeStudio) -> None:
    studio = await with_openai(make_studio)
    shown = told(await studio.ada.slash(studio.channel, "engines", engine=ENGINE)).text
    assert "1.088" in shown
    assert "1.632" in shown
