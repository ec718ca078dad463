"""The page, used in a browser: the real bot, the real adapters, a stand-in that paints."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import discord
import pytest
from playwright.async_api import expect

from bot.config import Settings
from fakes.services import StandIn, flat
from playground.browser import PATIENCE, Visitor, chromium, visit
from playground.live_page import open_page
from playground.page import FOLDER, free_port, token_in
from playground.page_files import CHANGES, THEIRS
from playground.studio import Studio, open_studio
from playground.world import open_world
from tests.playground.conftest import HastyClock, png

ROOT = Path(__file__).parents[2]
SDXL = "ai-client/stable-diffusion-xl-1024-v0-9"

in_a_browser = pytest.mark.skipif(chromium() is None, reason="there is no Chromium on this machine")


@pytest.fixture
async def studio(settings: Settings, hasty: HastyClock) -> AsyncIterator[Studio]:
    """A studio whose images finish when a test says so."""
    async with open_studio(settings, StandIn(seconds=None, painter=flat), clock=hasty) as studio:
        yield studio


@pytest.fixture
async def visitor(studio: Studio) -> AsyncIterator[Visitor]:
    """Ada, who has just opened the page."""
    async with open_page(studio.world, port=0) as preview, visit(preview.url) as visitor:
        yield visitor


@pytest.mark.slow
@in_a_browser
async def test_from_a_prompt_to_images_and_again(studio: Studio, visitor: Visitor) -> None:
    await visitor.start_command("imagine")
    await visitor.fill("prompt", "a lighthouse on a cliff")
    await visitor.fill("engine", "stable diff", offered="Stable Diffusion XL 0.9 · about 5 credits an image")
    await visitor.fill("size", "3:2", offered="1216x832 · 3:2")
    await visitor.fill("images", "2")
    await visitor.send()

    card = visitor.message("a lighthouse on a cliff").first
    await expect(card).to_contain_text("1216x832 · 2 images")
    await studio.services.called("ai-client.entry")
    await expect(card).to_contain_text("Rendering")
    await expect(card.locator("time.discord-timestamp")).to_have_text(re.compile("second"))

    studio.services.finish_all()

    assert await visitor.pictures(card, 2) == [(1216, 832), (1216, 832)]
    await expect(card.locator(".component-gallery img").first).to_have_attribute(
        "alt", "a lighthouse on a cliff (image 1 of 2)"
    )
    await expect(card).to_contain_text("10 credits")

    await visitor.press(card, "Again")
    again = visitor.messages.nth(1)
    await expect(again).to_contain_text("1216x832 · 2 images")
    await studio.services.called("ai-client.entry", 2)
    studio.services.finish_all()

    assert await visitor.pictures(again, 2) == [(1216, 832), (1216, 832)]


@pytest.mark.slow
@in_a_browser
async def test_from_a_picture_to_an_image(studio: Studio, visitor: Visitor) -> None:
    await visitor.start_command("imagine")
    await visitor.fill("prompt", "the same at night")
    await visitor.attach("picture", {"name": "harbour.png", "mimeType": "image/png", "buffer": png((768, 512))})
    await visitor.fill("strength", "40")
    await visitor.send()
    await studio.services.called("aithriving.basic.image_to_image")
    studio.services.finish_all()

    ((width, height),) = await visitor.pictures(visitor.message("the same at night").first, 1)
    assert width * 512 == height * 768


@pytest.mark.slow
@in_a_browser
async def test_an_updating_card_does_not_disturb_typing(studio: Studio, visitor: Visitor) -> None:
    await visitor.run("imagine", {"prompt": "the first one"})
    await studio.services.called("ai-client.entry")
    await visitor.start_command("imagine")
    await visitor.fill("prompt", "the second one, typed while ")

    studio.services.finish_all()
    await visitor.pictures(visitor.message("the first one").first, 1)
    field = visitor.option("prompt")
    await expect(field).to_be_focused()
    await visitor.page.keyboard.type("the first one arrives")

    await expect(field).to_have_value("the second one, typed while the first one arrives")
    await visitor.send()
    await expect(visitor.message("the second one, typed while the first one arrives")).to_have_count(1)


@pytest.mark.slow
@in_a_browser
async def test_everybody_sees_only_what_is_meant_for_them(studio: Studio, visitor: Visitor) -> None:
    await visitor.run("imagine", {"prompt": "a secret --size 3x3"})
    refusal = visitor.message("3x3")
    await expect(refusal).to_contain_text("Only you can see this")
    await expect(visitor.status).to_have_text("Action completed")

    await visitor.run("imagine", {"prompt": "a surprise", "private": "True"})
    await studio.services.called("ai-client.entry")
    studio.services.finish_all()
    surprise = visitor.message("a surprise")
    await visitor.pictures(surprise, 1)
    await expect(surprise).to_contain_text("Only you can see this")

    await visitor.become("Ben")
    await expect(surprise).to_have_count(0)
    await expect(refusal).to_have_count(0)
    await visitor.composer.press_sequentially("/")
    await expect(visitor.offered("imagine")).to_be_visible()
    await expect(visitor.offered("usage report")).to_have_count(0)
    await visitor.composer.fill("")

    await visitor.become("Grace (admin)")
    await visitor.run("usage report", {})
    await expect(visitor.message("The Studio")).to_contain_text("@Ada: 5 credits")


@pytest.mark.slow
@in_a_browser
async def test_scrolling_away_is_respected(studio: Studio, visitor: Visitor) -> None:
    await visitor.run("engines", {})
    await visitor.run("help", {})
    await visitor.run("imagine", {"prompt": "far below"})
    await studio.services.called("ai-client.entry")
    timeline = visitor.page.locator("#channel-timeline")
    await expect(visitor.message("far below").last).to_be_in_viewport()
    await timeline.hover()
    await visitor.page.mouse.wheel(0, -5000)
    first = visitor.messages.first
    await expect(first).to_be_in_viewport()

    studio.services.finish_all()

    await visitor.pictures(visitor.message("far below").last, 1)
    await expect(first).to_be_in_viewport()


@pytest.mark.parametrize("name", CHANGES)
def test_everything_that_is_changed_exists_once_in_simcords_files(name: str) -> None:
    text = (THEIRS / name).read_text("utf-8")
    assert {piece: text.count(piece) for piece in CHANGES[name]} == dict.fromkeys(CHANGES[name], 1)


async def test_the_page_has_our_name() -> None:
    async with (
        open_world(discord.Client(intents=discord.Intents(guilds=True))) as world,
        open_page(world, port=0) as preview,
        aiohttp.ClientSession() as session,
    ):
        address = preview.url.partition("#")[0]
        for path, wanted in (("", "Easel playground"), ("page.js", "discord-timestamp"), ("page.css", ".command")):
            async with session.get(address + path) as answer:
                assert answer.status == 200
                assert wanted in await answer.text()
        async with session.get(address, headers={"Host": "elsewhere.invalid"}) as answer:
            assert answer.status == 403


async def test_another_port_is_taken_if_one_is_in_use(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as squatter:
        port = squatter.getsockname()[1]
        async with (
            open_world(discord.Client(intents=discord.Intents(guilds=True))) as world,
            free_port(world, port) as preview,
        ):
            assert f":{port}/" not in preview.url

    assert f"Port {port} is in use" in capsys.readouterr().out


@pytest.mark.slow
async def test_the_command_prints_the_address_and_ends_on_request(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "bot",
        "playground",
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        async for line in process.stdout:
            if found := re.search(rb"http://127\.0\.0\.1:\d+/#[\w-]{20,}", line):
                break
        else:
            pytest.fail(f"no address was said: {(await process.communicate())[1].decode()}")
        async with aiohttp.ClientSession() as session, session.get(found[0].decode()) as answer:
            assert answer.status == 200
        process.send_signal(signal.SIGINT)
        rest, errors = await asyncio.wait_for(process.communicate(), PATIENCE / 1000)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()

    assert process.returncode == 0
    assert b"The playground is closed" in rest
    assert errors == b"", "the log is at warning"
    # Its data is apart from the bot's, and the address is the same at the next start.
    folder = tmp_path / "data"
    assert await asyncio.to_thread(lambda: [path.name for path in folder.iterdir()]) == [FOLDER]
    assert found[0].decode().endswith(f"#{await asyncio.to_thread(token_in, folder / FOLDER)}")
