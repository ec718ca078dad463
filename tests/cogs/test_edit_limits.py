"""Limits count edits as they count images from words."""

from __future__ import annotations

from typing import Any

import pytest
import simcord

from bot.jobs.limits import TOO_EXPENSIVE, TOO_MANY_IMAGES, LimitKind
from bot.text import Message, Text
from storage import ledger
from tests.cogs.conftest import BASIC, Studio, told
from tests.cogs.test_imagine_picture import photo
from tests.doubles.texts import shows

pytestmark = pytest.mark.slow

EDITS: dict[str, dict[str, Any]] = {
    "vary": {"prompt": "a fox", "engine": BASIC, "images": 3},
    "words": {"find": "the fox", "prompt": "a bear"},
    "part": {"prompt": "a boat", "area": "1,2"},
    "erase": {"area": "1,2"},
    "extend": {"by": "wider"},
    "sketch": {"prompt": "a fox"},
    "structure": {"prompt": "a fox"},
}


async def edit(studio: Studio, name: str, **changes: Any) -> simcord.InteractionResult:
    options = {**EDITS[name], **changes}
    return await studio.ada.slash(studio.channel, f"edit {name}", picture=("photo.jpg", photo()), **options)


async def refused(studio: Studio, name: str, why: Message | Text) -> None:
    said = told(await edit(studio, name))
    await studio.finish()
    assert shows(said.text, why), said.text
    assert studio.stand_in.calls == []


async def test_the_images_of_a_job_are_counted(studio: Studio) -> None:
    await studio.admin.slash(studio.channel, "quota set", images=2)
    await refused(studio, "vary", TOO_MANY_IMAGES(images=3, count=2))
    await edit(studio, "vary", images=2)
    await studio.finish()
    assert len(studio.stand_in.calls) == 2


@pytest.mark.parametrize("name", EDITS)
async def test_credits_are_checked_before_anything_is_sent(studio: Studio, name: str) -> None:
    await studio.admin.slash(studio.channel, "quota set", credits=0)
    await refused(studio, name, TOO_EXPENSIVE[LimitKind.SERVER_USER])


@pytest.mark.parametrize("name", EDITS)
async def test_every_edit_is_charged_what_the_service_charged(studio: Studio, name: str) -> None:
    await edit(studio, name)
    await studio.finish()
    async with studio.runtime.database.read() as connection:
        totals = await ledger.totals(connection, user_id=studio.ada.id)
    assert (totals.spent, totals.in_flight) == (studio.stand_in.charged, 0)
    assert totals.spent > 0
