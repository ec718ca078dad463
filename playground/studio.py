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
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import discord

from bot import config
from bot.app import Runtime, assembled
from bot.clock import Clock
from bot.config import Settings
from fakes.services import StandIn

if TYPE_CHECKING:
    from playground.world import World

# Work that is dropped here costs nobody money, so a stop need not wait long.
GRACE_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Studio:
    """``runtime`` is the bot, ``world`` the Discord around it, ``services`` the stand-in."""

    runtime: Runtime
    world: World
    services: StandIn


@asynccontextmanager
async def open_studio(settings: Settings, services: StandIn, *, clock: Clock | None = None) -> AsyncIterator[Studio]:
    """Start everything, on loopback and in a temporary folder.

    Only the limits in ``settings`` are used. Keys and data of the real bot are not touched.

    Of ``settings`` the limits count. Keys and data of the real bot are not touched.
    """
    _meet_simcord()
    from playground.world import open_world

    folder = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix="easel-"))
    try:
        await services.start()
        try:
            async with (
                assembled(_own(settings, folder, services.url), clock=clock) as runtime,
                open_world(runtime.client) as world,
                AsyncExitStack() as stack,
            ):
                # Tasks that start in here belong to the program and not to the bot: a person's action does not wait for
                # them,
                # but their requests still go to this world.
                with world.env.time_context():
                    await stack.enter_async_context(runtime.working(GRACE_SECONDS))
                yield Studio(runtime, world, services)
        finally:
            await services.stop()
    finally:
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)


def _meet_simcord() -> None:
    """Import SimCord, and suppress the warnings that discord.py logs meanwhile."""
    discord.VoiceClient.warn_nacl = discord.VoiceClient.warn_dave = False
    state = logging.getLogger("discord.state")
    before = state.level
    state.setLevel(logging.ERROR)
    try:
        importlib.import_module("simcord")
    finally:
        state.setLevel(before)


def _own(settings: Settings, folder: Path, url: str) -> Settings:
    """Settings that point at the stand-in and the folder."""
    environ = {
        "DATA_DIR": str(folder),
        "AI_CLIENT_TOKEN": "playground",
        "AI_CLIENT_URL": f"{url}/api/v1",
        "AITHRIVING_KEY": "playground",
        "AITHRIVING_URL": url,
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
