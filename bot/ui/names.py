"""The names of people who are known by their ids."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Collection, Sequence

import aiohttp
import discord
import structlog

from bot.ui.client import Interaction

log = structlog.get_logger(__name__)

ASKED_AT_MOST = 10
"""The maximum number of people whose names are requested from Discord for one answer."""
PATIENCE = 5.0
"""Seconds after which the names that Discord has not sent are given up, for example because of its rate limit."""


async def names_of(interaction: Interaction, user_ids: Collection[int]) -> dict[int, Sequence[str]]:
    """Return the names of those of these people who are found, by their ids, best first.

    These are the name in this server, if the person is a member, and the user name, which has only plain letters. What
    the names are for is shown without those that are not found.
    """
    found: dict[int, Sequence[str]] = {}
    if interaction.user.id in user_ids:
        found[interaction.user.id] = _names(interaction.user)
    others = [each for each in user_ids if each != interaction.user.id][:ASKED_AT_MOST]
    if not others:
        return found
    asked = {asyncio.ensure_future(_asked(interaction, each)): each for each in others}
    try:
        done, _ = await asyncio.wait(asked, timeout=PATIENCE)
    finally:
        for task in asked:
            task.cancel()
    users = {asked[task]: task.result() for task in done}
    return found | {user_id: _names(user) for user_id, user in users.items() if user is not None}


def _names(user: discord.Member | discord.User) -> Sequence[str]:
    return user.display_name, user.name


async def _asked(interaction: Interaction, user_id: int) -> discord.Member | discord.User | None:
    guild = None if interaction.guild_id is None else interaction.client.get_guild(interaction.guild_id)
    try:
        if guild is not None:
            with contextlib.suppress(discord.NotFound, discord.Forbidden):
                return guild.get_member(user_id) or await guild.fetch_member(user_id)
        return await interaction.client.fetch_user(user_id)
    except discord.NotFound:
        return None
    except (discord.HTTPException, aiohttp.ClientError, OSError) as error:
        log.warning("name.not_found", kind=type(error).__name__)
        return None
