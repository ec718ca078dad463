"""The ways to go on from a picture: on which engine, for how much, and with which words."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.domain.money import Price
from bot.domain.options import ImagineOptions
from bot.domain.pictures import ImageReference
from bot.domain.requests import read_command
from bot.errors import UserError
from bot.jobs.picture_tools import EXTEND, FINISH, START, TOOLS, VARY_LITTLE, EditedPicture, PictureTools
from bot.jobs.sources import IMAGE_GONE
from bot.jobs.view import PRIVATE_JOB
from bot.providers.operations import Operation
from tests.doubles.provider import EDITS, ScriptedProvider
from tests.doubles.texts import codes
from tests.jobs.conftest import ADA, BEN, MakeWorkshop, Workshop

pytestmark = pytest.mark.slow


def provider(name: str, price: int, *edits: Operation) -> ScriptedProvider:
    return ScriptedProvider(polled=False, name=name, edits=edits, price=price)


def tools_of(workshop: Workshop) -> PictureTools:
    return PictureTools(service=workshop.service, store=workshop.jobs, sources=workshop.sources, files=workshop.files)


async def pictured(workshop: Workshop, position: int = 1, **options: object) -> EditedPicture:
    """An image of a new result."""
    await workshop.files.prepare()
    job_id = await workshop.imagine(**options)  # type: ignore[arg-type]  # the options of a test are written as a person would type them
    await workshop.finish()
    return await tools_of(workshop).picture(ADA, ImageReference(job_id, position))


async def test_a_tool_uses_the_engine_that_made_the_picture_or_else_the_cheapest(make_workshop: MakeWorkshop) -> None:
    workshop = await make_workshop(
        provider("words", 1000),
        provider("dear", 8000, *EDITS),
        provider("cheap", 2000, Operation.IMAGE_TO_IMAGE),
    )
    tools = tools_of(workshop)
    for engine, chosen in (("words/brush", "cheap/brush"), ("dear/brush", "dear/brush")):
        picture = await pictured(workshop, engine=engine)
        offer = tools.offer(ADA, picture, VARY_LITTLE)
        assert offer is not None
        assert (offer.engine.id, offer.engine.operation) == (chosen, Operation.IMAGE_TO_IMAGE)
        assert tools.engines(ADA, picture, START)[0].engine.id == chosen
        assert {each.tool for each in tools.offers(ADA, picture)} == set(TOOLS)
    offer = tools.offer(ADA, await pictured(workshop), EXTEND)
    assert offer is not None
    assert (offer.engine.id, offer.price) == ("dear/brush", Price(8000, 8000, exact=True))


async def test_finish_takes_the_dearest_engine_that_costs_more_than_the_image_did(make_workshop: MakeWorkshop) -> None:
    vary = Operation.IMAGE_TO_IMAGE
    workshop = await make_workshop(
        provider("cheap", 2000, vary), provider("middle", 4000, vary), provider("dear", 8000, vary)
    )
    tools = tools_of(workshop)
    for engine, found in (("cheap/brush", "dear/brush"), ("middle/brush", "dear/brush"), ("dear/brush", None)):
        picture = await pictured(workshop, 2, engine=engine, images=2)
        offer = tools.finish(ADA, picture)
        assert (None if offer is None else offer.engine.id) == found
        assert picture.cost == {"cheap/brush": 2000, "middle/brush": 4000, "dear/brush": 8000}[engine]
    assert tools.finish(ADA, await pictured(workshop, engine="cheap/brush")) is None, "it is the only image"


@pytest.mark.parametrize("prompt", ["a fox --seed 7", r"a \{red, blue\} \--no fox", "fox::2 fog::-1", "a:: b::0.5"])
async def test_the_words_of_an_image_are_used_as_far_as_the_engine_takes_them(
    make_workshop: MakeWorkshop, prompt: str
) -> None:
    workshop = await make_workshop(provider("one", 1000, *EDITS))
    tools = tools_of(workshop)
    picture = await pictured(workshop, prompt=prompt, negative="snow", style="plain")
    request = picture.described
    assert request is not None
    engine = workshop.jobs.engines_doing(Operation.IMAGE_TO_IMAGE)["one/brush"]
    options = tools.with_words(ImagineOptions(prompt=""), picture, engine)
    (read,) = read_command(options).prompts
    assert (read.parts, read.options) == (request.prompts, {})
    assert (options.negative, options.style) == ("snow", "plain")
    plain = replace(engine, abilities=frozenset())
    options = tools.with_words(ImagineOptions(prompt=""), picture, plain)
    (read,) = read_command(options).prompts
    assert [part.weight for part in read.parts] == [1]
    assert "fog" not in options.prompt
    assert (options.negative, options.style) == (None, None)


async def test_only_an_image_that_the_person_may_see_has_tools(make_workshop: MakeWorkshop) -> None:
    workshop = await make_workshop(provider("one", 1000, *EDITS))
    tools = tools_of(workshop)
    picture = await pictured(workshop, private=True)
    assert picture.private
    with pytest.raises(UserError) as error:
        await tools.picture(BEN, picture.reference)
    assert codes(error.value) == [PRIVATE_JOB.code]
    for position in (0, 2, 99):
        with pytest.raises(UserError) as error:
            await tools.picture(ADA, ImageReference(1, position))
        assert codes(error.value) == [IMAGE_GONE.code]
    offer = tools.offer(ADA, picture, FINISH)
    assert offer is not None
    assert tools.options(ADA, picture, offer).private
