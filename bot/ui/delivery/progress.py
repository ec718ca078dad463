"""Keeps each job's card up to date and sees that its result is shown: the one place that edits cards."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from math import ceil
from typing import TYPE_CHECKING

import aiohttp
import discord
import structlog

from bot.clock import Clock
from bot.domain.place import TOKEN_LIFE
from bot.errors import Undelivered, UserError
from bot.jobs.store import JobStore
from bot.jobs.view import JobView
from bot.ui.cards.layout import Card
from bot.ui.cards.proposal import unfinished_card
from bot.ui.cards.wording import moment
from bot.ui.delivery import methods
from bot.ui.delivery.images import Upload
from bot.ui.delivery.messages import Messages
from bot.ui.delivery.methods import Reason, Step
from bot.ui.delivery.notices import tell_if_long
from bot.ui.delivery.partial_images import Growing
from bot.ui.delivery.result import Showing
from storage.errors import StorageError
from storage.images import ImageFiles
from storage.records import Job, JobStatus

if TYPE_CHECKING:
    from bot.ui.client import Easel

log = structlog.get_logger(__name__)

EDIT_EVERY = 2.0
"""Seconds between two progress edits of one card, at least."""
PATIENCE = 60.0
"""Seconds for which a button waits for what Discord says to an edit of the same card."""
EDITS_AT_ONCE = 32
"""Cards that are edited at the same time: a thousand after a restart must not hold up the work itself."""
PASSED = 5.0
"""Seconds after the time at which a job is usually ready at which its card stops to name that time."""
REFRESH_BEFORE = 120.0
"""Seconds before the end of a token that nothing can replace at which the card offers to bring a fresh one."""


@dataclass(slots=True)
class _Followed:
    """A card that changes: what it says, when it was edited last, and whether editing it is of any use."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    says: str | None = None
    edited_at: float | None = None
    unreachable: bool = False
    token: str | None = field(default=None, repr=False)
    token_ends: float = 0.0
    """When the token will be over, by the clock that never jumps."""
    growing: Growing = field(default_factory=Growing)


class Delivery:
    """Edits cards. ``changed`` and ``deliver`` are the worker's; :meth:`run` has to run beside it.

    It waits for the bot to log in, so the worker may start before.
    """

    def __init__(self, *, jobs: JobStore, files: ImageFiles, clock: Clock) -> None:
        self._jobs = jobs
        self._files = files
        self._clock = clock
        self._client: Easel | None = None
        self._attached = asyncio.Event()
        self._followed: dict[int, _Followed] = {}
        self._stale: set[int] = set()
        self._updating: dict[int, asyncio.Task[None]] = {}
        self._room = asyncio.Semaphore(EDITS_AT_ONCE)
        # What was tried before may have been shown by an edit of which nobody heard.
        self._tried: set[int] = set()
        # When a card is to be looked at again, in whole seconds of the monotonic clock, and what waits for that.
        self._to_remind: dict[int, int] = {}
        self._remind_at: dict[int, int] = {}
        self._reminders: dict[int, asyncio.Task[None]] = {}
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
                while self._to_remind:
                    job_id, at = self._to_remind.popitem()
                    if (before := self._reminders.get(job_id)) is not None:
                        before.cancel()
                    self._reminders[job_id] = asyncio.create_task(self._reminded(job_id, at))
        finally:
            tasks = [*self._updating.values(), *self._reminders.values()]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _update(self, job_id: int) -> None:
        try:
            followed = self._followed.get(job_id)
            if followed is not None and followed.edited_at is not None:
                await self._clock.sleep(followed.edited_at + EDIT_EVERY - self._clock.monotonic())
            async with self._room:
                if job_id not in self._stale:
                    return  # Its result was shown meanwhile.
                # From here on a change is one that this edit may not show.
                self._stale.discard(job_id)
                await self.show(job_id)
        except Exception:
            # This task belongs to nobody who could be told. The next change edits the card again.
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
            if view is None or not (view.waiting or view.job.status is JobStatus.LAPSED):
                self._forget(job_id, followed)
                return
            if not followed.unreachable:
                await self._say(followed, view, client)
            if view.waiting:
                self._remind(followed, view)
            else:
                self._forget(job_id, followed)

    async def _say(self, followed: _Followed, view: JobView, client: Easel) -> None:
        """Edit the card if it says anything new, with the images that are ready so far."""
        with_text = client.personal.of(view.job.user_id).writes_png_text
        uploads = await followed.growing.news(view, self._files, with_text=with_text)
        ending = self._ending(followed, view.job, client)
        card = unfinished_card(view, followed.growing.shown(view, uploads), ending=ending)
        if card.content != followed.says:
            await self._edit(followed, view.job, card, Messages(client), uploads)

    async def _edit(
        self, followed: _Followed, job: Job, card: Card, messages: Messages, uploads: Sequence[Upload] = ()
    ) -> None:
        step = Step.TOKEN if methods.closed(Step.TOKEN, job) is None else Step.BOT_EDIT
        if step is Step.BOT_EDIT and (job.private or methods.closed(step, job) is not None):
            return
        followed.edited_at = self._clock.monotonic()
        kept = followed.growing.kept
        edit = messages.edit_by_token if step is Step.TOKEN else messages.edit_by_bot
        try:
            standing = await edit(job, card, uploads, kept)
        except discord.HTTPException as error:
            why = methods.reason(step, error)
            if why in methods.WORDS_MAY_DO and (uploads or kept):
                followed.growing.refused()
                self.changed(job.id)
                return
            # The work goes on; the result finds its way by the ladder.
            log.info("card.not_edited", job=job.id, status=error.status, code=error.code, why=why)
            followed.unreachable = why is not None and not methods.LEFT[why]
            if why is Reason.TOKEN_OVER:
                # What Discord refuses too often makes it refuse everything.
                await self._jobs.token_over(job)
                await self._edit(followed, replace(job, interaction_token=None), card, messages, uploads)
        except (aiohttp.ClientError, OSError) as error:
            log.info("card.not_edited", job=job.id, kind=type(error).__name__)
        else:
            followed.says = card.content
            followed.growing.took(standing, uploads)

    def _token_left(self, followed: _Followed, job: Job) -> float | None:
        """Seconds that are left of a token that nothing can replace but a press; None where there is no such token.

        The time of day counts once, when the token is seen for the first time: it may have been stored by a process
        that is gone. From then on the monotonic clock counts.
        """
        if job.interaction_token is None or job.token_expires_at is None or not methods.needs_token(job):
            return None
        if followed.token != job.interaction_token:
            left = min(job.token_expires_at - self._clock.now(), TOKEN_LIFE) / 1000
            followed.token, followed.token_ends = job.interaction_token, self._clock.monotonic() + left
        return followed.token_ends - self._clock.monotonic()

    def _ending(self, followed: _Followed, job: Job, client: Easel) -> str | None:
        """What to say of a token that is about to end and that nothing can replace but a press."""
        left, expires_at = self._token_left(followed, job), job.token_expires_at
        if left is None or expires_at is None or left > REFRESH_BEFORE:
            return None
        takes = client.personal.of(job.user_id).takes_late_results
        then = "comes as a direct message" if takes else "is kept, and not shown by itself"
        return (
            f"I can change this card until {moment(expires_at)}; after that the result {then}. Refresh keeps it here."
        )

    def _remind(self, followed: _Followed, view: JobView) -> None:
        """Look at the card again when what it says is over, whether or not anything else changes by then.

        That is when its token is about to end, or when the time has passed at which it is usually ready.
        """
        job, now, waits = view.job, self._clock.monotonic(), []
        if (left := self._token_left(followed, job)) is not None:
            waits.append(left - REFRESH_BEFORE)
        if view.progress.expected_at is not None and not view.progress.fetching:
            waits.append((view.progress.expected_at - self._clock.now()) / 1000 + PASSED)
        wait = min((wait for wait in waits if wait > 0), default=None)
        if wait is not None and self._remind_at.get(job.id) != (at := ceil(now + wait)):
            # Begun by ``run``: it belongs to nobody's command or button, whoever was the first to show this card.
            self._to_remind[job.id] = self._remind_at[job.id] = at
            self._wake.set()

    async def _reminded(self, job_id: int, at: int) -> None:
        # Counted from here: the task may begin a good while after it was asked for.
        await self._clock.sleep(at - self._clock.monotonic())
        self._remind_at.pop(job_id, None)
        self.changed(job_id)

    def _forget(self, job_id: int, followed: _Followed) -> None:
        if self._followed.get(job_id) is followed:
            del self._followed[job_id]
        self._to_remind.pop(job_id, None)
        self._remind_at.pop(job_id, None)
        if (reminder := self._reminders.pop(job_id, None)) is not None:
            reminder.cancel()

    async def _bot(self) -> Easel:
        await self._attached.wait()
        if self._client is None:
            raise RuntimeError("the delivery was attached to nothing")
        return self._client

    # --- for those who press a button meanwhile ------------------------------------------------------------------

    def busy_with(self, job_id: int) -> bool:
        """Whether a request to Discord about the job's card has no answer yet."""
        followed = self._followed.get(job_id)
        return followed is not None and followed.lock.locked()

    async def settled(self, job_id: int, *, patience: float = PATIENCE) -> None:
        """Come back when Discord has answered and what it answered is stored, or after ``patience`` seconds."""
        if (followed := self._followed.get(job_id)) is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(patience), followed.lock:
                    pass

    # --- the result ---------------------------------------------------------------------------------------------

    async def deliver(self, job_id: int) -> None:
        """Show what came of a job that is ready, by the first way that is open, or keep it.

        Raises Undelivered where Discord could not be reached and a later try may do better: what has been shown is
        never shown again.
        """
        client = await self._bot()
        followed = self._followed.setdefault(job_id, _Followed())
        async with followed.lock:
            view = await client.actions.view(job_id)
            if view.job.status is JobStatus.READY:
                theirs = client.personal.of(view.job.user_id)
                showing = Showing(
                    view,
                    self._jobs,
                    self._files,
                    Messages(client),
                    takes_dms=theirs.takes_late_results,
                    with_text=theirs.writes_png_text,
                    again=job_id in self._tried or self._jobs.ready_before(view.job),
                )
                self._tried.add(job_id)
                try:
                    await showing.run()
                except discord.HTTPException as error:
                    raise Undelivered(f"Discord answered {error.status} (code {error.code})") from error
                except (aiohttp.ClientError, OSError) as error:
                    raise Undelivered(f"the request failed ({type(error).__name__})") from error
                # Nobody looks at a card any more that said long ago that nothing came of it.
                late = view.job.delivered_at is not None and theirs.takes_late_results
                if not showing.told and (theirs.told_of_long_jobs or late):
                    await tell_if_long(self._jobs, job_id, Messages(client))
            self._tried.discard(job_id)
            self._stale.discard(job_id)
            self._forget(job_id, followed)
