"""Registers the commands with Discord when, and only when, their definition has changed; remembers their ids."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

import discord
import structlog
from discord import app_commands

from storage import state
from storage.database import Database

log = structlog.get_logger(__name__)

_STATE = "commands"
_EVERYWHERE = "everywhere"


class CommandSync:
    """Keeps Discord's copy of the commands like ours: in ``guilds``, or everywhere if there are none.

    What was registered where is kept in the database: for each scope the hash of the definition and the ids that
    Discord gave.
    """

    def __init__(self, tree: app_commands.CommandTree[Any], database: Database, guilds: Sequence[int]) -> None:
        self._tree = tree
        self._database = database
        self._guilds = tuple(guilds)
        self._ids: dict[str, int] = {}

    async def ensure(self) -> list[str]:
        """Register what has changed. A refusal of Discord's is logged: the bot works with the commands that are there.

        Returns the scopes that were registered anew: ids of servers, or ``everywhere``.
        """
        try:
            return await self.sync()
        except discord.HTTPException as error:
            log.exception("commands.not_synced", status=error.status, code=error.code)
            return []

    async def sync(self, *, force: bool = False) -> list[str]:
        """Register what has changed, or everything, and take back what stands in scopes that are no longer wanted.

        Returns the scopes that were registered anew. Raises discord.HTTPException.
        """
        async with self._database.read() as connection:
            known: dict[str, dict[str, Any]] = await state.get(connection, _STATE) or {}
        wanted: dict[str, discord.Object | None] = {str(guild): discord.Object(guild) for guild in self._guilds}
        wanted = wanted or {_EVERYWHERE: None}
        digest = self._digest()
        done = []
        for scope, guild in wanted.items():
            if force or known.get(scope, {}).get("hash") != digest:
                if guild is not None:
                    self._tree.copy_global_to(guild=guild)
                registered = await self._tree.sync(guild=guild)
                known[scope] = {"hash": digest, "ids": {command.name: command.id for command in registered}}
                await self._keep(known)
                done.append(scope)
                log.info("commands.synced", scope=scope, commands=len(registered))
        for scope in [scope for scope in known if scope not in wanted]:
            await self._clear(scope)
            del known[scope]
            await self._keep(known)
        self._ids = {name: id_ for scope in wanted for name, id_ in known[scope]["ids"].items()}
        return done

    def mention(self, command: str) -> str:
        """The command as something to click on where its id is known, or else as its name."""
        id_ = self._ids.get(command.partition(" ")[0])
        # In several servers a command has several ids, and each is good in its own server only.
        return f"</{command}:{id_}>" if id_ is not None and len(self._guilds) < 2 else f"`/{command}`"

    def _digest(self) -> str:
        """The hash of everything that Discord is told, the application included."""
        definition = [command.to_dict(self._tree) for command in self._tree.get_commands()]
        told = json.dumps([self._tree.client.application_id, definition], sort_keys=True)
        return hashlib.sha256(told.encode()).hexdigest()

    async def _clear(self, scope: str) -> None:
        client = self._tree.client
        application_id = client.application_id
        if application_id is None:
            raise RuntimeError("the commands are synced after the log-in")
        try:
            if scope == _EVERYWHERE:
                await client.http.bulk_upsert_global_commands(application_id, [])
            else:
                await client.http.bulk_upsert_guild_commands(application_id, int(scope), [])
        except discord.Forbidden:
            log.info("commands.server_left", scope=scope)

    async def _keep(self, known: dict[str, dict[str, Any]]) -> None:
        async with self._database.write() as tx:
            await state.put(tx, _STATE, known)
