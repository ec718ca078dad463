"""The test image of /setup: made like any other, with a private checklist of what works and what does not."""

from __future__ import annotations

import aiohttp
import discord
import structlog

from bot.errors import UserError
from bot.jobs.service import JobService
from bot.jobs.view import JobView
from bot.servers.access import AccessCheck
from bot.servers.settings import require_manager
from bot.text import Text, t
from bot.ui.cards.access import NO, YES
from bot.ui.cards.delivery_text import delivery_text
from bot.ui.cards.setup import (
    DELIVERED,
    DELIVERED_PRIVATELY,
    DELIVERY_WAITS,
    ENGINE_DONE,
    ENGINE_FAILED,
    ENGINE_REFUSED,
    ENGINE_WORKS,
    NOT_CONFIRMED,
    NOT_DELIVERED,
    NOT_DELIVERED_YET,
    NOT_TRIED,
    SKIPPED,
    WAITING,
    Step,
    checklist,
    engine_step,
    steps_before,
)
from bot.ui.client import Interaction
from bot.ui.delivery.notifier import DeliveryWatch
from bot.ui.interactions import lacking_here, origin_of, tell
from bot.ui.job_starter import JobStarter
from bot.ui.welcome import StartProblems
from storage.records import DeliveryMethod, JobStatus

log = structlog.get_logger(__name__)

FIRST_PROMPT = t("a lighthouse on a cliff, storm")
"""The prompt of the example and test images, in the person's language."""

_OVER = {JobStatus.DELIVERED, JobStatus.UNDELIVERED}
_IN_PLACE = {DeliveryMethod.TOKEN, DeliveryMethod.BOT_EDIT, DeliveryMethod.FOUND_IN_CARD}


class SetupCheck:
    """Makes the test image and ticks off the checklist. In memory: after a restart the checklist stays as it is."""

    def __init__(
        self,
        *,
        service: JobService,
        starter: JobStarter,
        access: AccessCheck,
        problems: StartProblems,
        watch: DeliveryWatch,
    ) -> None:
        self._service = service
        self._starter = starter
        self._access = access
        self._problems = problems
        self._watch = watch

    async def try_it(self, interaction: Interaction) -> None:
        """Make the example image for the person who presses the button. Raises UserError."""
        await self._starter.run(interaction, self._service.example(origin_of(interaction), str(FIRST_PROMPT)))

    async def start(self, interaction: Interaction) -> None:
        """Start the job of the person who presses the button, and show them the checklist."""
        origin = origin_of(interaction)
        server_id = require_manager(origin)
        engine = self._service.require_engine(self._service.engine_by_default(origin)).name
        options = self._service.example(origin, str(FIRST_PROMPT))
        problems: tuple[Text, ...] = ()
        job_id = None
        try:
            plan = await self._starter.planned(interaction, options)
            job_id = await self._starter.start(interaction, plan)
        except UserError as error:
            problems = error.problems
        access = await self._access.of(origin)
        lacks = lacking_here(interaction)
        before = steps_before(access, lacks, limited=self._problems.limited(server_id))
        if job_id is None:
            known = {*access.place, *access.limits, *access.operators}
            others = [problem for problem in problems if problem not in known]
            refused = engine_step(NO, ENGINE_REFUSED, engine, access.engine or others)
            made = refused if access.engine or (others and not lacks) else Step(SKIPPED, NOT_TRIED)
            await tell(interaction, checklist([*before, made, Step(SKIPPED, NOT_DELIVERED_YET)]))
            return
        view = await self._service.view(job_id)
        message = await interaction.followup.send(
            view=checklist([*before, *_steps_of(view, engine)]), ephemeral=True, wait=True
        )

        async def report() -> None:
            try:
                delivered = await self._service.view(job_id)
                await message.edit(view=checklist([*before, *_steps_of(delivered, engine)]))
            except (UserError, discord.HTTPException, aiohttp.ClientError, OSError) as error:
                # The job was deleted, the person dismissed the checklist, or it can no longer be edited.
                log.info("setup.not_ticked", job=job_id, kind=type(error).__name__)

        self._watch.add(job_id, report)
        # It may have been delivered before it was watched.
        if (await self._service.view(job_id)).job.status in _OVER:
            await self._watch.report(job_id)


def _steps_of(view: JobView, engine: str) -> tuple[Step, Step]:
    """The steps about the engine and the delivery."""
    job = view.job
    engine = view.engines[0].name if view.engines else engine
    if job.status is JobStatus.PROPOSED:
        return Step(WAITING, NOT_CONFIRMED), Step(WAITING, DELIVERY_WAITS)
    if job.status not in _OVER:
        return engine_step(WAITING, ENGINE_WORKS, engine), Step(WAITING, DELIVERY_WAITS)
    problems = [problem for submission in view.submissions for problem in submission.problems]
    made = engine_step(YES, ENGINE_DONE, engine) if view.images else engine_step(NO, ENGINE_FAILED, engine, problems)
    how = delivery_text(job)
    if job.status is JobStatus.DELIVERED and job.delivered_by in _IN_PLACE:
        shown = Step(YES, DELIVERED_PRIVATELY if job.private else DELIVERED)
    else:
        shown = Step(NO, NOT_DELIVERED, [] if how is None else [how])
    return made, shown if view.images else Step(SKIPPED, NOT_DELIVERED_YET)
