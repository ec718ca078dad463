"""Keeps Discord's copy of the commands like ours: reads what Discord has, and puts right what differs.

Where the commands belong (servers by their ids, or everywhere) each place is seen to by itself, and what does not
succeed for a reason that passes is tried again while the bot runs. Everywhere else they are taken away, or people would
see them twice. Commands of kinds that are not ours, such as the Entry Point of an application with an Activity, stay
as they are: Discord refuses to have that one left out.
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
from bot.unreachable import unreachable
from storage import settings
from storage.database import Database, StorageError

Json: TypeAlias = Mapping[str, Any]

log = structlog.get_logger(__name__)

OURS = frozenset({1, 2, 3})
"""The kinds of commands that are registered here: typed, and in the menus of a user and of a message."""
LOOKED_AT = 200
"""In so many of the bot's servers commands that should not be there are looked for."""
FIRST_WAIT, LONGEST_WAIT = 15.0, 900.0
"""Seconds before what did not succeed is tried again, at first and at most."""

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
    """Why the commands of one place are not as they should be."""

    NOT_LET_IN = "not let in"
    """Discord does not let the bot have commands there: it is not in that server, or was invited without them."""
    REFUSED = "refused"
    """Discord does not take them, and will not as long as they are the same."""
    AWAY = "away"
    """Discord did not answer, or asks for patience."""


TROUBLES = {
    Trouble.NOT_LET_IN: "invite the bot there with the scope applications.commands, or take it out of COMMAND_GUILDS.",
    Trouble.REFUSED: "Discord refuses them; the log says why. Report this to Easel's developers.",
    Trouble.AWAY: "Discord does not answer, or asks for patience. Try again later.",
}
"""For the operator: how to fix each kind of trouble."""


@dataclass(frozen=True, slots=True)
class Synced:
    """What came of it: the scopes that were registered anew, and those that were not, each with the reason.

    A scope is the id of a server, ``everywhere``, or ``servers`` where the list of the bot's servers could not be read.
    """

    done: tuple[str, ...]
    troubles: Mapping[str, Trouble]


class CommandSync:
    """Keeps the commands registered in ``guilds``, or everywhere if there are none.

    What Discord gave in return is kept in the database by scope: the hash of the definition that it belongs to, the ids
    and the versions. Where Discord has these very versions, nothing has to be sent.
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
        """Register what has changed, before the first command comes. What fails is left to ``run``."""
        self._last = await self.sync(elsewhere=False)
        return self._last

    async def run(self) -> None:
        """See to what ``ensure`` left: look into the other servers, and try again what can still succeed."""
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

    async def joined(self, guild_id: int) -> None:
        """The bot came into a server, which may be one whose commands were refused until then."""
        if guild_id in self._guilds:
            await self.sync(elsewhere=False)

    async def sync(self, *, force: bool = False, elsewhere: bool = True) -> Synced:
        """Register what differs from what Discord has, or everything, and take away what is in other places.

        ``elsewhere`` False looks into no servers but those that were known before.
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
            # As long as they are in no place where they belong, those that are elsewhere are better than none.
            if any(scope not in troubles for scope in self._wanted()):
                troubles |= await self._clear_elsewhere(known, look=elsewhere)
            return Synced(tuple(done), troubles)

    def mention(self, command: str) -> str:
        """The command as something to click on where its id is known, or else as its name."""
        scopes = self._wanted()
        id_ = self._ids.get(scopes[0], {}).get(command.partition(" ")[0])
        # In several servers a command has several ids, and each is good in its own server only.
        return f"</{command}:{id_}>" if id_ is not None and len(scopes) < 2 else f"`/{command}`"

    def _wanted(self) -> tuple[str, ...]:
        return tuple(str(guild) for guild in self._guilds) or (_EVERYWHERE,)

    async def _register(self, scope: str, known: dict[str, dict[str, Any]], *, force: bool) -> bool:
        """Have the commands of one place like ours; whether something had to be sent. Raises what the library does."""
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
        """Take the commands away wherever they do not belong."""
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
                # Where the bot may have no commands there are none.
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
        """The commands as Discord is told them."""
        tree, translator = self._tree, self._tree.translator
        if translator is None:
            return [command.to_dict(tree) for command in tree.get_commands()]
        return [await command.get_translated_payload(tree, translator) for command in tree.get_commands()]

    async def _read(self, scope: str) -> list[dict[str, Any]]:
        route = Route("GET", "/applications/{application_id}/commands", application_id=self._application)
        if scope != _EVERYWHERE:
            path = "/applications/{application_id}/guilds/{guild_id}/commands"
            route = Route("GET", path, application_id=self._application, guild_id=int(scope))
        # With the names in other languages, so that what is sent back is whole.
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
    """The hash of everything that Discord is told, the application included."""
    return hashlib.sha256(json.dumps([application_id, definition], sort_keys=True).encode()).hexdigest()


def _versions(commands: Sequence[Json]) -> dict[str, str]:
    return {str(command["id"]): str(command.get("version")) for command in commands}


def _kept(there: Sequence[Json]) -> list[dict[str, Any]]:
    """The commands of other kinds, in the form in which they are sent back unchanged."""
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
    return {"why": unreachable(error)}
