"""Pictures in the page, in a browser: for options of commands, for messages, for forms, and from a message's menu."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import discord
import pytest
from discord import app_commands
from playwright.async_api import FilePayload, expect

from fakes.services import StandIn
from playground.browser import Visitor, visit
from playground.live_page import FILE_LIMIT, LivePreview, open_page
from playground.page_server import Controls
from playground.sample_pictures import HARBOUR, PHOTO, SAMPLES, WORDS, SamplePictures, post_photo, sample_named
from playground.service_faults import Switch
from playground.world import World, open_world
from tests.playground.conftest import png
from tests.playground.test_page import in_a_browser
from tests.playground.test_page_features import overflows
from tests.playground.test_sample_pictures import plain

pytestmark = [pytest.mark.slow, in_a_browser]

on_a_desktop = pytest.mark.parametrize("visitor", ["desktop"], indirect=True)

LOOK = "Look at this"


@dataclass(slots=True)
class Seen:
    """What the bot has received: the name, the type, the size and the digest of each picture."""

    pictures: list[tuple[str, str | None, int | None, int | None, str]] = field(default_factory=list)
    prompts: list[str | None] = field(default_factory=list)

    async def look(self, attachment: discord.Attachment) -> None:
        digest = hashlib.sha256(await attachment.read()).hexdigest()
        known = attachment.filename, attachment.content_type, attachment.width, attachment.height, digest
        self.pictures.append(known)


class Form(discord.ui.Modal, title="A form"):
    picture: discord.ui.Label[Form] = discord.ui.Label(text="Picture", component=discord.ui.FileUpload(custom_id="f"))

    def __init__(self, seen: Seen) -> None:
        super().__init__()
        self._seen = seen

    async def on_submit(self, interaction: discord.Interaction) -> None:
        upload = self.picture.component
        assert isinstance(upload, discord.ui.FileUpload)
        for attachment in upload.values:
            await self._seen.look(attachment)
        await interaction.response.send_message("Received by the form", ephemeral=True)


class Looker(discord.Client):
    """A bot with a command, a form and a menu for pictures."""

    def __init__(self, seen: Seen) -> None:
        super().__init__(intents=discord.Intents(guilds=True))
        self.tree: app_commands.CommandTree[Looker] = app_commands.CommandTree(self)

        async def imagine(
            interaction: discord.Interaction,
            prompt: str | None = None,
            picture: discord.Attachment | None = None,
            mask: discord.Attachment | None = None,
        ) -> None:
            seen.prompts.append(prompt)
            for attachment in filter(None, (picture, mask)):
                await seen.look(attachment)
            await interaction.response.send_message("Received by the command")

        async def plainly(interaction: discord.Interaction, words: str) -> None:
            await interaction.response.send_message(f"No picture: {words}")

        async def fill(interaction: discord.Interaction) -> None:
            await interaction.response.send_modal(Form(seen))

        async def menu(interaction: discord.Interaction, message: discord.Message) -> None:
            for attachment in message.attachments:
                await seen.look(attachment)
            await interaction.response.send_message("Received by the menu", ephemeral=True)

        for name, callback in (("imagine", imagine), ("plain", plainly), ("form", fill)):
            self.tree.add_command(app_commands.Command(name=name, description="A command", callback=callback))
        self.tree.add_command(app_commands.ContextMenu(name=LOOK, callback=menu))

    async def setup_hook(self) -> None:
        await self.tree.sync()


@pytest.fixture
def seen() -> Seen:
    return Seen()


@pytest.fixture
def pictures() -> SamplePictures:
    return SamplePictures(plain)


@pytest.fixture
async def world(seen: Seen) -> AsyncIterator[World]:
    async with open_world(Looker(seen)) as world:
        yield world


@pytest.fixture
async def preview(world: World, pictures: SamplePictures) -> AsyncIterator[LivePreview]:
    async def restart() -> None:
        raise NotImplementedError

    async with open_page(world, port=0, controls=Controls(restart, Switch(StandIn()), pictures)) as preview:
        yield preview


@pytest.fixture(params=["desktop", "phone"])
async def visitor(preview: LivePreview, request: pytest.FixtureRequest) -> AsyncIterator[Visitor]:
    """Ada at each of the two screens."""
    phone = request.param == "phone"
    async with visit(preview.url, width=390 if phone else 1280, height=844, touch=phone) as visitor:
        if phone:
            await visitor.set_panel(shown=False)
        yield visitor


def payload(name: str = "cat.png", data: bytes | None = None, kind: str = "image/png") -> FilePayload:
    return {"name": name, "mimeType": kind, "buffer": png() if data is None else data}


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


async def test_a_file_of_this_device_goes_to_an_option(seen: Seen, visitor: Visitor) -> None:
    await visitor.start_command("imagine")
    await visitor.fill("prompt", "a cat")
    await visitor.attach("picture", payload())
    await expect(visitor.file_button("picture").locator("img")).to_have_js_property("naturalWidth", 40)
    assert not await overflows(visitor.page)
    await visitor.send()

    await expect(visitor.message("Received by the command")).to_have_count(1)
    assert seen.pictures == [("cat.png", "image/png", 40, 30, digest(png()))]
    assert seen.prompts == ["a cat"]


async def test_a_picture_of_the_playground_goes_to_an_option(
    seen: Seen, visitor: Visitor, pictures: SamplePictures
) -> None:
    await visitor.start_command("imagine")
    for option, sample in zip(("picture", "mask"), (SAMPLES[0], SAMPLES[3]), strict=True):
        await visitor.choose_sample(option, sample.label)
        await expect(visitor.file_button(option)).to_contain_text(sample.filename)
    await expect(visitor.suggestions).to_have_count(0)
    assert not await overflows(visitor.page)
    await visitor.send()

    await expect(visitor.message("Received by the command")).to_have_count(1)
    received = [(name, digest) for name, _, _, _, digest in seen.pictures]
    assert received == [
        (sample.filename, digest(await pictures.picture(sample.name))) for sample in (SAMPLES[0], SAMPLES[3])
    ]


async def test_the_panel_starts_the_command_with_a_picture(
    seen: Seen, visitor: Visitor, pictures: SamplePictures
) -> None:
    await visitor.set_panel(shown=True)
    await expect(visitor.samples).to_have_count(len(SAMPLES))
    await expect(visitor.samples.locator("img").last).not_to_have_js_property("naturalWidth", 0)
    assert not await overflows(visitor.page)
    await visitor.samples.filter(has_text=sample_named(PHOTO).label).click()

    await expect(visitor.page.locator(".command-chip")).to_have_text("/imagine")
    await expect(visitor.file_button("picture")).to_contain_text(sample_named(PHOTO).filename)
    await visitor.send()
    await expect(visitor.message("Received by the command")).to_have_count(1)
    (received,) = seen.pictures
    assert received[4] == digest(await pictures.picture(PHOTO))


async def test_a_picture_is_posted_and_used_from_its_menu(seen: Seen, visitor: Visitor) -> None:
    await visitor.post("my cat", payload(), payload("notes.txt", b"words", "text/plain"))
    message = visitor.message("my cat")
    await expect(message.locator(".attachment-image img, img.attachment-image")).to_have_js_property("naturalWidth", 40)
    await expect(visitor.tray).to_have_count(0)
    await expect(visitor.composer).to_have_value("")
    assert not await overflows(visitor.page)

    await message.locator(".message-header").first.hover()
    await message.locator(".message-more").click()
    await visitor.page.get_by_role("menuitem", name=LOOK, exact=True).click()

    await expect(visitor.message("Received by the menu")).to_have_count(1)
    assert [each[0] for each in seen.pictures] == ["cat.png", "notes.txt"]


async def test_the_photo_of_a_member_can_be_used(
    seen: Seen, world: World, visitor: Visitor, pictures: SamplePictures
) -> None:
    await post_photo(world, pictures, asyncio.Lock())
    message = visitor.message(WORDS)
    # The browser turns it upright.
    await expect(message.locator("img[class*=attachment], .attachment-image img")).to_have_js_property(
        "naturalWidth", 3024
    )
    assert not await overflows(visitor.page)

    await message.locator(".message-header").first.hover()
    await message.locator(".message-more").click()
    await visitor.page.get_by_role("menuitem", name=LOOK, exact=True).click()

    await expect(visitor.message("Received by the menu")).to_have_count(1)
    assert seen.pictures[0][4] == digest(await pictures.picture(PHOTO))


@on_a_desktop
async def test_a_message_needs_no_text_and_a_file_can_be_removed(world: World, visitor: Visitor) -> None:
    files = [payload("one.png"), payload("two.png")]
    await visitor.page.locator("#attach-input").set_input_files(files)
    await visitor.page.get_by_role("button", name="Remove one.png").click()
    await visitor.post("")

    await expect(visitor.messages).to_have_count(1)
    (message,) = world.channel.history()
    assert [each.filename for each in message.attachments] == ["two.png"]


@on_a_desktop
async def test_a_file_that_is_too_large_is_refused_before_it_is_sent(seen: Seen, visitor: Visitor) -> None:
    large = payload("large.png", bytes(FILE_LIMIT + 1))
    await visitor.start_command("imagine")
    await visitor.attach("picture", large)
    await expect(visitor.page.locator(".command-error")).to_be_in_viewport(ratio=1)
    await visitor.attach("picture", payload("exact.png", bytes(FILE_LIMIT)))
    await expect(visitor.page.locator(".command-error")).to_have_count(0)
    await visitor.send()
    await expect(visitor.message("Received by the command")).to_have_count(1)
    assert [each[0] for each in seen.pictures] == ["exact.png"]

    await visitor.page.locator("#attach-input").set_input_files(large)
    await expect(visitor.notice).to_be_visible()
    await expect(visitor.tray).to_have_count(0)


async def test_a_form_takes_a_file_or_a_picture_of_the_playground(
    seen: Seen, visitor: Visitor, pictures: SamplePictures
) -> None:
    await visitor.start_command("form")
    await visitor.page.locator("#send-message").click()
    form = visitor.page.locator(".modal-dialog")
    await expect(form).to_be_visible()
    await form.locator("input[type=file]").set_input_files(payload())
    await expect(form.locator(".upload-item")).to_contain_text("cat.png")
    # The other one takes its place, because the form takes one file.
    await form.locator(".sample-picture").first.click()
    await expect(form.locator(".upload-item")).to_have_count(1)
    await expect(form.locator(".upload-item")).to_contain_text(SAMPLES[0].filename)
    await form.get_by_role("button", name="Submit").click()

    await expect(visitor.message("Received by the form")).to_have_count(1)
    assert [each[4] for each in seen.pictures] == [digest(await pictures.picture(HARBOUR))]


DROP = """([kind, target]) => {
  const transfer = new DataTransfer();
  transfer.items.add(new File([new Uint8Array([1, 2, 3])], "dropped.png", { type: "image/png" }));
  const options = kind === "paste" ? { clipboardData: transfer } : { dataTransfer: transfer };
  const event = kind === "paste" ? new ClipboardEvent("paste", { ...options, bubbles: true, cancelable: true })
    : new DragEvent(kind, { ...options, bubbles: true, cancelable: true });
  document.querySelector(target).dispatchEvent(event);
}"""


@on_a_desktop
async def test_files_are_dropped_and_pasted(visitor: Visitor) -> None:
    await visitor.page.evaluate(DROP, ["dragover", "#channel-timeline"])
    await expect(visitor.page.locator("body.is-dropping")).to_have_count(1)
    await visitor.page.evaluate(DROP, ["drop", "#channel-timeline"])
    await expect(visitor.tray).to_have_count(1)
    await expect(visitor.page.locator("body.is-dropping")).to_have_count(0)
    await visitor.page.evaluate(DROP, ["paste", "#channel-composer-input"])
    await expect(visitor.tray).to_have_count(2)

    # While a command is typed, they go to the command, or nowhere.
    await visitor.start_command("imagine")
    await visitor.page.evaluate(DROP, ["drop", "#channel-timeline"])
    await expect(visitor.file_button("picture")).to_contain_text("dropped.png")
    await visitor.page.evaluate(DROP, ["drop", "#channel-timeline"])
    await visitor.page.locator(".command-context-close").click()
    await visitor.composer.fill("")
    await visitor.start_command("plain")
    await visitor.page.evaluate(DROP, ["drop", "#channel-timeline"])
    await expect(visitor.notice).to_be_visible()
    await expect(visitor.file_button("picture")).to_have_count(0)


@on_a_desktop
async def test_a_chosen_file_outlives_changes_of_the_channel(seen: Seen, world: World, visitor: Visitor) -> None:
    await visitor.start_command("imagine")
    await visitor.attach("picture", payload())
    await world.members[1].slash(world.channel, "plain", words="another message")
    await expect(visitor.message("another message")).to_have_count(1)

    await visitor.fill("prompt", "a cat")
    await visitor.send()

    await expect(visitor.message("Received by the command")).to_have_count(1)
    assert len(seen.pictures) == 1
    assert seen.prompts == ["a cat"]
