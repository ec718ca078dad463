"""What the page has beside SimCord's: suggestions at once, links and chips, the menu, the panel; in a browser."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Page, expect

from bot.config import Settings
from bot.ui.cards.buttons import AGAIN, DETAILS
from bot.ui.cards.job import NOT_CHARGED
from fakes.services import StandIn, flat
from playground.browser import Visitor, visit
from playground.live_page import LivePreview, open_page
from playground.page_server import PROMPTS, Controls
from playground.service_faults import Switch
from playground.studio import Studio, open_studio
from playground.world import CHANNEL_NAME
from tests.playground.conftest import HastyClock
from tests.playground.test_page import in_a_browser

pytestmark = [pytest.mark.slow, in_a_browser]


@pytest.fixture
async def studio(settings: Settings, hasty: HastyClock) -> AsyncIterator[Studio]:
    async with open_studio(settings, StandIn(seconds=None, painter=flat), clock=hasty) as studio:
        yield studio


@pytest.fixture
async def preview(studio: Studio) -> AsyncIterator[LivePreview]:
    async with open_page(studio.world, port=0, controls=Controls(studio.restart, Switch(studio.services))) as preview:
        yield preview


@pytest.fixture
async def visitor(preview: LivePreview) -> AsyncIterator[Visitor]:
    async with visit(preview.url, width=1280) as visitor:
        yield visitor


@pytest.fixture
async def phone(preview: LivePreview) -> AsyncIterator[Visitor]:
    async with visit(preview.url, width=390, height=844, touch=True) as visitor:
        await visitor.set_panel(shown=False)
        yield visitor


async def finished(studio: Studio, visitor: Visitor, prompt: str = "a lighthouse") -> None:
    """Ada has made an image."""
    before = len(studio.services.calls_to("ai-client.entry"))
    await visitor.run("imagine", {"prompt": prompt})
    await studio.services.called("ai-client.entry", before + 1)
    studio.services.finish_all()
    await visitor.pictures(visitor.message(prompt).last, 1)


async def overflows(page: Page) -> bool:
    """Whether anything is wider than the window."""
    wide: bool = await page.evaluate(
        "() => [document.documentElement, document.querySelector('#channel-timeline')]"
        ".some((element) => element.scrollWidth > element.clientWidth)"
    )
    return wide


async def test_an_option_lists_its_choices_at_once(visitor: Visitor) -> None:
    await visitor.start_command("imagine")
    await visitor.fill("prompt", "a fox")
    await visitor.page.locator(".command-ghost").click()
    await visitor.suggestions.get_by_text("engine", exact=True).click()

    await expect(visitor.suggestions.filter(has_text="Stable")).not_to_have_count(0)
    await expect(visitor.page.locator(".command-empty")).to_have_count(0)
    # A command that is sent while the list is still being fetched is not lost.
    await visitor.page.locator(".command-option-remove").last.click(force=True)
    await visitor.send()
    await expect(visitor.message("a fox")).to_have_count(1)


async def test_a_wrong_option_is_explained_inside_the_window(visitor: Visitor) -> None:
    await visitor.start_command("imagine")
    await visitor.option("prompt").fill("x" * 6001)
    await visitor.page.locator("#send-message").click()

    error = visitor.page.locator(".command-error")
    await expect(error).to_be_in_viewport(ratio=1)


async def test_the_name_of_a_command_fills_the_composer(visitor: Visitor) -> None:
    await visitor.run("help", {})
    chip = visitor.messages.last.locator(".command-mention", has_text="/imagine").first

    await chip.click()

    await expect(visitor.page.locator(".command-chip")).to_have_text("/imagine")
    await expect(visitor.option("prompt")).to_be_focused()


async def test_an_example_fills_the_composer(studio: Studio, visitor: Visitor) -> None:
    await visitor.panel.get_by_role("button", name=PROMPTS[0], exact=True).click()

    await expect(visitor.option("prompt")).to_have_value(PROMPTS[0])
    await visitor.send()
    await studio.services.called("ai-client.entry")


async def test_the_menu_of_a_message(studio: Studio, visitor: Visitor) -> None:
    await finished(studio, visitor)
    card = visitor.message("a lighthouse").first

    await visitor.choose(card, str(DETAILS.label))

    await expect(visitor.messages).to_have_count(2)
    await card.hover()
    await card.locator(".message-more").click()
    await visitor.page.get_by_role("menuitem", name="Use this prompt").click()
    await expect(visitor.page.locator(".modal-dialog textarea").first).to_have_value("a lighthouse")


async def test_a_link_to_a_message_stays_in_the_page(studio: Studio, visitor: Visitor) -> None:
    await finished(studio, visitor, "the first of many")
    first = visitor.messages.first
    for _ in range(3):
        await visitor.run("engines", {})
    await expect(first).not_to_be_in_viewport()
    server, channel = studio.world.server.id, studio.world.channel.id
    target = await first.get_attribute("data-message-id")
    await visitor.messages.last.evaluate(
        "(message, address) => message.append(Object.assign(document.createElement('a'),"
        " { href: address, textContent: 'to the first' }))",
        f"https://discord.com/channels/{server}/{channel}/{target}",
    )

    await visitor.page.get_by_text("to the first").click()

    await expect(first).to_be_in_viewport()
    assert len(visitor.page.context.pages) == 1


async def test_a_private_answer_is_dismissed(visitor: Visitor) -> None:
    await visitor.run("help", {})
    answer = visitor.messages.last

    await answer.get_by_role("button", name="Dismiss message").click()

    await expect(answer).to_be_hidden()
    await visitor.page.reload()
    await visitor.settled()
    await expect(answer).to_be_hidden()


async def test_a_service_is_broken_and_repaired_in_the_panel(studio: Studio, visitor: Visitor) -> None:
    menu = visitor.page.locator("#service-fault")
    await menu.select_option("credits")
    await expect(visitor.page.locator("body")).to_have_class("services-broken")
    await visitor.run("imagine", {"prompt": "too expensive"})
    await expect(visitor.message("too expensive").first).to_contain_text(str(NOT_CHARGED))

    await menu.select_option("works")

    await expect(visitor.page.locator("body")).not_to_have_class("services-broken")
    await finished(studio, visitor, "affordable")


async def test_a_card_continues_when_the_bot_restarts(studio: Studio, visitor: Visitor) -> None:
    await visitor.run("imagine", {"prompt": "long work"})
    await studio.services.called("ai-client.entry")
    card = visitor.message("long work").first
    bot = studio.runtime

    await visitor.page.locator("#restart-bot").click()

    await expect(visitor.page.locator("#restart-bot")).to_be_enabled()
    assert studio.runtime is not bot
    studio.services.finish_all()
    await visitor.pictures(card, 1)
    await visitor.run("help", {})
    await expect(visitor.message("/imagine").last).to_contain_text("Only you can see this")


async def test_the_panel_stays_closed(visitor: Visitor) -> None:
    await visitor.page.locator("#panel-close").click()
    await expect(visitor.panel).to_be_hidden()

    await visitor.page.reload()
    await visitor.settled()

    await expect(visitor.panel).to_be_hidden()
    await visitor.set_panel(shown=True)
    await expect(visitor.panel).to_be_visible()


async def test_two_people_at_once(studio: Studio, preview: LivePreview, visitor: Visitor) -> None:
    async with visit(preview.url) as other:
        await other.become("Ben")
        await asyncio.gather(visitor.run("imagine", {"prompt": "by Ada"}), other.run("imagine", {"prompt": "by Ben"}))
        await studio.services.called("ai-client.entry", 2)
        studio.services.finish_all()
        for page in (visitor, other):
            for prompt in ("by Ada", "by Ben"):
                await page.pictures(page.message(prompt).first, 1)
        await expect(visitor.message("by Ben").first).to_contain_text("Ben used /imagine")
        # A reload keeps the person.
        await other.page.reload()
        await other.settled()
        await expect(other.page.get_by_label("You are").locator("option:checked")).to_have_text("Ben")


async def test_the_page_opens_again_when_the_program_restarts(
    studio: Studio, preview: LivePreview, visitor: Visitor
) -> None:
    await finished(studio, visitor)
    port, token = preview._server.port, preview.capability
    assert port is not None
    await preview.close()
    await expect(visitor.notice).to_be_visible()

    async with open_page(studio.world, port=port, token=token):
        await expect(visitor.notice).to_be_hidden()
        await visitor.pictures(visitor.message("a lighthouse").first, 1)
        await visitor.run("help", {})
        await expect(visitor.messages).to_have_count(2)


async def test_the_phone(studio: Studio, phone: Visitor) -> None:
    await phone.run("help", {})
    assert not await overflows(phone.page)
    await finished(studio, phone)
    assert not await overflows(phone.page)
    await phone.messages.last.locator(".message-more").tap()
    await phone.page.get_by_role("menuitem", name=str(DETAILS.label), exact=True).tap()
    await expect(phone.messages).to_have_count(3)
    assert not await overflows(phone.page)
    await phone.set_panel(shown=True)
    assert not await overflows(phone.page)
    await phone.panel.get_by_role("button", name=PROMPTS[0], exact=True).tap()
    await expect(phone.option("prompt")).to_have_value(PROMPTS[0])
    await expect(phone.panel).to_be_hidden()


async def test_on_a_phone_the_panel_makes_room_for_the_channel(phone: Visitor) -> None:
    await phone.set_panel(shown=True)
    await phone.composer.tap()
    await expect(phone.panel).to_be_hidden()


async def test_a_bare_link_to_a_message_is_short(studio: Studio, visitor: Visitor) -> None:
    await visitor.run("imagine", {"prompt": "an owl --engine core --seed 7"})
    await studio.services.called("aithriving.core")
    studio.services.finish_all()
    result = visitor.messages.last
    await visitor.pictures(result, 1)
    await visitor.press(result, str(AGAIN.label))
    await expect(visitor.messages).to_have_count(2)
    link = visitor.messages.last.locator("a[href]")
    await expect(link).to_contain_text(CHANNEL_NAME)
    assert "http" not in await link.inner_text()
