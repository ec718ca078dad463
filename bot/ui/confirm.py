"""Confirming a price: the press of the one who asked begins the work, on the card that asked."""

from __future__ import annotations

from bot.ui.interactions import missing_permissions, origin_of, pressed_card
from bot.ui.replies import Press


async def confirm(interaction: Press, job_id: int) -> None:
    """Begin with what was proposed. The press brings a fresh token, by which the card is followed from here on."""
    origin, card = origin_of(interaction), pressed_card(interaction)
    await interaction.response.defer()
    missing = missing_permissions(interaction, origin, private=False)
    await interaction.client.proposals.confirm(origin, job_id, card, missing=missing)
    await interaction.client.delivery.show(job_id)
