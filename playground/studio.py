"""The playground without its page: the real bot, on SimCord, with the image services' stand-in.

    async with open_studio(settings, services) as studio:
        ada = studio.world.members[0]
        await ada.slash(studio.world.channel, "imagine", prompt="a fox")

Tests use the Studio of tests/cogs/conftest.py, which has a clock that skips waiting.
"""

from __future__ import annotations

import asyncio
import importlib
import logging
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import discord
import structlog

from bot import config
from bot.app import Runtime, assembled
from bot.clock import Clock
from bot.config import Settings
from fakes.services import StandIn

if TYPE_CHECKING:
    from playground.saved_world import SavedWorld
    from playground.world import World

log = structlog.get_logger(__name__)

# Work that is dropped here costs nobody money, so a stop need not wait long.
GRACE_SECONDS = 1.0
# The shortest time between two writes of the world, in seconds.
SAVE_PAUSE = 1.0
OPENAI_MODELS = (
    "gpt-image-1 medium 1024x1024=0.04224 1536x1024=0.06336 1024x1536=0.06336 tokens=5:10:40,"
    "gpt-image-1 low 1024x1024=0.01088 1536x1024=0.01632 1024x1536=0.01632 tokens=5:10:40"
)
"""Models of the stand-in, with its prices."""


class Studio:
    """``runtime`` is the bot, ``world`` the Discord around it, ``services`` the stand-in."""

    runtime: Runtime
    world: World

    def __init__(self, settings: Settings, services: StandIn, clock: Clock | None) -> None:
        self.services = services
        self._settings = settings
        self._clock = clock
        self._parts = AsyncExitStack()
        self._work = AsyncExitStack()

    async def restart(self) -> None:
        """Stop the bot and start it again on the same data, while Discord and the services go on.

        No actions are possible meanwhile. Unfinished jobs resume as after a crash.
        """
        env = self.world.env
        with suppress(TimeoutError):
            await env.settle()
        await self._work.aclose()
        await self._parts.aclose()
        await self._assemble()
        await env.restart_bot(self.runtime.client)
        await self._begin()

    def join(self) -> None:
        """Let the bot join the server. SimCord sends no such event by itself."""
        client = self.runtime.client
        with self.world.env.time_context():
            client.dispatch("guild_join", client.get_guild(self.world.server.id))

    @asynccontextmanager
    async def _open(self, saved: SavedWorld | None) -> AsyncIterator[None]:
        """Start the bot and the world around it."""
        from playground.world import open_world

        async with AsyncExitStack() as stack:
            stack.push_async_callback(self._parts.aclose)
            await self._assemble()
            self.world = await stack.enter_async_context(open_world(self.runtime.client, saved))
            stack.push_async_callback(self._work.aclose)
            await self._begin()
            yield

    async def _assemble(self) -> None:
        self.runtime = await self._parts.enter_async_context(assembled(self._settings, clock=self._clock))

    async def _begin(self) -> None:
        # Deletion of old data waits until Discord has confirmed the machine's clock. Here it is Discord's clock too.
        self.runtime.reference.record(self.runtime.clock.now())
        # Tasks that start in here belong to the program and not to the bot: a person's action does not wait for them,
        # but their requests still go to this world.
        with self.world.env.time_context():
            await self._work.enter_async_context(self.runtime.working(GRACE_SECONDS))


@asynccontextmanager
async def open_studio(
    settings: Settings,
    services: StandIn,
    *,
    clock: Clock | None = None,
    folder: Path | None = None,
    every_service: bool = False,
) -> AsyncIterator[Studio]:
    """Start everything, on loopback. Keys and data of the real bot are not used; of ``settings``, only the limits are.

    With ``folder``, data, messages and unfinished renderings are kept there and used again. Without it, they are
    deleted at the end. With ``every_service``, there is one of each kind, also of those
    that cost nothing.
    Raises StorageError if the folder cannot be used.
    """
    _import_simcord()
    from playground.saved_world import SavedWorld

    async with AsyncExitStack() as stack:
        saved = None if folder is None else SavedWorld(folder)
        if folder is None:
            folder = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix="easel-"))
            stack.push_async_callback(asyncio.to_thread, shutil.rmtree, folder, ignore_errors=True)
        await services.start()
        stack.push_async_callback(services.stop)
        if saved is not None and (memory := await asyncio.to_thread(saved.services_memory)) is not None:
            saved.recall_services(services, memory)
        studio = Studio(_own(settings, folder, services.url, every_service=every_service), services, clock)
        await stack.enter_async_context(studio._open(saved))  # noqa: SLF001  a part of this function
        if saved is not None:
            await stack.enter_async_context(_saving(studio, saved))
        yield studio


@asynccontextmanager
async def _saving(studio: Studio, saved: SavedWorld) -> AsyncIterator[None]:
    """Write the world after every change, and at the end."""
    world = studio.world
    news = asyncio.Event()
    news.set()

    async def save() -> None:
        await asyncio.to_thread(saved.write, saved.take(world.env.backend, studio.services))

    async def follow() -> None:
        while True:
            await news.wait()
            news.clear()
            try:
                await save()
            except OSError:
                # The next change tries again.
                log.exception("world.not_saved")
            await asyncio.sleep(SAVE_PAUSE)

    world.traffic.listeners.append(news.set)
    following = asyncio.create_task(follow(), name="saving")
    try:
        yield
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
        world.traffic.listeners.remove(news.set)
        await save()


def _import_simcord() -> None:
    """Import SimCord, and suppress the warnings that discord.py logs meanwhile."""
    discord.VoiceClient.warn_nacl = discord.VoiceClient.warn_dave = False
    state = logging.getLogger("discord.state")
    before = state.level
    state.setLevel(logging.ERROR)
    try:
        importlib.import_module("simcord")
    finally:
        state.setLevel(before)


def _own(settings: Settings, folder: Path, url: str, *, every_service: bool) -> Settings:
    """Settings that point at the stand-in and the folder."""
    environ = {
        "DATA_DIR": str(folder),
        "AI_CLIENT_TOKEN": "playground",
        "AI_CLIENT_URL": f"{url}/api/v1",
        "AITHRIVING_KEY": "playground",
        "AITHRIVING_URL": url,
    }
    if every_service:
        environ |= {
            "A1111_URL": f"{url}/a1111",
            "COMFYUI_URL": f"{url}/comfyui",
            "AI_HORDE": "1",
            "AI_HORDE_URL": f"{url}/horde",
            "AI_HORDE_IMAGE_HOSTS": urlsplit(url).netloc,
            "OPENAI_KEY": "playground",
            "OPENAI_URL": f"{url}/openai/v1",
            "OPENAI_MODELS": OPENAI_MODELS,
        }
    return replace(
        config.load(environ, env_file=None),
        user_daily_credits=settings.user_daily_credits,
        server_monthly_credits=settings.server_monthly_credits,
        bot_daily_credits=settings.bot_daily_credits,
        jobs_per_user=settings.jobs_per_user,
        log_level=settings.log_level,
        log_format=settings.log_format,
    )
