"""A person at the page: headless Chromium driven by Playwright, for tests and screenshots."""

from __future__ import annotations

import asyncio
import re
import shutil
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from playwright.async_api import FilePayload, Locator, Page, async_playwright, expect

CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# Running as root rules out the sandbox; the other flags keep Chromium from contacting other servers.
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
)
# How long anything may take to appear, in milliseconds. Only a broken page takes this long.
PATIENCE = 30_000


def chromium() -> str | None:
    """The path of the browser, or None."""
    return next((found for name in CHROMIUM if (found := shutil.which(name))), None)


@asynccontextmanager
async def visit(address: str, *, width: int = 1180, height: int = 900, touch: bool = False) -> AsyncIterator[Visitor]:
    """Open the page in a new window, on a phone with ``touch``. Raises LookupError if there is no Chromium."""
    path = await asyncio.to_thread(chromium)
    if path is None:
        raise LookupError("there is no Chromium on this machine")
    expect.set_options(timeout=PATIENCE)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        try:
            page = await browser.new_page(viewport={"width": width, "height": height}, has_touch=touch, is_mobile=touch)
            page.set_default_timeout(PATIENCE)
            visitor = Visitor(page)
            await page.goto(address)
            await visitor.settled()
            yield visitor
        finally:
            await browser.close()


class Visitor:
    """What a person does and sees in the page."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.messages = page.locator("#channel-message-list > .channel-message")
        self.composer = page.locator("#channel-composer-input")
        self.status = page.locator("#action-status")
        self.panel = page.locator("#playground-panel")
        self.notice = page.locator("#connection-notice")
        self.tray = page.locator("#attachment-tray .attached-file")
        self.samples = page.locator("#try-pictures .sample-picture")
        self.suggestions = page.locator(".command-popup .command-suggestion-label")

    async def settled(self) -> None:
        """Wait until the page has drawn everything."""
        await expect(self.page.locator("#preview-app")).to_have_attribute("aria-busy", "false")

    async def idle(self) -> None:
        """Wait until the page has finished the last action; until then its status ends in "…"."""
        await expect(self.status).not_to_have_text(re.compile("…$"))

    async def become(self, name: str) -> None:
        """Act as another person from now on."""
        await self.page.get_by_label("You are").select_option(label=name)
        await self.idle()

    async def start_command(self, name: str) -> None:
        """Type a slash and the command's name, and pick the first suggestion."""
        await self.composer.press_sequentially(f"/{name}")
        await expect(self.page.locator(".command-entry.is-active").filter(has_text=f"/{name}")).to_be_visible()
        # The list is drawn again with every change of the channel, which can swallow a click.
        await self.composer.press("Enter")
        await expect(self.page.locator(".command-chip")).to_be_visible()

    async def fill(self, option: str, value: str, *, offered: str | None = None) -> None:
        """Type an option's value; with ``offered``, pick that suggestion."""
        await self._add_option(option)
        await self.option(option).press_sequentially(value)
        if offered is not None:
            await self._suggestion(offered).click()

    async def attach(self, option: str, file: FilePayload) -> None:
        """Choose a file of this device for an option of the typed command."""
        await self._add_option(option)
        await self.page.locator(f'.command-file-input[data-option="{option}"]').set_input_files(file)

    async def choose_sample(self, option: str, label: str) -> None:
        """Choose one of the playground's pictures for an option of the typed command."""
        await self._add_option(option)
        await self.file_button(option).focus()
        await self._suggestion(label).click()
        await expect(self.file_button(option).locator(".picture-thumbnail")).to_be_visible()

    async def post(self, text: str, *files: FilePayload) -> None:
        """Write a message in the channel, with files."""
        if files:
            await self.page.locator("#attach-input").set_input_files(files)
            await expect(self.tray).to_have_count(len(files))
        await self.composer.fill(text)
        await self.page.locator("#send-message").click()
        await self.idle()

    async def send(self) -> None:
        """Run the typed command."""
        await self.page.locator("#send-message").click()
        await self.idle()
        await expect(self.composer).to_be_visible(timeout=PATIENCE)

    async def run(self, name: str, options: Mapping[str, str]) -> None:
        """Type a whole command and run it."""
        await self.start_command(name)
        for option, value in options.items():
            await self.fill(option, value)
        await self.send()

    def option(self, name: str) -> Locator:
        """The input field of a command's option."""
        return self.page.locator(f'.command-option-input[data-option="{name}"]')

    def file_button(self, option: str) -> Locator:
        """The button of a command's option for a file."""
        return self.page.locator(f'.command-file-choose[data-option="{option}"]')

    def offered(self, command: str) -> Locator:
        """A command among the suggestions."""
        return self.page.locator(".command-entry-title strong").get_by_text(f"/{command}", exact=True)

    def message(self, text: str) -> Locator:
        """The messages that contain this text."""
        return self.messages.filter(has_text=text)

    async def reply(self, before: int) -> Locator:
        """Wait for a message after the first ``before`` ones, and return it."""
        await expect(self.messages).to_have_count(before + 1)
        return self.messages.last

    async def choose(self, message: Locator, command: str) -> None:
        """Run a command from a message's menu."""
        await message.locator(".message-header").first.click(button="right")
        await self.page.get_by_role("menuitem", name=command, exact=True).click()
        await self.idle()

    async def set_panel(self, *, shown: bool) -> None:
        """Show or hide the panel of the playground."""
        if await self.panel.is_visible() != shown:
            await self.page.locator("#panel-toggle").click()

    async def press(self, message: Locator, label: str) -> None:
        """Press a message's button."""
        # The name of a button to a screen reader begins with its icon.
        named = self.page.locator(f".button-label:text-is({label!r})")
        await message.locator(".message-components .component-button").filter(has=named).click()

    async def mark(self, message: Locator, *labels: str, menu: int = 0) -> None:
        """Choose several options in a menu of a message."""
        await message.locator(".select-trigger").nth(menu).click()
        for label in labels:
            option = self.page.get_by_role("option").filter(has=self.page.get_by_text(label, exact=True))
            await option.click()
        # Closing the list sends the choice.
        await message.locator(".select-trigger").nth(menu).click()
        await self.idle()

    async def pictures(self, message: Locator, number: int) -> list[tuple[int, int]]:
        """Wait until ``number`` images of a message are drawn; return their width and height in pixels."""
        images = message.locator(".component-gallery img")
        await expect(images).to_have_count(number)
        sizes = []
        for place in range(number):
            trigger = message.locator(".component-gallery .media-lightbox-trigger").nth(place)
            await expect(trigger).to_be_enabled(timeout=PATIENCE)
            size: list[int] = await images.nth(place).evaluate("image => [image.naturalWidth, image.naturalHeight]")
            sizes.append((size[0], size[1]))
        return sizes

    async def screenshot(self, path: Path) -> None:
        """Save a screenshot."""
        await self.settled()
        await self.page.screenshot(path=path)

    async def _add_option(self, option: str) -> None:
        if not await self.page.locator(f'.command-pill[data-option="{option}"]').count():
            await self.page.locator(".command-ghost").click()
            await self._suggestion(option).click()

    def _suggestion(self, text: str) -> Locator:
        return self.page.locator(".command-popup .command-suggestion").filter(
            has=self.page.locator(f".command-suggestion-label:text-is({text!r})")
        )
