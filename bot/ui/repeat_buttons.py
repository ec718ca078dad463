"""The buttons that run a job again: with the same seed or a new one."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, TypeVar

from bot.domain.requests import Plan
from bot.errors import UserError
from bot.jobs.refusals import CommandRefused
from bot.jobs.service import JobService
from bot.ui.cards.buttons import OLD_BUTTON
from bot.ui.cards.proposal import same_seed_card
from bot.ui.client import Interaction
from bot.ui.interactions import TOO_SLOW, looked_up, missing_permissions, origin_of, promise
from bot.ui.job_starter import JobStarter

T = TypeVar("T")


class RepeatButtons:
    """The handlers of these buttons."""

    def __init__(self, *, service: JobService, starter: JobStarter) -> None:
        self._service = service
        self._starter = starter
        self._questions = starter.questions

    async def again(self, interaction: Interaction, job_id: int) -> None:
        """Run the job again. If that makes the same images, ask first."""
        origin = origin_of(interaction)
        # The original job's privacy decides whether everybody sees the answer.
        plan, same = await self._planned(interaction, job_id, self._service.plan_repeat(origin, job_id))
        if same is None or self._service.asks_first(origin, plan):
            await self._start(interaction, plan, job_id, repeats=same is not None)
            return
        await promise(interaction)
        card = same_seed_card(same, self._service.cost(plan), images=plan.images)
        await self._questions.ask(interaction, card)

    async def new_seed(self, interaction: Interaction, job_id: int) -> None:
        """Run the job again with another seed."""
        await self._run(interaction, job_id, new_seed=True)

    async def same_seed(self, interaction: Interaction, job_id: int) -> None:
        """Run the job again with the same seed, after the person was asked."""
        await self._run(interaction, job_id, new_seed=False)

    async def keep(self, interaction: Interaction, job_id: int) -> None:
        """Delete the question."""
        if interaction.message is None or not interaction.message.flags.ephemeral:
            # Only a forged button is on a message for everybody.
            await promise(interaction)
            await self._service.visible(origin_of(interaction), job_id)
            raise UserError(OLD_BUTTON)
        await interaction.response.defer()
        await interaction.delete_original_response()

    async def _run(self, interaction: Interaction, job_id: int, *, new_seed: bool) -> None:
        async with self._questions.answering(interaction) as first:
            if not first:
                await interaction.response.defer()
                return
            planned = self._service.plan_again(origin_of(interaction), job_id, new_seed=new_seed)
            await self._start(interaction, await self._planned(interaction, job_id, planned), job_id)

    async def _planned(self, interaction: Interaction, job_id: int, planning: Coroutine[Any, Any, T]) -> T:
        """Return the plan. If it is refused, raise the refusal with what could be made instead."""
        try:
            return await looked_up(interaction, planning)
        except CommandRefused as error:
            raise await self._starter.refused(interaction, error, parent_id=job_id) from error

    async def _start(self, interaction: Interaction, plan: Plan, job_id: int, *, repeats: bool = False) -> None:
        if interaction.response.is_done():
            raise UserError(TOO_SLOW)
        if missing := missing_permissions(interaction, private=plan.options.private):
            options = plan.options
            refused = CommandRefused(*missing, plan=plan, options=options, completed=options, complete=True)
            raise await self._starter.refused(interaction, refused, missing=missing, parent_id=job_id)
        await self._starter.start(interaction, plan, parent_id=job_id, asked=True, repeats=repeats)
