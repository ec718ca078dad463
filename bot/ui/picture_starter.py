"""Starts jobs from the cards of a picture, at once or after a form."""

from __future__ import annotations

from bot.domain.options import ImagineOptions
from bot.errors import UserError
from bot.jobs.picture_tools import EditedPicture, PictureTools, Tool
from bot.jobs.sources import Sources
from bot.ui.client import Interaction
from bot.ui.forms import show_form
from bot.ui.interactions import TOO_SLOW, origin_of
from bot.ui.job_starter import JobStarter
from bot.ui.picked_pictures import incoming
from bot.ui.picture_forms import PictureForm, Question


class PictureStarter:
    """Starts jobs that start from a picture."""

    def __init__(self, *, tools: PictureTools, sources: Sources, starter: JobStarter) -> None:
        self._tools = tools
        self._sources = sources
        self._starter = starter

    async def run(
        self,
        interaction: Interaction,
        picture: EditedPicture,
        options: ImagineOptions,
        *,
        complete: bool,
        named_price: int | None,
    ) -> None:
        """Start a job, see :meth:`JobStarter.run`. It must be the first answer. Raises UserError."""
        if interaction.response.is_done():
            raise UserError(TOO_SLOW)
        await self._starter.run(
            interaction,
            options,
            complete=complete,
            parent_id=picture.job_id,
            named_price=named_price,
            picture=incoming(self._sources, origin_of(interaction), picture),
        )

    async def ask(
        self, interaction: Interaction, picture: EditedPicture, tool: Tool, options: ImagineOptions, question: Question
    ) -> None:
        """Open a form that completes the options, and then starts the job on the chosen engine."""
        offers = self._tools.engines(origin_of(interaction), picture, tool)
        named = {each.engine.id: each.price.high for each in offers}

        async def start(interaction: Interaction, completed: ImagineOptions) -> None:
            completed = await self._tools.without_flagged(completed)
            named_price = named.get(completed.engine or "")
            await self.run(interaction, picture, completed, complete=False, named_price=named_price)

        await show_form(interaction, PictureForm(question, options, offers, start, job_id=picture.job_id))
