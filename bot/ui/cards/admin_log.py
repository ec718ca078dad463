"""What admins changed: told to the one who did it, and to the server's log channel."""

from __future__ import annotations

import discord
import structlog

from bot.ui.cards.layout import notice
from bot.ui.cards.wording import safe
from bot.ui.replies import Press, tell

log = structlog.get_logger(__name__)

NOT_LOGGED = "It could not be written into the log channel, though: /server show says what is missing."


async def announce(interaction: Press, *sentences: str) -> None:
    """Say what was done, privately here and for all in the log channel. The sentences must be safe already."""
    logged = await _logged(interaction, sentences)
    await tell(interaction, notice(*sentences, *([] if logged else [NOT_LOGGED])))


async def _logged(interaction: Press, sentences: tuple[str, ...]) -> bool:
    client, server_id = interaction.client, interaction.guild_id
    channel_id = client.servers.rules(server_id).log_channel
    if channel_id is None:
        return True
    name = f"<@{interaction.user.id}> ({safe(interaction.user.display_name, 80)})"
    try:
        await client.get_partial_messageable(channel_id, guild_id=server_id).send(
            view=notice(f"Changed by {name}:", *sentences), allowed_mentions=discord.AllowedMentions.none()
        )
    except discord.HTTPException as error:
        log.warning("admin_log.not_posted", server=server_id, status=error.status, code=error.code)
        return False
    return True
