"""An image is edited in the page, from its card to the next image; in a browser, at both widths."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Locator, expect

from bot.config import Settings
from bot.ui.cards.buttons import EDIT_PICTURE
from bot.ui.cards.part_buttons import CHANGE
from bot.ui.cards.picture_buttons import CHANGE_PART, EDIT_A_PICTURE, EXTEND, IMAGE_NUMBER, WIDER
from fakes.services import StandIn, flat
from playground.browser import Visitor, visit
from playground.live_page import open_page
from playground.studio import Studio, open_studio
from tests.playground.conftest import HastyClock
from tests.playground.test_page import in_a_browser
from tests.playground.test_page_features import overflows

pytestmark = [pytest.mark.slow, in_a_browser]

PRIVATE = "Only you can see this"


@pytest.fixture
async def studio(settings: Settings, hasty: HastyClock) -> AsyncIterator[Studio]:
    async with open_studio(settings, StandIn(seconds=(0, 0), painter=flat), clock=hasty) as studio:
        yield studio


@pytest.fixture(params=["desktop", "phone"])
async def visitor(studio: Studio, request: pytest.FixtureRequest) -> AsyncIterator[Visitor]:
    phone = request.param == "phone"
    async with (
        open_page(studio.world, port=0) as preview,
        visit(preview.url, width=390 if phone else 1280, height=844, touch=phone) as visitor,
    ):
        await visitor.set_panel(shown=False)
        yield visitor


def button(message: Locator, label: object) -> Locator:
    """A button whose label begins with this text; the price follows."""
    return message.locator(".component-button").filter(has_text=str(label))


async def test_one_of_two_images_is_extended(visitor: Visitor) -> None:
    await visitor.run("imagine", {"prompt": "a lighthouse --engine core --images 2"})
    result = visitor.message("a lighthouse").first
    await visitor.pictures(result, 2)
    await result.locator(".select-trigger").filter(has_text=str(EDIT_A_PICTURE)).click()
    await visitor.page.get_by_role("option", name=str(IMAGE_NUMBER(number=2))).click()

    panel = visitor.message(PRIVATE)
    await expect(panel).to_have_count(1)
    await expect(panel.locator("img.component-thumbnail")).to_be_visible()
    await expect(panel.locator("img.component-thumbnail")).not_to_have_js_property("naturalWidth", 0)
    assert not await overflows(visitor.page)
    await button(panel, EXTEND.label).click()
    await button(panel, WIDER.label).click()

    await expect(visitor.messages).to_have_count(3)
    await expect(visitor.messages.nth(2).locator(".component-gallery img")).to_have_count(1)
    assert await visitor.pictures(visitor.messages.nth(2), 1) == [(1536, 1024)]
    assert not await overflows(visitor.page)


async def test_a_menu_opens_below_several_pictures(visitor: Visitor) -> None:
    for place in range(3):
        await visitor.run("imagine", {"prompt": "a lighthouse --engine core"})
        await visitor.pictures(visitor.messages.nth(place), 1)
    await visitor.press(visitor.messages.nth(2), str(EDIT_PICTURE.label))
    picker = visitor.messages.nth(3)
    await button(picker, CHANGE_PART.label).click()
    await visitor.pictures(picker, 1)

    await visitor.mark(picker, "6", "7")

    await expect(button(picker, CHANGE.label)).to_be_enabled()
