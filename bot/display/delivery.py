"""Keeps each job's card up to date and sees that its result is shown: the one place that edits cards."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import aiohttp
import discord
import structlog

from bot.display import ladder
from bot.display.cards import Card
from bot.display.job_cards import waiting_card
from bot.display.ladder import Step
from bot.display.messages import Messages
from bot.display.showing import Showing
from bot.errors import UserError
from bot.generation.clock import Clock
from bot.generation.jobs import Jobs
from storage.errors import StorageError
from storage.images import ImageFiles
from storage.jobs import Job, JobStatus

if TYPE_CHECKING:
    from bot.client import Easel

log = structlog.get_logger(__name__)

EDIT_EVERY = 2.0
"""Seconds between two progress edits of one card, at least."""


@dataclass(slots=True)
class _Followed:
    """A card that changes: what it says, when it was edited last, and whether editing it is of any use."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    says: str | None = None
    edited_at: float | None = None
    unreachable: bool = False


class Delivery:
    """Edits cards. ``changed`` and ``deliver`` are the worker's; :meth:`run` has to run beside it.

    It waits for the bot to log in, so the worker may start before.
    """

    def __init__(self, *, jobs: Jobs, files: ImageFiles, clock: Clock) -> None:
        self._jobs = jobs
        self._files = files
        self._clock = clock
        self._client: Easel | None = None
        self._attached = asyncio.Event()
        self._followed: dict[int, _Followed] = {}
        self._stale: set[int] = set()
        self._updating: dict[int, asyncio.Task[None]] = {}
        self._wake = asyncio.Event()

    def attach(self, client: Easel) -> None:
        """The bot has logged in and can make requests."""
        self._client = client
        self._attached.set()

    # --- progress -----------------------------------------------------------------------------------------------

    def changed(self, job_id: int) -> None:
        """There is something new to show of this job. Many calls become one edit."""
        self._stale.add(job_id)
        self._wake.set()

    async def run(self) -> None:
        """Edit the cards of the jobs that changed, until cancelled."""
        try:
            while True:
                await self._wake.wait()
                self._wake.clear()
                for job_id in self._stale - self._updating.keys():
                    self._updating[job_id] = asyncio.create_task(self._update(job_id))
        finally:
            updates = list(self._updating.values())
            for task in updates:
                task.cancel()
            await asyncio.gather(*updates, return_exceptions=True)

    async def _update(self, job_id: int) -> None:
        try:
            followed = self._followed.get(job_id)
            if followed is not None and followed.edited_at is not None:
                await self._clock.sleep(followed.edited_at + EDIT_EVERY - self._clock.monotonic())
            # From here on a change is one that this edit may not show.
            self._stale.discard(job_id)
            await self.show(job_id)
        except Exception:
            log.exception("card.not_edited", job=job_id)
        finally:
            del self._updating[job_id]
            if job_id in self._stale:
                self._wake.set()

    async def show(self, job_id: int) -> None:
        """Make the card of a job that is worked on say how it stands, if that is not what it says already."""
        client = await self._bot()
        followed = self._followed.setdefault(job_id, _Followed())
        async with followed.lock:
            try:
                view = await client.actions.view(job_id)
            except UserError:
                view = None  # Deleted in the meantime: there is no card any more.
            except StorageError as error:
                # The job goes on all the same, and its card is edited at the next change.
                log.warning("card.not_read", job=job_id, reason=str(error))
                return
            if view is None or not view.waiting:
                self._forget(job_id, followed)
                return
            card = waiting_card(view)
            if followed.unreachable or card.content == followed.says:
                return
            await self._edit(followed, view.job, card, Messages(client))

    async def _edit(self, followed: _Followed, job: Job, card: Card, messages: Messages) -> None:
        now = self._clock.now()
        step = Step.TOKEN if ladder.closed(Step.TOKEN, job, now) is None else Step.BOT_EDIT
        if step is Step.BOT_EDIT and (job.private or ladder.closed(step, job, now) is not None):
            return
        followed.edited_at = self._clock.monotonic()
        try:
            if step is Step.TOKEN:
                await messages.edit_by_token(job, card)
            else:
                await messages.edit_by_bot(job, card)
        except discord.HTTPException as error:
            why = ladder.reason(step, error)
            # The work goes on; the result finds its way by the ladder.
            log.info("card.not_edited", job=job.id, status=error.status, code=error.code, why=why)
            followed.unreachable = why is not None and not ladder.LEFT[why]
        except (aiohttp.ClientError, OSError) as error:
            log.info("card.not_edited", job=job.id, kind=type(error).__name__)
        else:
            followed.says = card.content

    def _forget(self, job_id: int, followed: _Followed) -> None:
        if self._followed.get(job_id) is followed:
            del self._followed[job_id]

    async def _bot(self) -> Easel:
        await self._attached.wait()
        if self._client is None:
            raise RuntimeError("the delivery was attached to nothing")
        return self._client

    # --- the result ---------------------------------------------------------------------------------------------

    async def deliver(self, job_id: int) -> None:
        """Show what came of a job that is ready, by the first way that is open, or keep it.

        Raises discord.HTTPException, aiohttp.ClientError or OSError where Discord could not be reached and a later try
        may do better: what has been shown is never shown again.
        """
        client = await self._bot()
        followed = self._followed.setdefault(job_id, _Followed())
        async with followed.lock:
            view = await client.actions.view(job_id)
            if view.job.status is JobStatus.READY:
                await Showing(view, self._jobs, self._files, self._clock, Messages(client)).run()
            self._forget(job_id, followed)
