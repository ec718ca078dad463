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
from bot.findings import Finding, Level
from bot.text import Text, message, t
from bot.ui.sync import LOOKED_AT, OURS, TROUBLES, Trouble
from bot.unreachable import unreachable
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

LEFT_OVER = message("doctor.left_over", "People see old commands in {places} twice. The next start removes them.")
NO_TOKEN = message("doctor.no_token", "Set DISCORD_TOKEN; the README says where to find it.")
TOKEN_UNKNOWN = message("doctor.token_unknown", "Discord does not accept this DISCORD_TOKEN. Copy it again.")
DISCORD_ANSWERED = message("doctor.discord_answered", "Discord answered with status {status:plain}. Try again later.")
DISCORD_AWAY = message("doctor.discord_away", "Discord cannot be reached ({reason}). Check the network.")
DISCORD_ODD = message("doctor.discord_odd", "Discord's answer makes no sense. Check DISCORD_API_URL.")
ENDPOINT_SET = message(
    "doctor.endpoint_set",
    "In the developer portal, under General Information, clear Interactions Endpoint URL, or no command arrives here.",
)
CODE_GRANT = message(
    "doctor.code_grant",
    "In the developer portal, under Bot, switch off Requires OAuth2 Code Grant, or nobody can invite the bot.",
)
INVITE = message("doctor.invite", "Discord knows the bot as {name}. Invite it with {address}")


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


async def application(settings: Settings) -> Finding:
    """Whether Discord accepts the token, and whether the application is set up to send its commands to the bot."""
    if settings.discord_token is None:
        return Finding("Discord", NO_TOKEN(), Level.TO_DO)
    try:
        async with _asking(settings) as asking:
            return _application_settings(await asking.get("/applications/@me"))
    except _NOT_READ as error:
        return Finding("Discord", _not_read(error), Level.TO_DO)


async def registered(settings: Settings, ours: set[str]) -> AsyncIterator[Finding]:
    """Where Discord has the bot's commands, where it does not allow them, and where old ones are left over."""
    try:
        async with _asking(settings) as asking:
            told = await asking.get("/applications/@me")
            async for finding in _places(asking, int(told["id"]), settings, ours):
                yield finding
    except _NOT_READ as error:
        text = t("What Discord has could not be checked. {reason}", reason=_not_read(error))
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
            return TOKEN_UNKNOWN()
        case _Refused():
            return DISCORD_ANSWERED(status=error.status)
        case aiohttp.ContentTypeError():
            return DISCORD_ODD()
        case aiohttp.ClientError() | OSError():
            return DISCORD_AWAY(reason=unreachable(error))
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
            yield _registered(t("server {id:plain}", id=guild), current=there == ours)
    if not wanted:
        yield _registered(t("every server"), current=everywhere == ours)
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


def _registered(place: Text, *, current: bool) -> Finding:
    if current:
        return Finding("commands", t("Up to date in {place}.", place=place))
    return Finding("commands", t("Out of date in {place}; the next start updates them.", place=place), Level.NOTE)


def _application_settings(told: Json) -> Finding:
    if told.get("interactions_endpoint_url"):
        return Finding("Discord", ENDPOINT_SET(), Level.TO_DO)
    if told.get("bot_require_code_grant"):
        return Finding("Discord", CODE_GRANT(), Level.TO_DO)
    address = discord.utils.oauth_url(int(told["id"]), permissions=PERMISSIONS, scopes=("bot", "applications.commands"))
    return Finding("Discord", INVITE(name=str(told.get("name")), address=address))
