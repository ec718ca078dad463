"""The names of people who are known by their ids."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence

import aiohttp
import discord
import structlog

from bot.ui.client import Interaction

log = structlog.get_logger(__name__)

ASKED_AT_MOST = 10
"""The maximum number of people for whose names Discord is asked at once."""


async def names_of(interaction: Interaction, user_ids: Collection[int]) -> dict[int, Sequence[str]]:
    """Return the names of those of these people who are found: the display name, and the plain user name.

    People who are not cached are requested from Discord. Without their names, what the names are for is still shown.
    """
    found = {user_id: _cached(interaction, user_id) for user_id in user_ids}
    missing = [user_id for user_id, user in found.items() if user is None][:ASKED_AT_MOST]
    found.update(zip(missing, await asyncio.gather(*(_asked(interaction, each) for each in missing)), strict=True))
    return {user_id: (user.display_name, user.name) for user_id, user in found.items() if user is not None}


def _cached(interaction: Interaction, user_id: int) -> discord.Member | discord.User | None:
    if user_id == interaction.user.id:
        return interaction.user
    member = None if interaction.guild is None else interaction.guild.get_member(user_id)
    return member or interaction.client.get_user(user_id)


async def _asked(interaction: Interaction, user_id: int) -> discord.User | None:
    try:
        return await interaction.client.fetch_user(user_id)
    except discord.NotFound:
        return None
    except (discord.HTTPException, aiohttp.ClientError, OSError) as error:
        log.warning("name.not_found", kind=type(error).__name__)
        return None
