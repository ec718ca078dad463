"""The panel of a picture: what it offers, what its buttons start, and who may use it."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import pytest
import simcord

from bot.domain.requests import decode_request
from bot.providers.base import ImageRequest
from bot.providers.operations import Operation
from bot.ui.cards.picture_panel import NO_TOOLS
from storage import submissions
from tests.cogs.conftest import MakeStudio, Shown, Studio, card, told
from tests.doubles.provider import EDITS, ScriptedProvider
from tests.doubles.texts import shows

BRUSH, XL = "cheap/brush", "ai-client/stable-diffusion-xl-1024-v0-9"
TOOLS = [
    "Vary a little · 2",
    "Vary a lot · 2",
    "Change by words · 2",
    "Use as start · 2",
    "Extend · 2",
    "Keep the structure · 2",
    "From a sketch · 2",
    "Original file",
]


def provider(edits: Collection[Operation] = EDITS, *, name: str = "cheap", price: int = 2000) -> ScriptedProvider:
    return ScriptedProvider(polled=False, name=name, edits=edits, price=price)


@pytest.fixture
async def make_atelier(make_studio: MakeStudio) -> MakeStudio:
    """Makes studios in which only these providers' engines start from pictures."""

    async def make(*providers: ScriptedProvider) -> Studio:
        return await make_studio(providers=providers, AITHRIVING_KEY="", DEFAULT_ENGINE="")

    return make


@pytest.fixture
async def atelier(make_atelier: MakeStudio) -> Studio:
    """A studio with an engine that can do everything."""
    return await make_atelier(provider())


async def result(studio: Studio, person: simcord.MemberActor | None = None, /, **options: Any) -> Shown:
    made = await studio.imagine(person, **{"prompt": "a fox", "engine": BRUSH, **options})
    await studio.finish()
    return card(made)


async def panel(studio: Studio, shown: Shown, person: simcord.MemberActor | None = None) -> Shown:
    """Open the panel of the only image of a result."""
    return told(await studio.press(person or studio.ada, shown, "Edit picture"))


async def press(studio: Studio, shown: Shown, label: str, person: simcord.MemberActor | None = None) -> Shown:
    """Press a button that starts a job, and return the job's card when it is finished."""
    pressed = await studio.press(person or studio.ada, shown, label)
    await studio.finish()
    return card(pressed)


async def request_of(studio: Studio, job_id: int) -> ImageRequest:
    async with studio.runtime.database.read() as connection:
        (stored,) = await submissions.submissions_of(connection, job_id)
    return decode_request(stored.request)


# --- what it shows --------------------------------------------------------------------------------------------------


async def test_the_panel_shows_the_picture_and_every_tool_with_its_price(atelier: Studio) -> None:
    shown = await panel(atelier, await result(atelier), atelier.ben)
    assert shown.labels == TOOLS
    for words in ("a fox", f"<@{atelier.ada.id}>", "Brush", "8x8"):
        assert words in shown.text
    assert len(shown.raw.attachments) == 1
    assert [part["type"] for part in shown.parts].count(11) == 1


async def test_only_what_an_engine_can_do_now_is_offered(make_atelier: MakeStudio) -> None:
    studio = await make_atelier(provider({Operation.OUTPAINT}))
    made = await result(studio)
    assert (await panel(studio, made)).labels == ["Extend · 2", "Original file"]
    await studio.admin.slash(studio.channel, "server set", engines=XL)
    shown = await panel(studio, made)
    assert shows(shown.text, NO_TOOLS)
    assert shown.labels == ["Original file"]
