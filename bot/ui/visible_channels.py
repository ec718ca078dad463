"""Determines which channels a person may see, so that no text names a hidden one. Reads only the cache."""

from __future__ import annotations

import discord

from bot.domain.place import Origin
from bot.domain.rules import Place

UNKNOWN = Place(lambda _: None, lambda _: True, lambda _: True)


def place_of(client: discord.Client, origin: Origin) -> Place:
    """The person's server as they see it. If the server is not cached, everything is assumed to exist."""
    guild = client.get_guild(origin.server_id) if origin.server_id is not None else None
    if guild is None or guild.unavailable:
        return UNKNOWN

    def name(channel_id: int) -> str | None:
        channel = guild.get_channel(channel_id)
        return f"#{channel.name}" if channel is not None and may_see(origin, channel) else None

    return Place(
        name,
        has_channel=lambda channel_id: guild.get_channel_or_thread(channel_id) is not None,
        has_role=lambda role_id: guild.get_role(role_id) is not None,
    )


def may_see(origin: Origin, channel: discord.abc.GuildChannel) -> bool:
    """Whether the person may see the channel, given the roles from their interaction."""
    guild = channel.guild
    if origin.user_id == guild.owner_id:
        return True
    known = {guild.default_role, *(role for id_ in origin.role_ids if (role := guild.get_role(id_)) is not None)}
    if any(role.permissions.administrator for role in known):
        return True
    seen = any(role.permissions.view_channel for role in known)
    # Overwrites for everybody apply first, then those for roles, then those for the person.
    everybody = channel.overwrites_for(guild.default_role).view_channel
    of_roles = {channel.overwrites_for(role).view_channel for role in known if role != guild.default_role}
    by_roles = True if True in of_roles else False if False in of_roles else None
    themselves = channel.overwrites_for(discord.Object(origin.user_id)).view_channel
    for said in (everybody, by_roles, themselves):
        seen = seen if said is None else said
    return seen
