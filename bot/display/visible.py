"""Which channels a person may see, so that no sentence names another one. From the cache, without any request."""

from __future__ import annotations

import discord

from bot.origin import Origin


def channel_name(client: discord.Client, origin: Origin, channel_id: int) -> str | None:
    """How a channel of the server is called, or None where it is not there or whoever asks may not see it."""
    guild = client.get_guild(origin.server_id) if origin.server_id is not None else None
    channel = guild.get_channel(channel_id) if guild is not None else None
    return f"#{channel.name}" if channel is not None and may_see(origin, channel) else None


def may_see(origin: Origin, channel: discord.abc.GuildChannel) -> bool:
    """Whether the person may see the channel, with the roles that came with their command."""
    guild = channel.guild
    if origin.user_id == guild.owner_id:
        return True
    known = {guild.default_role, *(role for id_ in origin.role_ids if (role := guild.get_role(id_)) is not None)}
    if any(role.permissions.administrator for role in known):
        return True
    seen = any(role.permissions.view_channel for role in known)
    # First what the channel says of everybody, then of the roles together, then of the person.
    everybody = channel.overwrites_for(guild.default_role).view_channel
    of_roles = {channel.overwrites_for(role).view_channel for role in known if role != guild.default_role}
    by_roles = True if True in of_roles else False if False in of_roles else None
    themselves = channel.overwrites_for(discord.Object(origin.user_id)).view_channel
    for said in (everybody, by_roles, themselves):
        seen = seen if said is None else said
    return seen
