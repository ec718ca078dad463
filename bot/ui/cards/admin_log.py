"""What admins changed: told to the one who did it, and to the server's log channel."""

from __future__ import annotations

import discord
import structlog

from bot.ui.cards.layout import notice
from bot.ui.cards.wording import safe
from bot.ui.client import Interaction
from bot.ui.interactions import tell

log = structlog.get_logger(__name__)

NOT_LOGGED = "It could not be written into the log channel, though: /server show says what is missing."


async def announce(interaction: Interaction, *sentences: str, log_channel: int | None) -> None:
    """Say what was done, privately here and publicly in the log channel. The sentences must be safe already."""
    logged = log_channel is None or await _logged(interaction, sentences, log_channel)
    await tell(interaction, notice(*sentences, *([] if logged else [NOT_LOGGED])))


async def _logged(interaction: Interaction, sentences: tuple[str, ...], channel_id: int) -> bool:
    client, server_id = interaction.client, interaction.guild_id
    name = f"<@{interaction.user.id}> ({safe(interaction.user.display_name, 80)})"
    try:
        await client.get_partial_messageable(channel_id, guild_id=server_id).send(
            view=notice(f"Changed by {name}:", *sentences), allowed_mentions=discord.AllowedMentions.none()
        )
    except discord.HTTPException as error:
        log.warning("admin_log.not_posted", server=server_id, status=error.status, code=error.code)
        return False
    return True
