"""An example image at the press of a button."""

from __future__ import annotations

from bot.domain.options import ImagineOptions
from bot.jobs.service import JobService
from bot.text import t
from bot.ui.client import Interaction
from bot.ui.interactions import origin_of
from bot.ui.job_starter import JobStarter

FIRST_PROMPT = t("a lighthouse on a cliff, storm")
"""The prompt of the button that tries the bot, in the person's language."""


class TryIt:
    """Makes an example image as the job of the person who presses the button, with their own defaults and limits."""

    def __init__(self, service: JobService, starter: JobStarter) -> None:
        self._service = service
        self._starter = starter

    async def start(self, interaction: Interaction) -> None:
        """Start the job. Raises UserError."""
        private = self._service.private_by_default(origin_of(interaction))
        options = ImagineOptions(prompt=str(FIRST_PROMPT), private=private)
        await self._starter.start(interaction, await self._starter.planned(interaction, options))
