"""Keeps the commands that are registered at Discord up to date: reads Discord's copy and sends the differences.

The commands are registered in certain servers or globally. Each place is synced separately, and temporary failures are
retried while the bot runs. The commands are removed from all other places, or people would see them twice. Commands of
other kinds, such as the Entry Point of an application with an Activity, stay as they are: Discord refuses an update
without it.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeAlias

import aiohttp
import discord
import structlog
from discord import app_commands
from discord.http import Route

from bot.clock import Clock
from bot.text import Message, message
from bot.ui.client import why_unreachable
from storage import settings
from storage.database import Database, StorageError

Json: TypeAlias = Mapping[str, Any]

log = structlog.get_logger(__name__)

OURS = frozenset({1, 2, 3})
"""The kinds of commands that are synced: slash commands, and commands in the menus of users and messages."""
LOOKED_AT = 200
"""The maximum number of servers that are searched for leftover commands."""
FIRST_WAIT, LONGEST_WAIT = 15.0, 900.0
"""Seconds before a failed sync is retried: the first and the maximum delay."""

_STATE = "commands"
_EVERYWHERE = "everywhere"
_KEPT_AS_IT_IS = (
    "id",
    "type",
    "name",
    "name_localizations",
    "description",
    "description_localizations",
    "contexts",
    "integration_types",
    "handler",
)


class Trouble(StrEnum):
    """The reason why the commands of one place could not be synced."""

    NOT_LET_IN = "not_let_in"
    """The bot may not have commands there: it is not in that server, or was invited without the commands scope."""
    REFUSED = "refused"
    """Discord refuses the commands, and will do so until they change."""
    AWAY = "away"
    """Discord did not respond, or the bot is rate limited."""


TROUBLES: Mapping[Trouble, Message] = {
    Trouble.NOT_LET_IN: message(
        "commands.not_let_in",
        "Invite the bot there with the scope applications.commands, or remove the server from COMMAND_GUILDS.",
    ),
    Trouble.REFUSED: message(
        "commands.refused", "Discord refuses them; the log says why. Report this to Easel's developers."
    ),
    Trouble.AWAY: message("commands.away", "Discord isn't answering, or limits the bot's requests. Try again later."),
}
"""The advice to the operator for each kind of trouble."""


@dataclass(frozen=True, slots=True)
class Synced:
    """The outcome of a sync: the scopes that were registered, and those that failed, each with the reason.

    A scope is a server's id, ``everywhere``, or ``servers`` if the list of the bot's servers could not be read.
    """

    done: tuple[str, ...]
    troubles: Mapping[str, Trouble]


class CommandSync:
    """Keeps the commands registered in ``guilds``, or globally if ``guilds`` is empty.

    For each scope, the database stores the hash of the last request and the ids and versions that Discord returned. If
    Discord still has these versions, nothing has to be sent.
    """

    def __init__(
        self, tree: app_commands.CommandTree[Any], database: Database, guilds: Sequence[int], clock: Clock
    ) -> None:
        self._tree = tree
        self._database = database
        self._guilds = tuple(guilds)
        self._clock = clock
        self._ids: dict[str, dict[str, int]] = {}
        self._turn = asyncio.Lock()
        self._last = Synced((), {})

    async def ensure(self) -> Synced:
        """Register changed commands before the first command arrives. ``run`` retries failures."""
        self._last = await self.sync(elsewhere=False)
        return self._last

    async def run(self) -> None:
        """Do what ``ensure`` leaves: remove leftovers from other servers, and retry temporary failures."""
        wait, looked = FIRST_WAIT, False
        while not looked or Trouble.AWAY in self._last.troubles.values():
            if self._last.troubles:
                await self._clock.sleep(wait)
                wait = min(wait * 2, LONGEST_WAIT)
            try:
                self._last = await self.sync()
            except StorageError:
                log.exception("commands.not_synced")
            looked = True

    async def on_guild_join(self, guild: discord.Guild) -> None:
        """Register the commands of a server that the bot has joined. Discord may have refused them before."""
        if guild.id in self._guilds:
            await self.sync(elsewhere=False)

    async def sync(self, *, force: bool = False, elsewhere: bool = True) -> Synced:
        """Register the commands that differ from Discord's (with ``force`` all), and remove them from other places.

        ``elsewhere`` False skips servers in which the bot never registered commands.
        """
        async with self._turn:
            async with self._database.read() as connection:
                known: dict[str, dict[str, Any]] = await settings.get_state(connection, _STATE) or {}
            done: list[str] = []
            troubles: dict[str, Trouble] = {}
            for scope in self._wanted():
                try:
                    if await self._register(scope, known, force=force):
                        done.append(scope)
                except (discord.HTTPException, aiohttp.ClientError, OSError) as error:
                    troubles[scope] = trouble = _trouble(error)
                    told = log.warning if trouble is Trouble.AWAY else log.error
                    told("commands.not_synced", scope=scope, trouble=trouble.value, **_answer(error))
                self._ids[scope] = known.get(scope, {}).get("ids", {})
            # If no place has the commands yet, leftovers elsewhere are better than none.
            if any(scope not in troubles for scope in self._wanted()):
                troubles |= await self._clear_elsewhere(known, look=elsewhere)
            return Synced(tuple(done), troubles)

    def mention(self, command: str) -> str:
        """The command as a clickable mention if its id is known, else its name."""
        scopes = self._wanted()
        id_ = self._ids.get(scopes[0], {}).get(command.partition(" ")[0])
        # A command that is registered in several servers has an id for each, which is valid only there.
        return f"</{command}:{id_}>" if id_ is not None and len(scopes) < 2 else f"`/{command}`"

    def _wanted(self) -> tuple[str, ...]:
        return tuple(str(guild) for guild in self._guilds) or (_EVERYWHERE,)

    async def _register(self, scope: str, known: dict[str, dict[str, Any]], *, force: bool) -> bool:
        """Sync one scope. Returns whether an update was sent. Raises what discord.py raises."""
        there = await self._read(scope)
        definition = await self._definition()
        digest = _digest(self._application, definition)
        ours = [command for command in there if command["type"] in OURS]
        before = known.get(scope, {})
        if not force and before.get("hash") == digest and before.get("versions") == _versions(ours):
            return False
        registered = await self._write(scope, [*definition, *_kept(there)])
        ours = [command for command in registered if command["type"] in OURS]
        known[scope] = {
            "hash": digest,
            "ids": {command["name"]: int(command["id"]) for command in ours},
            "versions": _versions(ours),
        }
        await self._remember(known)
        log.info("commands.synced", scope=scope, commands=len(ours))
        return True

    async def _clear_elsewhere(self, known: dict[str, dict[str, Any]], *, look: bool) -> dict[str, Trouble]:
        """Remove the commands from all places where they do not belong."""
        troubles: dict[str, Trouble] = {}
        scopes = dict.fromkeys([_EVERYWHERE, *known])
        if look:
            try:
                guilds = await self._tree.client.http.get_guilds(LOOKED_AT, with_counts=False)
                scopes |= dict.fromkeys(str(guild["id"]) for guild in guilds)
            except (discord.HTTPException, aiohttp.ClientError, OSError) as error:
                troubles["servers"] = _trouble(error)
        for scope in [scope for scope in scopes if scope not in self._wanted()]:
            try:
                there = await self._read(scope)
                if any(command["type"] in OURS for command in there):
                    await self._write(scope, _kept(there))
                    log.info("commands.taken_away", scope=scope)
            except (discord.HTTPException, aiohttp.ClientError, OSError) as error:
                # If the bot may not have commands there, there are none to remove.
                if (trouble := _trouble(error)) is not Trouble.NOT_LET_IN:
                    log.warning("commands.left_over", scope=scope, trouble=trouble.value, **_answer(error))
                    troubles[scope] = trouble
                    continue
            if known.pop(scope, None) is not None:
                await self._remember(known)
        return troubles

    @property
    def _application(self) -> int:
        id_: int | None = self._tree.client.application_id
        if id_ is None:
            raise RuntimeError("the commands are synced after the log-in")
        return id_

    async def _definition(self) -> list[dict[str, Any]]:
        """The commands as they are sent to Discord, with descriptions in all languages."""
        tree, translator = self._tree, self._tree.translator
        if translator is None:
            return [command.to_dict(tree) for command in tree.get_commands()]
        return [await command.get_translated_payload(tree, translator) for command in tree.get_commands()]

    async def _read(self, scope: str) -> list[dict[str, Any]]:
        route = Route("GET", "/applications/{application_id}/commands", application_id=self._application)
        if scope != _EVERYWHERE:
            path = "/applications/{application_id}/guilds/{guild_id}/commands"
            route = Route("GET", path, application_id=self._application, guild_id=int(scope))
        # Request the localizations too, so that the commands of other kinds are sent back complete.
        there: list[dict[str, Any]] = await self._tree.client.http.request(route, params={"with_localizations": "true"})
        return there

    async def _write(self, scope: str, commands: list[dict[str, Any]]) -> list[dict[str, Any]]:
        http = self._tree.client.http
        registered: list[dict[str, Any]]
        if scope == _EVERYWHERE:
            registered = await http.bulk_upsert_global_commands(self._application, commands)
        else:
            registered = await http.bulk_upsert_guild_commands(self._application, int(scope), commands)
        return registered

    async def _remember(self, known: dict[str, dict[str, Any]]) -> None:
        async with self._database.write() as tx:
            await settings.set_state(tx, _STATE, known)


def _digest(application_id: int, definition: list[dict[str, Any]]) -> str:
    """The hash of all data that is sent to Discord, and of the application's id."""
    return hashlib.sha256(json.dumps([application_id, definition], sort_keys=True).encode()).hexdigest()


def _versions(commands: Sequence[Json]) -> dict[str, str]:
    return {str(command["id"]): str(command.get("version")) for command in commands}


def _kept(there: Sequence[Json]) -> list[dict[str, Any]]:
    """The commands of other kinds, in a form that leaves them unchanged when it is sent back."""
    kept = []
    for command in there:
        if command["type"] not in OURS:
            same = {name: command[name] for name in _KEPT_AS_IT_IS if command.get(name)}
            permissions = command.get("default_member_permissions")
            kept.append(same | {"default_member_permissions": None if permissions is None else int(permissions)})
    return kept


def _trouble(error: Exception) -> Trouble:
    if not isinstance(error, discord.HTTPException) or error.status >= 500 or error.status == 429:
        return Trouble.AWAY
    return Trouble.NOT_LET_IN if error.status in {403, 404} else Trouble.REFUSED


def _answer(error: Exception) -> dict[str, object]:
    if isinstance(error, discord.HTTPException):
        return {"status": error.status, "code": error.code, "why": error.text}
    return {"why": why_unreachable(error)}
