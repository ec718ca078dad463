"""The newer engines of aithriving as people use them."""

from __future__ import annotations

import pytest

from bot.jobs.provider_text import TEXTS
from bot.providers.errors import Reason
from storage.records import JobStatus
from tests.cogs.conftest import CORE, Studio, card
from tests.doubles.texts import shows

pytestmark = pytest.mark.slow

SD3 = "aithriving/sd3-large"


@pytest.mark.parametrize("images", [1, 4])
async def test_sd3_is_found_on_its_other_path(studio: Studio, images: int) -> None:
    """Several images are several requests, which all meet the missing path at the same time."""
    studio.stand_in.services.sd3_versions = frozenset({"sd3"})
    result = await studio.imagine(engine=SD3, images=images)
    await studio.finish()
    assert len(card(result).images) == images
    assert (await studio.job()).status is JobStatus.DELIVERED
    assert len(studio.stand_in.bills) == images


async def test_sd3_on_no_path_is_free_and_no_outage_of_the_other_engines(studio: Studio) -> None:
    studio.stand_in.services.sd3_versions = frozenset()
    for _ in range(4):
        result = await studio.imagine(engine=SD3)
        await studio.finish()
        assert shows(card(result).text, TEXTS[Reason.RETIRED](label="AI Thriving"))
    assert not studio.stand_in.bills
    other = await studio.imagine(engine=CORE)
    await studio.finish()
    assert len(card(other).images) == 1


async def test_ultra_gets_its_style_in_words(studio: Studio) -> None:
    await studio.imagine(prompt="a fox", engine="aithriving/ultra", style="neon-punk")
    await studio.finish()
    (call,) = studio.stand_in.calls_to("aithriving.ultra")
    assert isinstance(call.body, dict)
    assert call.body["prompt"] == "a fox, neon punk style"
    assert "style_preset" not in call.body
