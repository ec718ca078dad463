"""Keeps the cards of jobs up to date and delivers their results: the only place that edits cards."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from math import ceil

import aiohttp
import discord
import structlog

from bot.clock import Clock
from bot.domain.place import TOKEN_LIFE
from bot.errors import Undelivered, UserError
from bot.jobs.store import JobStore
from bot.jobs.view import JobView
from bot.people.user_settings import UserSettings
from bot.text import Text, message
from bot.ui.cards.layout import Card
from bot.ui.cards.proposal import unfinished_card
from bot.ui.cards.waiting import changes_at
from bot.ui.cards.wording import moment
from bot.ui.delivery import methods
from bot.ui.delivery.attachments import Attachment
from bot.ui.delivery.messages import Messages
from bot.ui.delivery.methods import BOT_EDIT, TOKEN
from bot.ui.delivery.notifier import Notifier
from bot.ui.delivery.partial_images import LivePreview, PartialImages
from bot.ui.delivery.result import ResultDelivery
from storage.errors import StorageError
from storage.hints import Hint
from storage.images import ImageFiles
from storage.records import DeliveryReason, Job, JobStatus

log = structlog.get_logger(__name__)

EDIT_EVERY = 2.0
"""Minimum seconds between two progress edits of one card."""
PREVIEW_EVERY = 3.0
"""The same for a card that shows the unfinished image."""
PATIENCE = 60.0
"""Seconds for which a button waits for Discord's answer to an edit of the same card."""
EDITS_AT_ONCE = 32
"""The maximum number of concurrent edits, so that a thousand cards after a restart do not hold up other work."""
REFRESH_BEFORE = 120.0
"""Seconds before the expiry of a token at which the card offers Refresh, if only a press can replace the token."""

REFRESH_OR_DM = message(
    "progress.refresh_or_dm",
    "I can update this message until {time}. Press Refresh to keep it live; otherwise I'll send you the result as a "
    "direct message.",
)
REFRESH_OR_HISTORY = message(
    "progress.refresh_or_history",
    "I can update this message until {time}. Press Refresh to keep it live; otherwise find the result in /history.",
)


@dataclass(slots=True)
class _Followed:
    """The state of a changing card: its content, its last edit, and whether it can still be edited."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    message_id: int | None = None
    """The message that the state is about."""
    says: str | None = None
    preview: LivePreview | None = None
    edited_at: float | None = None
    unreachable: bool = False
    token: str | None = field(default=None, repr=False)
    token_ends: float = 0.0
    """The expiry of the token by the monotonic clock."""
    images: PartialImages = field(default_factory=PartialImages)

    def moved_to(self, message_id: int | None) -> None:
        """Start afresh with another message as the card."""
        self.message_id = message_id
        self.says, self.preview, self.edited_at, self.unreachable = None, None, None, False
        self.images = PartialImages()


class JobCards:
    """Edits cards. The worker calls ``changed`` and ``deliver``; :meth:`run` must run at the same time.

    ``view`` returns the current state of a job, ``settings_of`` a person's settings. Nothing is sent before
    :meth:`attach`, so the worker may start before the bot has logged in. ``preview`` returns the unfinished image of a
    job, if there is one to be shown.
    """

    def __init__(
        self,
        *,
        jobs: JobStore,
        files: ImageFiles,
        clock: Clock,
        view: Callable[[int], Awaitable[JobView]],
        settings_of: Callable[[int], UserSettings],
        notifier: Notifier,
        preview: Callable[[int], bytes | None] = lambda _: None,
    ) -> None:
        self._jobs = jobs
        self._files = files
        self._clock = clock
        self._view = view
        self._settings_of = settings_of
        self._notifier = notifier
        self._preview = preview
        self._client: discord.Client | None = None
        self._attached = asyncio.Event()
        self._followed: dict[int, _Followed] = {}
        self._stale: set[int] = set()
        self._updating: dict[int, asyncio.Task[None]] = {}
        self._room = asyncio.Semaphore(EDITS_AT_ONCE)
        # Jobs with an earlier delivery attempt: an edit without a response may have shown the result.
        self._tried: set[int] = set()
        # When cards must be updated again, in whole seconds of the monotonic clock, and the tasks that wait until then.
        self._to_remind: dict[int, int] = {}
        self._remind_at: dict[int, int] = {}
        self._reminders: dict[int, asyncio.Task[None]] = {}
        self._wake = asyncio.Event()

    def attach(self, client: discord.Client) -> None:
        """Set the client, once it has logged in and can make requests."""
        self._client = client
        self._attached.set()

    # --- progress -----------------------------------------------------------------------------------------------

    def changed(self, job_id: int) -> None:
        """Note that this job has changed. Several calls become one edit."""
        self._stale.add(job_id)
        self._wake.set()

    async def run(self) -> None:
        """Edit the cards of changed jobs until cancelled."""
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
                every = EDIT_EVERY if followed.preview is None else PREVIEW_EVERY
                await self._clock.sleep(followed.edited_at + every - self._clock.monotonic())
            async with self._room:
                if job_id not in self._stale:
                    return  # It has been delivered meanwhile.
                # A later change marks the card stale again, since this edit may miss it.
                self._stale.discard(job_id)
                await self.show(job_id)
        except Exception:
            # Nothing awaits this task's result. The next change edits the card again.
            log.exception("card.not_edited", job=job_id)
        finally:
            del self._updating[job_id]
            if job_id in self._stale:
                self._wake.set()

    async def show(self, job_id: int) -> None:
        """Update the card of an unfinished job if its content has changed."""
        client = await self._bot()
        followed = self._followed.setdefault(job_id, _Followed())
        async with followed.lock:
            try:
                view = await self._view(job_id)
            except UserError:
                view = None  # Deleted meanwhile, with its card.
            except StorageError as error:
                # The job continues, and the next change edits its card.
                log.warning("card.not_read", job=job_id, reason=str(error))
                return
            if view is None or not (view.waiting or view.job.status is JobStatus.LAPSED):
                self._forget(job_id, followed)
                return
            if followed.message_id != view.job.message_id:
                followed.moved_to(view.job.message_id)
            # The card of a reopened job goes on showing its images: an edit would remove them.
            if not followed.unreachable and not (view.images and view.job.delivered_at is not None):
                await self._say(followed, view, client)
            if view.waiting:
                self._remind(followed, view)
            else:
                self._forget(job_id, followed)

    async def _say(self, followed: _Followed, view: JobView, client: discord.Client) -> None:
        """Edit the card if its content is new, with the images that are ready so far."""
        with_text = self._settings_of(view.job.user_id).writes_png_text
        uploads = await followed.images.new(view, self._files, with_text=with_text)
        ending = self._ending(followed, view.job)
        preview = await followed.images.preview(self._preview(view.job.id), self._files)
        shown = followed.images.shown(view, uploads)
        card = unfinished_card(view, shown, ending=ending, preview=None if preview is None else preview.name)
        if card.content != followed.says or preview != followed.preview:
            attached: tuple[Attachment, ...] = uploads if preview is None else (*uploads, preview)
            followed.preview = preview
            await self._edit(followed, view.job, card, Messages(client), attached)

    async def _edit(
        self, followed: _Followed, job: Job, card: Card, messages: Messages, uploads: Sequence[Attachment] = ()
    ) -> None:
        method = TOKEN if methods.unavailable(TOKEN, job) is None else BOT_EDIT
        if method is BOT_EDIT and (job.only_author_sees or methods.unavailable(method, job) is not None):
            return
        followed.edited_at = self._clock.monotonic()
        retained = followed.images.retained
        edit = messages.edit_by_token if method is TOKEN else messages.edit_by_bot
        try:
            attachments = await edit(job, card, uploads, retained)
        except discord.HTTPException as error:
            reason = methods.reason_of(method, error)
            if reason in methods.WORDS_MAY_DO and (uploads or retained):
                followed.images.refused(preview=followed.preview is not None)
                self.changed(job.id)
                return
            # The job continues. Its result has other delivery methods.
            log.info("card.not_edited", job=job.id, status=error.status, code=error.code, reason=reason)
            followed.unreachable = reason is not None and not methods.NEXT_AFTER[reason]
            if reason is DeliveryReason.TOKEN_EXPIRED:
                # Erase the token: after too many refused requests, Discord bans the bot for a while.
                await self._jobs.token_over(job)
                await self._edit(followed, replace(job, interaction_token=None), card, messages, uploads)
        except (aiohttp.ClientError, OSError) as error:
            log.info("card.not_edited", job=job.id, kind=type(error).__name__)
        else:
            followed.says = card.content
            followed.images.add(attachments, uploads)

    async def remove(self, card: Job) -> None:
        """Delete the card that asked to confirm a price, after the job got another card. Failures are only logged.

        ``card`` is the job before the confirmation.
        """
        client = await self._bot()
        try:
            if methods.unavailable(TOKEN, card) is None:
                await Messages(client).delete_by_token(card)
        except discord.HTTPException as error:
            # Its reader may have dismissed it, or the token has expired: pressing its buttons is refused.
            log.info("card.not_removed", job=card.id, status=error.status, code=error.code)
        except (aiohttp.ClientError, OSError) as error:
            log.info("card.not_removed", job=card.id, kind=type(error).__name__)

    def _token_left(self, followed: _Followed, job: Job) -> float | None:
        """Seconds until the expiry of a token that only a press can replace; None if there is no such token.

        The wall clock is used once, when the token is first seen, because an earlier process may have stored it. From
        then on the monotonic clock is used.
        """
        if job.interaction_token is None or job.token_expires_at is None or not methods.needs_token(job):
            return None
        if followed.token != job.interaction_token:
            left = min(job.token_expires_at - self._clock.now(), TOKEN_LIFE) / 1000
            followed.token, followed.token_ends = job.interaction_token, self._clock.monotonic() + left
        return followed.token_ends - self._clock.monotonic()

    def _ending(self, followed: _Followed, job: Job) -> Text | None:
        """The text about a token that is about to expire and that only a press can replace; None if there is none."""
        left, expires_at = self._token_left(followed, job), job.token_expires_at
        if left is None or expires_at is None or left > REFRESH_BEFORE:
            return None
        takes_dms = self._settings_of(job.user_id).takes_late_results
        return (REFRESH_OR_DM if takes_dms else REFRESH_OR_HISTORY)(time=moment(expires_at, "t"))

    def _remind(self, followed: _Followed, view: JobView) -> None:
        """Schedule an update of the card for when its token is about to expire or its words are about to be wrong."""
        job, now, waits = view.job, self._clock.monotonic(), []
        if (left := self._token_left(followed, job)) is not None:
            waits.append(left - REFRESH_BEFORE)
        if (changes := changes_at(view)) is not None:
            waits.append((changes - self._clock.now()) / 1000)
        wait = min((wait for wait in waits if wait > 0), default=None)
        if wait is not None and self._remind_at.get(job.id) != (at := ceil(now + wait)):
            # ``run`` starts the task, since it must outlive the command or button that shows the card.
            self._to_remind[job.id] = self._remind_at[job.id] = at
            self._wake.set()

    async def _reminded(self, job_id: int, at: int) -> None:
        # Compute the delay here: the task may start much later than it was scheduled.
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

    async def _bot(self) -> discord.Client:
        await self._attached.wait()
        if self._client is None:
            raise RuntimeError("attached to no client")
        return self._client

    # --- for buttons that are pressed meanwhile --------------------------------------------------------------------

    def busy_with(self, job_id: int) -> bool:
        """Whether a request to Discord about the job's card is in flight."""
        followed = self._followed.get(job_id)
        return followed is not None and followed.lock.locked()

    async def settled(self, job_id: int, *, patience: float = PATIENCE) -> None:
        """Wait until no request about the card is in flight and the outcome is stored, at most ``patience`` seconds."""
        if (followed := self._followed.get(job_id)) is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(patience), followed.lock:
                    pass

    # --- the result ---------------------------------------------------------------------------------------------

    async def deliver(self, job_id: int) -> None:
        """Deliver a finished job by the first method that works, or mark it undelivered.

        Raises Undelivered if Discord could not be reached, so that a later attempt may work. A result that was shown is
        never shown again.
        """
        client = await self._bot()
        followed = self._followed.setdefault(job_id, _Followed())
        async with followed.lock:
            view = await self._view(job_id)
            delivery = await self._deliver(view, client) if view.job.status is JobStatus.READY else None
            self._tried.discard(job_id)
            self._stale.discard(job_id)
            self._forget(job_id, followed)
        # Buttons of the result need not wait for this.
        if delivery is not None and delivery.notification_due:
            again = view.job.delivered_at is not None
            await self._notifier.notify(job_id, Messages(client), token=delivery.token, again=again)

    async def _deliver(self, view: JobView, client: discord.Client) -> ResultDelivery:
        job, theirs = view.job, self._settings_of(view.job.user_id)
        async with self._jobs.hints.reserved(job.user_id, Hint.FIRST_RESULT, maybe=view.first_result) as hint:
            delivery = ResultDelivery(
                view,
                self._jobs,
                self._files,
                Messages(client),
                clock=self._clock,
                takes_dms=theirs.takes_late_results,
                with_text=theirs.writes_png_text,
                again=job.id in self._tried or self._jobs.ready_before(job),
                hint=hint,
            )
            self._tried.add(job.id)
            try:
                await delivery.run()
            except discord.HTTPException as error:
                raise Undelivered(f"Discord answered {error.status} (code {error.code})") from error
            except (aiohttp.ClientError, OSError) as error:
                raise Undelivered(f"the request failed ({type(error).__name__})") from error
        self._jobs.recent.add(view)
        return delivery

    async def notify_all(self, job_ids: Iterable[int]) -> None:
        """Send the notifications that a restart prevented, once the bot has logged in."""
        client = await self._bot()
        for job_id in job_ids:
            await self._notifier.notify(job_id, Messages(client))
