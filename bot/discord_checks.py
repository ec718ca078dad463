"""The doctor's checks of the application at Discord: its token, its settings and its registered commands."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, TypeAlias

import aiohttp
import discord

from bot.app import assembled
from bot.config import Settings, load
from bot.findings import Finding, Level, application_problems
from bot.run import NO_TOKEN, WRONG_TOKEN
from bot.text import Text, message, t
from bot.ui.client import why_unreachable
from bot.ui.sync import LOOKED_AT, OURS, TROUBLES, Trouble
from storage.pools import apart

Json: TypeAlias = Mapping[str, Any]

PERMISSIONS = discord.Permissions(
    view_channel=True,
    send_messages=True,
    send_messages_in_threads=True,
    attach_files=True,
    read_message_history=True,
)
"""The permissions in the invitation: the bot needs them to post a result after the interaction's token has expired."""

PATIENCE_SECONDS = 15.0

NOT_REGISTERED = message("doctor.not_registered", "Discord does not know them yet. The next start registers them.")
LEFT_OVER = message("doctor.left_over", "People see old commands in {places} twice. The next start removes them.")
DISCORD_ANSWERED = message("doctor.discord_answered", "Discord answered with status {status:plain}. Try again later.")
DISCORD_AWAY = message("doctor.discord_away", "Discord cannot be reached ({reason}). Check the network.")
DISCORD_ODD = message("doctor.discord_odd", "Discord's answer makes no sense. Check DISCORD_API_URL.")
KNOWN_AS = message("doctor.known_as", "Discord accepts the token; the bot's name is {name}.")


async def command_names() -> set[str]:
    """The names of the bot's commands, from a bot that is assembled with made-up keys in an empty folder."""
    folder = await apart(tempfile.mkdtemp)
    made_up = load({"DATA_DIR": folder, "AI_CLIENT_TOKEN": "made-up", "AITHRIVING_KEY": "made-up"}, env_file=None)
    try:
        async with assembled(made_up) as runtime:
            await runtime.client.add_cogs()
            return {command.name for command in runtime.client.tree.get_commands()}
    finally:
        await apart(shutil.rmtree, folder)


@dataclass(frozen=True, slots=True)
class Application:
    """The application at Discord; ``findings`` say whether it is set up to send its commands to the bot.

    ``id`` is None if Discord does not accept the token or cannot be reached.
    """

    findings: tuple[Finding, ...]
    id: int | None = None

    @property
    def invitation(self) -> str | None:
        """The address with which the bot can be added to a server."""
        if self.id is None:
            return None
        return discord.utils.oauth_url(self.id, permissions=PERMISSIONS, scopes=("bot", "applications.commands"))


async def application(settings: Settings) -> Application:
    """Ask Discord for the application and check it."""
    if settings.discord_token is None:
        return _unknown(NO_TOKEN())
    try:
        async with _asking(settings) as asking:
            return _application(await asking.get("/applications/@me"), settings)
    except _NOT_READ as error:
        return _unknown(_not_read(error))


async def registered(settings: Settings, application_id: int, ours: set[str]) -> AsyncIterator[Finding]:
    """Where Discord has the bot's commands, where it does not allow them, and where old ones are left over."""
    try:
        async with _asking(settings) as asking:
            async for finding in _places(asking, application_id, settings, ours):
                yield finding
    except _NOT_READ as error:
        text = t("The commands at Discord could not be checked. {reason}", reason=_not_read(error))
        yield Finding("commands", text, Level.TO_DO)


@asynccontextmanager
async def _asking(settings: Settings) -> AsyncIterator[_Asking]:
    async with aiohttp.ClientSession(
        timeout=aiohttp.ClientTimeout(total=PATIENCE_SECONDS),
        headers={"Authorization": f"Bot {settings.discord_token}"},
        proxy=settings.discord_proxy,
    ) as session:
        yield _Asking(session, settings.discord_api_url)


@dataclass(frozen=True, slots=True)
class _Asking:
    """Reads from Discord's API."""

    session: aiohttp.ClientSession
    api: str

    async def get(self, path: str) -> Any:
        """The JSON of the response. Raises _Refused for a status other than 200, and what aiohttp and json raise."""
        async with self.session.get(f"{self.api}{path}", allow_redirects=False) as answer:
            if answer.status == 200:
                return await answer.json()
            raise _Refused(answer.status)


class _Refused(Exception):
    """Discord answered with an error status."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


_NOT_READ = (_Refused, aiohttp.ClientError, OSError, ValueError, KeyError, TypeError, AttributeError)


def _not_read(error: Exception) -> Text:
    match error:
        case _Refused(status=401):
            return WRONG_TOKEN()
        case _Refused():
            return DISCORD_ANSWERED(status=error.status)
        case aiohttp.ContentTypeError():
            return DISCORD_ODD()
        case aiohttp.ClientError() | OSError():
            return DISCORD_AWAY(reason=why_unreachable(error))
    return DISCORD_ODD()


async def _places(asking: _Asking, application_id: int, settings: Settings, ours: set[str]) -> AsyncIterator[Finding]:
    """The places where the commands are registered correctly, and the places with leftover commands."""
    wanted = [str(guild) for guild in settings.command_guilds]
    everywhere = await _names(asking, f"/applications/{application_id}/commands")
    for guild in wanted:
        try:
            there = await _names(asking, f"/applications/{application_id}/guilds/{guild}/commands")
        except _Refused as refused:
            if refused.status not in {403, 404}:
                raise
            text = t("Server {id:plain} of COMMAND_GUILDS: {reason}", id=guild, reason=TROUBLES[Trouble.NOT_LET_IN])
            yield Finding("commands", text, Level.TO_DO)
        else:
            yield _registered(t("server {id:plain}", id=guild), there, ours)
    if not wanted:
        yield _registered(t("every server"), everywhere, ours)
    twice = [t("every server")] if wanted and everywhere else []
    for guild in await asking.get(f"/users/@me/guilds?limit={LOOKED_AT}"):
        with suppress(_Refused):
            if guild["id"] not in wanted and await _names(
                asking, f"/applications/{application_id}/guilds/{guild['id']}/commands"
            ):
                twice.append(t("server {id:plain}", id=guild["id"]))
    if twice:
        yield Finding("commands", LEFT_OVER(places=twice), Level.TO_DO)


async def _names(asking: _Asking, path: str) -> set[str]:
    return {command["name"] for command in await asking.get(path) if command.get("type", 1) in OURS}


def _registered(place: Text, there: set[str], ours: set[str]) -> Finding:
    if not there:
        return Finding("commands", NOT_REGISTERED(), Level.NOTE)
    if there == ours:
        return Finding("commands", t("Up to date in {place}.", place=place))
    return Finding("commands", t("Out of date in {place}; the next start updates them.", place=place), Level.NOTE)


def _application(told: Json, settings: Settings) -> Application:
    to_do = application_problems(
        settings,
        # A fake of Discord may leave it out. Discord itself does not.
        public=bool(told.get("bot_public")),
        endpoint=told.get("interactions_endpoint_url"),
        code_grant=bool(told.get("bot_require_code_grant")),
    )
    known = Finding("Discord", KNOWN_AS(name=str(told.get("name"))))
    return Application((known, *(Finding("Discord", text, Level.TO_DO) for text in to_do)), int(told["id"]))


def _unknown(text: Text) -> Application:
    return Application((Finding("Discord", text, Level.TO_DO),))
