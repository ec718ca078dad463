"""``python -m playground.card_screenshots``: takes the screenshots of docs/cards.md in the playground."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from playwright.async_api import Locator, expect

from bot import config, logs
from bot.ui.cards.buttons import DETAILS
from bot.ui.cards.job import NOT_CHARGED, SUBMISSION_STATUS
from fakes.services import Fault, StandIn
from fakes.services.faults import Status
from playground.studio import Studio, open_studio
from storage.records import SubmissionStatus

if TYPE_CHECKING:
    from playground.browser import Visitor

Keep: TypeAlias = Callable[[Locator, str], Awaitable[None]]

FOLDER = Path("docs/cards")
RESULT = "a lighthouse on a cliff at sunset"
SEVERAL = "a {red, blue, green} fox in a snowy forest --engine core --size 1216x832"
COMPARED = "a castle in the mist --no people"


async def take() -> None:
    """Take one screenshot of each card, from a waiting card to the gallery of a thread."""
    settings = config.load({"LOG_LEVEL": "error"}, env_file=None)
    logs.set_up(settings.log_level, settings.log_format, settings.reader.secrets)
    await asyncio.to_thread(FOLDER.mkdir, parents=True, exist_ok=True)
    async with open_studio(settings, StandIn(seconds=None)) as studio:
        from playground.browser import visit
        from playground.live_page import open_page

        async with open_page(studio.world, port=0) as preview, visit(preview.url, width=1000, height=1500) as visitor:

            async def keep(message: Locator, name: str) -> None:
                await visitor.settled()
                await message.screenshot(path=FOLDER / f"{name}.png")

            await _one(visitor, studio, keep)
            await _several(visitor, studio, keep)
            await _compared(visitor, studio, keep)
            await _failed(visitor, studio, keep)
            for command in ("help", "settings show"):
                before = await visitor.messages.count()
                await visitor.run(command, {})
                await keep(await visitor.reply(before), command.split()[0])
            before = await visitor.messages.count()
            await visitor.run("credits", {})
            spent = await visitor.reply(before)
            await visitor.pictures(spent, 1)
            await keep(spent, "credits")
            await visitor.run("thread show", {})
            await visitor.pictures(visitor.messages.last, 6)
            await keep(visitor.messages.last, "thread")


async def _one(visitor: Visitor, studio: Studio, keep: Keep) -> None:
    await visitor.run("imagine", {"prompt": RESULT, "images": "2", "size": "1216x832"})
    await studio.services.called("ai-client.entry")
    card = visitor.message(RESULT).first
    await expect(card).to_contain_text(str(SUBMISSION_STATUS[SubmissionStatus.RENDERING]))
    await keep(card, "waiting")
    studio.services.finish_all()
    await visitor.pictures(card, 2)
    await keep(card, "result")
    before = await visitor.messages.count()
    await visitor.press(card, str(DETAILS.label))
    await keep(await visitor.reply(before), "details")


async def _several(visitor: Visitor, studio: Studio, keep: Keep) -> None:
    services = studio.services
    await visitor.run("imagine", {"prompt": SEVERAL})
    card = visitor.message("red, blue, green").last
    confirm = card.locator(".message-components").get_by_role("button").first
    await expect(confirm).to_be_visible()
    await keep(card, "price")
    await confirm.click()
    await services.called("aithriving.core", 3)
    for work in [work for work in services.renderings.by_guid.values() if not work.over][:2]:
        services.finish(work.guid)
    await visitor.pictures(card, 2)
    await keep(card, "several")
    services.finish_all()
    await visitor.pictures(card, 3)


async def _compared(visitor: Visitor, studio: Studio, keep: Keep) -> None:
    await visitor.run("compare", {"prompt": COMPARED, "seed": "7"})
    card = visitor.message("a castle in the mist").last
    await card.locator(".message-components").get_by_role("button").first.click()
    await studio.services.called("aithriving.core", 4)
    await studio.services.called("aithriving.basic")
    await studio.services.called("ai-client.entry", 2)
    studio.services.finish_all()
    await visitor.pictures(card, 3)
    await keep(card, "compare")


async def _failed(visitor: Visitor, studio: Studio, keep: Keep) -> None:
    studio.services.misbehave(Fault("aithriving.core", Status(402)))
    await visitor.run("imagine", {"prompt": "a quiet lake", "engine": "aithriving/core"})
    card = visitor.message("a quiet lake").last
    await expect(card).to_contain_text(str(NOT_CHARGED))
    await keep(card, "failure")


if __name__ == "__main__":
    asyncio.run(take())
