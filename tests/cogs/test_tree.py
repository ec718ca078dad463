"""Tree: the family of a job as one picture, from the details of any of its jobs."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from bot.jobs import view as job_view
from bot.jobs.lineage import Step
from bot.providers.operations import Operation
from bot.ui.cards import details as details_cards
from bot.ui.cards import family as family_cards
from storage import jobs as rows
from tests.cogs.conftest import BASIC, Studio, card, forge, told
from tests.doubles.texts import shows

pytestmark = pytest.mark.slow


async def two_generations(studio: Studio) -> None:
    """Ada's job, and one that Ben made from it."""
    first = await studio.imagine(prompt="a fox", seed=7)
    await studio.finish()
    await studio.press(studio.ben, card(first), "New seed")
    await studio.finish()


async def test_the_tree_takes_the_place_of_the_details_and_goes_back(studio: Studio) -> None:
    await two_generations(studio)
    details = told(await forge(studio, studio.ada, "details", 2))
    assert details.labels == ["Log", "Tree", "Made from job 1"]
    tree = card(await studio.press(studio.ada, details, "Tree"))
    assert tree.raw.id == details.raw.id
    assert tree.private
    (item,) = tree.images
    alt = item["description"]
    assert f"ada: {family_cards.HOW[Step.NEW]}" in alt
    assert f"ben: {family_cards.HOW[Step.REPEATED]}" in alt
    (file,) = tree.raw.attachments
    back = card(await studio.press(studio.ada, tree, "Back to details"))
    assert shows(back.text, details_cards.NUMBER(job=2))
    assert not back.raw.attachments
    with Image.open(io.BytesIO(await file.read())) as picture:
        assert picture.format == "WEBP"


async def test_a_job_without_relatives_has_no_tree_button(studio: Studio) -> None:
    await studio.imagine(prompt="a fox")
    await studio.finish()
    assert told(await forge(studio, studio.ada, "details", 1)).labels == ["Log"]


async def test_the_tree_works_after_a_restart(studio: Studio) -> None:
    await two_generations(studio)
    details = told(await forge(studio, studio.ada, "details", 1))
    await studio.restart()
    assert card(await studio.press(studio.ada, details, "Tree")).images


async def test_the_tree_of_a_private_job_is_refused_to_others(studio: Studio) -> None:
    await studio.imagine(prompt="a secret", private=True)
    await studio.finish()
    refused = told(await forge(studio, studio.ben, "tree", 1))
    assert shows(refused.text, job_view.PRIVATE_JOB)


async def test_a_private_relative_has_no_name(studio: Studio) -> None:
    await two_generations(studio)
    await studio.imagine(studio.ben, "a secret", private=True)
    await studio.finish()
    async with studio.runtime.database.write() as tx:
        await rows.update_job(tx, 3, parent_id=1)
    details = told(await forge(studio, studio.ada, "details", 1))
    tree = card(await studio.press(studio.ada, details, "Tree"))
    alt = tree.images[0]["description"]
    assert shows(alt, family_cards.PRIVATE(count=1))
    assert alt.count("ben") == 1


async def test_only_who_brought_a_picture_sees_it_at_the_start_of_the_tree(studio: Studio) -> None:
    file = io.BytesIO()
    Image.linear_gradient("L").convert("RGB").resize((800, 600)).save(file, "JPEG")
    await studio.imagine(prompt="a fox", engine=BASIC, picture=("photo.jpg", file.getvalue()))
    await studio.finish()
    for person, start in (
        (studio.ada, f"1. ada: {family_cards.HOW[Step.ATTACHED]}."),
        (studio.ben, f"1. {family_cards.PRIVATE(count=1)}."),
    ):
        details = told(await forge(studio, person, "details", 1))
        alt = card(await studio.press(person, details, "Tree")).images[0]["description"]
        assert start in alt
        assert f"2. ada: {family_cards.HOW[Operation.IMAGE_TO_IMAGE]}" in alt
