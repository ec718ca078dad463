"""Runs an assembled bot: logs it in to Discord, and serves until it is stopped."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from typing import Any, TypeVar

import aiohttp
import discord
import structlog
import yarl
from discord.gateway import DiscordWebSocket
from discord.http import Route

from bot.app import GRACE_SECONDS, Runtime
from bot.config import DISCORD_API
from bot.errors import SettingsError, UserError
from bot.findings import log_problems
from bot.gc_tuning import settle
from bot.health import beating
from bot.malloc_tuning import return_large_blocks
from bot.text import message
from bot.thread_tuning import switch_soon
from bot.ui.client import Easel, why_unreachable

T = TypeVar("T")

log = structlog.get_logger(__name__)

NO_TOKEN = message("discord.no_token", "DISCORD_TOKEN is not set. The README says where to find it.")
WRONG_TOKEN = message("discord.wrong_token", "Discord does not accept this DISCORD_TOKEN. Copy it again.")
WRONG_INTENTS = message(
    "discord.wrong_intents", "Discord refuses the bot's intents. Easel needs no privileged ones: update the program."
)
CLOSED = message("discord.closed", "Discord closed the connection (code {code:plain}). Start the bot again.")
REFUSED = message("discord.refused", "Discord does not let the bot log in (status {status}). Try again later.")
AWAY = message("discord.away", "Discord cannot be reached at {api}: {reason}. Check the network and try again.")
_CLOSE_CODES = {4004: WRONG_TOKEN, 4013: WRONG_INTENTS, 4014: WRONG_INTENTS}
"""The gateway's close codes that are caused by wrong settings."""


@asynccontextmanager
async def logged_in(runtime: Runtime) -> AsyncIterator[Easel]:
    """Log the bot in to Discord, which also brings the commands up to date; log it out at the end.

    Raises SettingsError if the token is missing or refused, and UserError if Discord cannot be reached.
    """
    token, api = runtime.settings.discord_token, runtime.settings.discord_api_url
    if token is None:
        raise SettingsError(NO_TOKEN)
    Route.BASE = api
    async with runtime.client as client:
        with _in_sentences(api):
            await client.login(token)
            if api != DISCORD_API:
                # After an invalid session the library reconnects to its default gateway, not to the API's gateway.
                _, gateway, _ = await client.http.get_bot_gateway()
                DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(gateway)
        yield client


@contextmanager
def _in_sentences(api: str) -> Iterator[None]:
    """Turn permanent errors of Discord or the network into SettingsError or UserError."""
    try:
        yield
    except discord.PrivilegedIntentsRequired:
        raise SettingsError(_CLOSE_CODES[4014]) from None
    except discord.ConnectionClosed as error:
        if error.code in _CLOSE_CODES:
            raise SettingsError(_CLOSE_CODES[error.code]) from None
        raise UserError(CLOSED(code=error.code)) from None
    except (discord.LoginFailure, discord.HTTPException, discord.GatewayNotFound) as error:
        # The library requests the gateway's address after the login, and wraps an error of that request in its own.
        answer = error.__cause__ if isinstance(error, discord.GatewayNotFound) else error
        status = answer.status if isinstance(answer, discord.HTTPException) else None
        if isinstance(error, discord.LoginFailure) or status == 401:
            raise SettingsError(WRONG_TOKEN) from None
        raise UserError(REFUSED(status="unknown" if status is None else str(status))) from error
    except (aiohttp.ClientError, OSError) as error:
        raise UserError(AWAY(api=api, reason=why_unreachable(error))) from error


async def serve(runtime: Runtime, stop: asyncio.Event) -> None:
    """Run the bot until ``stop`` is set; then accept no new work, wait for paid requests, and finish the uploads.

    Raises what ``logged_in`` raises. If Discord closes the connection for good, raises SettingsError if the token is
    no longer valid or the intents are refused, and UserError for any other reason.
    """
    return_large_blocks()
    switch_soon()
    async with AsyncExitStack() as stack:
        client = await _unless(stop, stack.enter_async_context(logged_in(runtime)))
        if client is None:
            return
        log_problems(runtime.settings, runtime.providers, client.application)
        await stack.enter_async_context(beating(runtime.settings.data_dir))
        await stack.enter_async_context(runtime.working())
        settling = asyncio.create_task(settle(client.wait_until_ready()))
        stack.callback(settling.cancel)
        with _in_sentences(runtime.settings.discord_api_url):
            await _unless(stop, client.connect())
        log.info("bot.stopping", grace=GRACE_SECONDS)


async def _unless(stop: asyncio.Event, work: Coroutine[Any, Any, T]) -> T | None:
    """Do the work and return its result. As soon as ``stop`` is set, cancel it and return None."""
    doing, stopping = asyncio.create_task(work), asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({doing, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if doing.done():
            return doing.result()
        return None
    finally:
        for task in (doing, stopping):
            task.cancel()
        await asyncio.gather(doing, stopping, return_exceptions=True)
