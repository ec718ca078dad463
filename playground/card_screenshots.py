"""``python -m playground.card_screenshots``: takes screenshots of every card in the playground, at two widths.

Each card becomes ``docs/images/<name>-desktop.png`` and ``docs/images/<name>-phone.png``. Names on the command line
choose some of the scenes: ``one``, ``several``, ``compared``, ``failed``, ``lists``, ``settings``, ``admin``,
``setup``, ``family``, ``edits`` and ``part``. The scene ``edits`` also saves the strip at the top of the README.
"""

from __future__ import annotations

import asyncio
import io
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import simcord
from PIL import Image
from playwright.async_api import Locator, expect

from bot import config, logs
from bot.ui.cards.buttons import (
    BACK_TO_DETAILS,
    BY_CHANNEL,
    BY_DAY,
    BY_ENGINE,
    DELETE,
    DETAILS,
    EDIT_PICTURE,
    KEEP,
    LOG,
    NEW_SEED,
    SAVE_SETUP,
    TEST_IMAGE,
    TREE,
)
from bot.ui.cards.job import NOT_CHARGED, SUBMISSION_STATUS
from bot.ui.cards.part_buttons import CHANGE, COARSER, FINER
from bot.ui.cards.picture_buttons import BACK_TO_PICTURE, CHANGE_PART, EXTEND, WIDER
from bot.ui.cards.setup import ALL_FINE
from fakes.services import Fault, StandIn
from fakes.services.faults import Status
from playground.simulated_month import live_through_a_month
from playground.studio import Studio, open_studio
from storage.records import SubmissionStatus

if TYPE_CHECKING:
    from playground.browser import Visitor

FOLDER = Path("docs/images")
STRIP = Path("docs/from-a-picture.png")
DESKTOP, PHONE = 1280, 390
# Tall enough for a whole card.
HEIGHT = 2400
MARGIN = 16
BACKGROUND = "#323339"
RESULT = "a lighthouse on a cliff at sunset"
SEVERAL = "a {red, blue, green} fox in a snowy forest --engine core --size 1216x832"
COMPARED = "a castle in the mist --no people"
CHANGED = "a boat with white sails"
SEEDED = "an owl in moonlight --engine core --seed 7"


@dataclass(frozen=True, slots=True)
class Scene:
    """The same person at two screens: ``desktop`` acts, and both see what comes of it."""

    studio: Studio
    desktop: Visitor
    phone: Visitor

    async def keep(self, name: str, place: int, *, pictures: int | None = None) -> None:
        """Save the message at this place in the channel; with ``pictures``, once so many images are drawn."""
        for visitor, width in ((self.desktop, "desktop"), (self.phone, "phone")):
            message = visitor.messages.nth(place)
            await expect(message).to_be_visible()
            # The phone sees a change later than the desktop, which waited for it.
            buttons = await self.message(place).locator(".button-label").all_inner_texts()
            await expect(message.locator(".button-label")).to_have_text(buttons)
            if pictures is not None:
                await visitor.pictures(message, pictures)
            await visitor.settled()
            await _photograph(message, FOLDER / f"{name}-{width}.png")

    async def run(self, command: str, **options: str) -> int:
        """Run a command; return the place of its answer."""
        before = await self.desktop.messages.count()
        await self.desktop.run(command, options)
        await self.desktop.reply(before)
        return before

    async def press(self, place: int, label: object) -> int:
        """Press a button that is answered by a new message; return the place of that message."""
        before = await self.desktop.messages.count()
        await self.desktop.press(self.message(place), str(label))
        await self.desktop.reply(before)
        return before

    def message(self, place: int) -> Locator:
        return self.desktop.messages.nth(place)

    def priced(self, place: int, label: object) -> Locator:
        """The button of this message whose label begins so, and ends with a price."""
        return self.message(place).locator(".component-button", has_text=str(label))


async def _photograph(message: Locator, path: Path) -> None:
    """Save a screenshot of a message, without the empty space on the right of its card."""
    await _save(await _picture_of(message), path)


async def _save_strip(scene: Scene, places: Sequence[int], path: Path) -> None:
    """Save the cards of these messages side by side, as they look on a phone, without the names above them."""
    cards = []
    for place in places:
        message = scene.phone.messages.nth(place)
        cards.append(Image.open(io.BytesIO(await message.locator(".component-container").first.screenshot())))
    width = sum(card.width + MARGIN for card in cards) + MARGIN
    strip = Image.new("RGB", (width, max(card.height for card in cards) + 2 * MARGIN), BACKGROUND)
    left = MARGIN
    for card in cards:
        strip.paste(card, (left, MARGIN))
        left += card.width + MARGIN
    await _save(strip, path)


async def _picture_of(message: Locator) -> Image.Image:
    whole, card = await message.bounding_box(), await message.locator(".component-container").first.bounding_box()
    picture: Image.Image = Image.open(io.BytesIO(await message.screenshot()))
    if whole is not None and card is not None:
        right = min(picture.width, round(card["x"] - whole["x"] + card["width"]) + MARGIN)
        picture = picture.crop((0, 0, right, picture.height))
    return picture


async def _save(picture: Image.Image, path: Path) -> None:
    # The colours of a card fit in a palette; paintings do not suffer much.
    small = picture.convert("RGB").quantize(256, dither=Image.Dither.FLOYDSTEINBERG)
    await asyncio.to_thread(small.save, path, optimize=True)


async def take(*names: str) -> None:
    """Play the scenes with these names, or all, and save their cards."""
    settings = config.load({"LOG_LEVEL": "error"}, env_file=None)
    logs.set_up(settings.log_level, settings.log_format, settings.reader.secrets)
    await asyncio.to_thread(FOLDER.mkdir, parents=True, exist_ok=True)
    for name, play in SCENES.items():
        if names and name not in names:
            continue
        async with open_studio(settings, StandIn(seconds=None)) as studio:
            from playground.browser import visit
            from playground.live_page import open_page

            async with (
                open_page(studio.world, port=0) as preview,
                visit(preview.url, width=DESKTOP, height=HEIGHT) as desktop,
                visit(preview.url, width=PHONE, height=HEIGHT) as phone,
            ):
                await phone.set_panel(shown=False)
                await play(Scene(studio, desktop, phone))


async def _one(scene: Scene) -> None:
    services = scene.studio.services
    place = await scene.run("imagine", prompt=RESULT, images="2", size="1216x832")
    await services.called("ai-client.entry")
    await expect(scene.message(place)).to_contain_text(str(SUBMISSION_STATUS[SubmissionStatus.RENDERING]))
    await scene.keep("waiting", place)
    services.finish_all()
    await scene.keep("result", place, pictures=2)
    details = await scene.press(place, DETAILS.label)
    await scene.keep("details", details)
    await scene.desktop.press(scene.message(details), str(LOG.label))
    await expect(scene.message(details)).to_contain_text(str(BACK_TO_DETAILS.label))
    await scene.keep("log", details)
    question = await scene.press(place, DELETE.label)
    await expect(scene.message(question)).to_contain_text(str(KEEP))
    await scene.keep("delete", question)
    place = await scene.run("imagine", prompt=SEEDED, private="True")
    await services.called("aithriving.core")
    services.finish_all()
    await scene.keep("private", place, pictures=1)


async def _several(scene: Scene) -> None:
    services = scene.studio.services
    place = await scene.run("imagine", prompt=SEVERAL)
    confirm = scene.message(place).locator(".component-button").first
    await expect(confirm).to_be_visible()
    await scene.keep("price", place)
    await confirm.click()
    await services.called("aithriving.core", 3)
    for work in [work for work in services.renderings.by_guid.values() if not work.over][:2]:
        services.finish(work.guid)
    place = await scene.desktop.messages.count() - 1
    await scene.keep("several", place, pictures=2)
    services.finish_all()
    await scene.keep("several-result", place, pictures=3)


async def _compared(scene: Scene) -> None:
    services = scene.studio.services
    place = await scene.run("compare", prompt=COMPARED, seed="7")
    await scene.message(place).locator(".component-button").first.click()
    await services.called("aithriving.core")
    await services.called("aithriving.basic")
    await services.called("aithriving.sdv3")
    await services.called("ai-client.entry")
    services.finish_all()
    await scene.keep("compare", await scene.desktop.messages.count() - 1, pictures=4)


async def _failed(scene: Scene) -> None:
    scene.studio.services.misbehave(Fault("aithriving.core", Status(402)))
    place = await scene.run("imagine", prompt="a quiet lake", engine="aithriving/core")
    await expect(scene.message(place)).to_contain_text(str(NOT_CHARGED))
    await scene.keep("failure", place)
    await scene.keep("refusal", await scene.run("imagine", prompt="a quiet lake --size 999x999 --sed 7"))


async def _lists(scene: Scene) -> None:
    services = scene.studio.services
    for number, prompt in enumerate(("a lighthouse", "a red fox", "a castle in the mist"), 1):
        place = await scene.run("imagine", prompt=f"{prompt} --engine core --seed {number} --images 2")
        await services.called("aithriving.core", 2 * number)
        services.finish_all()
        await scene.desktop.pictures(scene.message(place), 2)
    await scene.keep("history", await scene.run("history"))
    await scene.keep("threads", await scene.run("thread list"))
    await scene.keep("thread", await scene.run("thread show"), pictures=6)
    await scene.keep("credits", await scene.run("credits"), pictures=1)
    await scene.keep("engines", await scene.run("engines"))
    await scene.keep("engine", await scene.run("engines", engine="aithriving/core"))
    await scene.keep("privacy-delete", await scene.run("privacy delete"))


async def _settings(scene: Scene) -> None:
    await scene.keep("help", await scene.run("help"))
    await scene.keep("settings", await scene.run("settings show"))


async def _admin(scene: Scene) -> None:
    await live_through_a_month(scene.studio)
    for visitor in (scene.desktop, scene.phone):
        await visitor.become("Grace (admin)")
    place = await scene.run("usage report", period="30 days")
    await scene.keep("report-people", place, pictures=1)
    for name, button in (("engines", BY_ENGINE), ("days", BY_DAY), ("channels", BY_CHANNEL)):
        await scene.desktop.press(scene.message(place), str(button.label))
        for visitor in (scene.desktop, scene.phone):
            current = visitor.messages.nth(place).locator(".component-button:disabled", has_text=str(button.label))
            await expect(current).to_be_visible()
        await scene.keep(f"report-{name}", place, pictures=1)
    await scene.run("imagine", prompt="a lighthouse", engine="aithriving/core")
    await scene.keep("jobs", await scene.run("usage jobs"))
    await scene.run("quota set", credits="25", period="month")
    await scene.desktop.run("quota set", {"for": "server", "credits": "600"})
    await scene.keep("quota", await scene.run("quota show"))
    await scene.keep("server", await scene.run("server show"))
    await scene.keep("server-log", await scene.run("server log"))
    for visitor in (scene.desktop, scene.phone):
        await visitor.become("Ada")
    await scene.keep("limit", await scene.run("imagine", prompt="a lighthouse on a cliff", images="4"))


async def _setup(scene: Scene) -> None:
    world = scene.studio.world
    for visitor in (scene.desktop, scene.phone):
        await visitor.become("Grace (admin)")
    scene.studio.join()
    await scene.keep("welcome", 0)
    panel = await scene.run("setup")
    await scene.keep("setup", panel)
    await scene.desktop.press(scene.message(panel), str(SAVE_SETUP.label))
    await expect(scene.message(panel)).to_contain_text(str(TEST_IMAGE.label))
    await scene.keep("setup-saved", panel)
    before = await scene.desktop.messages.count()
    await scene.desktop.press(scene.message(panel), str(TEST_IMAGE.label))
    await scene.studio.services.called("ai-client.entry")
    scene.studio.services.finish_all()
    await expect(scene.desktop.messages).to_have_count(before + 2)
    await expect(scene.message(before + 1)).to_contain_text(str(ALL_FINE))
    await scene.keep("setup-check", before + 1)
    await world.admin.slash(world.channel, "server test", member=world.members[0])
    await expect(scene.desktop.messages).to_have_count(before + 3)
    await scene.keep("server-test", before + 2)


async def _family(scene: Scene) -> None:
    services, desktop, world = scene.studio.services, scene.desktop, scene.studio.world

    async def made(place: int, endpoint: str, number: int = 1) -> int:
        await services.called(endpoint, number)
        services.finish_all()
        await desktop.pictures(scene.message(place), 1)
        return place

    async def edited(member: simcord.MemberActor, command: str, endpoint: str, **options: str) -> int:
        """Somebody edits an image."""
        place = await desktop.messages.count()
        await member.slash(world.channel, f"edit {command}", **options)
        await expect(desktop.messages).to_have_count(place + 1)
        return await made(place, endpoint)

    ada, ben = world.members[:2]
    first = await made(await scene.run("imagine", prompt=f"{RESULT} --engine core --seed 7"), "aithriving.core")
    second = await edited(ben, "extend", "aithriving.outpaint", image="1-1", by="wider")
    await desktop.become("Grace (admin)")
    await made(await scene.press(first, NEW_SEED.label), "aithriving.core", 2)
    await edited(ada, "part", "aithriving.inpaint", image="2-1", prompt="a sailing boat", area="12,16")
    await edited(world.admin, "vary", "aithriving.basic.image_to_image", image="2-1", engine="aithriving/sd-1.6")
    await desktop.become("Ada")
    details = await scene.press(second, DETAILS.label)
    await desktop.press(scene.message(details), str(TREE.label))
    await scene.keep("tree", details, pictures=1)


async def _edits(scene: Scene) -> None:
    services, desktop = scene.studio.services, scene.desktop
    first = await scene.run("imagine", prompt=f"{RESULT} --engine core --seed 7")
    await services.called("aithriving.core")
    services.finish_all()
    await desktop.pictures(scene.message(first), 1)
    panel = await scene.press(first, EDIT_PICTURE.label)
    # The picture is added to the panel when it is drawn.
    for visitor in (desktop, scene.phone):
        await expect(visitor.messages.nth(panel).locator(".component-thumbnail")).to_be_visible()
    await scene.keep("panel", panel)
    await scene.priced(panel, EXTEND.label).click()
    await expect(scene.priced(panel, WIDER.label)).to_be_visible()
    await scene.keep("extend", panel)
    extended = await desktop.messages.count()
    await scene.priced(panel, WIDER.label).click()
    await desktop.reply(extended)
    await services.called("aithriving.outpaint")
    services.finish_all()
    await scene.keep("extended", extended, pictures=1)
    # The choices of Extend are in the place of the panel.
    await desktop.press(scene.message(panel), str(BACK_TO_PICTURE.label))
    for visitor in (desktop, scene.phone):
        await expect(visitor.messages.nth(panel)).to_contain_text(str(CHANGE_PART.label))
    await scene.phone.settled()
    await _save_strip(scene, (first, panel, extended), STRIP)


async def _part(scene: Scene) -> None:
    services, desktop = scene.studio.services, scene.desktop
    first = await scene.run("imagine", prompt=f"{RESULT} --engine core --seed 7")
    await services.called("aithriving.core")
    services.finish_all()
    await desktop.pictures(scene.message(first), 1)
    card = await scene.press(first, EDIT_PICTURE.label)
    await scene.priced(card, CHANGE_PART.label).click()
    await desktop.mark(scene.message(card), "11", "12", "15", "16")
    await expect(scene.priced(card, CHANGE.label)).to_be_enabled()
    await scene.keep("part", card, pictures=1)
    await desktop.press(scene.message(card), str(FINER.label))
    await expect(scene.priced(card, COARSER.label)).to_be_visible()
    await scene.keep("part-finer", card, pictures=1)
    await scene.priced(card, CHANGE.label).click()
    form = desktop.page.locator(".modal-dialog")
    await form.locator("textarea").fill(CHANGED)
    changed = await desktop.messages.count()
    await form.get_by_role("button", name="Submit").click()
    await desktop.reply(changed)
    await services.called("aithriving.inpaint")
    services.finish_all()
    await scene.keep("part-changed", changed, pictures=1)


SCENES: dict[str, Callable[[Scene], Awaitable[None]]] = {
    "one": _one,
    "several": _several,
    "compared": _compared,
    "failed": _failed,
    "lists": _lists,
    "settings": _settings,
    "admin": _admin,
    "setup": _setup,
    "family": _family,
    "edits": _edits,
    "part": _part,
}

if __name__ == "__main__":
    asyncio.run(take(*sys.argv[1:]))
