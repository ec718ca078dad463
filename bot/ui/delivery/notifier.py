"""Notifies the author of a long job that it is done: in the channel, by a private follow-up, or by direct message.

Discord notifies nobody of the edit that puts a result into its card. A notification has no images. It is sent at most
once, and it never affects the delivery.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextvars import Context, copy_context
from typing import Any, TypeAlias

import aiohttp
import discord
import structlog

from bot.errors import UserError
from bot.jobs.notifications import Notifications
from bot.jobs.view import JobView
from bot.people.user_settings import Notify, UserSettings
from bot.text import Text, message
from bot.ui.cards.delivery_text import jump_url
from bot.ui.delivery.messages import Messages
from bot.ui.delivery.methods import DIRECT_MESSAGE, NEW_MESSAGE, TOKEN, reason_of
from storage.errors import StorageError
from storage.records import Job, NotificationState

log = structlog.get_logger(__name__)

DUE = NotificationState.DUE
CHANNEL, FOLLOW_UP, BY_DM = NotificationState.CHANNEL, NotificationState.FOLLOW_UP, NotificationState.DIRECT_MESSAGE
_METHODS = {CHANNEL: NEW_MESSAGE, FOLLOW_UP: TOKEN, BY_DM: DIRECT_MESSAGE}

READY = message(
    "notification.ready",
    "<@{user:plain}>, your image is ready: {url}",
    "<@{user:plain}>, your {count} images are ready: {url}",
)
READY_PRIVATELY = message(
    "notification.ready_privately",
    "<@{user:plain}>, your image is ready. It's in your private message in <#{channel:plain}> and in /history.",
    "<@{user:plain}>, your {count} images are ready. They're in your private message in <#{channel:plain}> and in "
    "/history.",
)
NOT_MADE = message("notification.not_made", "<@{user:plain}>, your image couldn't be made. Here's why: {url}")
NOT_MADE_PRIVATELY = message(
    "notification.not_made_privately",
    "<@{user:plain}>, your image couldn't be made. Your private message in <#{channel:plain}> says why.",
)

Report: TypeAlias = Callable[[], Coroutine[Any, Any, None]]

WATCHED_AT_MOST = 500


def ways(job: Job, wanted: Notify, *, token: str | None, also_by_dm: bool = False) -> Iterator[NotificationState]:
    """Yield the ways to notify the author, in the order of the attempts. A private job is never mentioned in a channel.

    ``token`` is the token of an interaction if it is still valid. ``also_by_dm``: a direct message is acceptable,
    although the author did not choose it.
    """
    if wanted is Notify.NEVER:
        return
    if wanted is Notify.DM:
        yield BY_DM
    elif not job.private and job.bot_present:
        yield CHANNEL
    if token is not None:
        yield FOLLOW_UP
    if also_by_dm and wanted is not Notify.DM:
        yield BY_DM


def words(view: JobView) -> Text:
    """The text of the notification, with a link to the result if the result has one."""
    job, count = view.job, len(view.images)
    url = jump_url(job)
    if url is None:
        where = {"user": job.user_id, "channel": job.channel_id}
        return READY_PRIVATELY(count=count, **where) if count else NOT_MADE_PRIVATELY(**where)
    return READY(count=count, user=job.user_id, url=url) if count else NOT_MADE(user=job.user_id, url=url)


class Notifier:
    """Sends notifications. ``view`` returns the current state of a job, ``settings_of`` a person's settings."""

    def __init__(
        self,
        notifications: Notifications,
        *,
        view: Callable[[int], Awaitable[JobView]],
        settings_of: Callable[[int], UserSettings],
    ) -> None:
        self._notifications = notifications
        self._view = view
        self._settings_of = settings_of

    async def take_up(self) -> list[int]:
        """Return the jobs whose notifications a restart prevented. Raises StorageError."""
        return [job.id for job in await self._notifications.take_up()]

    async def notify(self, job_id: int, messages: Messages, *, token: str | None = None, again: bool = False) -> None:
        """Notify the author of a delivered job whose notification is due. Failures are logged, never raised.

        ``token`` is the token of an interaction if it is still valid. ``again``: the card reported long ago that
        there was no result, so its author no longer looks at it.
        """
        try:
            view = await self._view(job_id)
            theirs = self._settings_of(view.job.user_id)
            also_by_dm = again and theirs.takes_late_results
            nonce = f"{job_id}-done{'-again' if again else ''}"
            before = DUE
            for way in ways(view.job, theirs.notified_by, token=token, also_by_dm=also_by_dm):
                if not await self._notifications.move(job_id, before, way):
                    return  # Deleted meanwhile, or already notified.
                before = way
                if await self._sent(view, way, messages, token=token, nonce=nonce):
                    log.info("notification.sent", job=job_id, way=way.value)
                    return
            await self._notifications.move(job_id, before, None)
        except UserError:
            log.info("notification.job_gone", job=job_id)
        except (discord.HTTPException, aiohttp.ClientError, OSError, StorageError) as error:
            # It may have been sent, so it is not repeated.
            log.warning("notification.failed", job=job_id, kind=type(error).__name__)
        except Exception:
            # A bug of any kind: the result has been delivered.
            log.exception("notification.failed", job=job_id)

    async def _sent(
        self, view: JobView, way: NotificationState, messages: Messages, *, token: str | None, nonce: str
    ) -> bool:
        """Send it in this way. False if Discord refused it. Raises errors of Discord or the network if that is unclear.

        If the job was deleted meanwhile, the message is deleted too.
        """
        job, said = view.job, str(words(view))
        try:
            if way is FOLLOW_UP and token is not None:
                await messages.follow_up(job, token, said)
                return True
            message = await messages.write(job, said, nonce, dm=way is BY_DM)
        except discord.HTTPException as error:
            if (reason := reason_of(_METHODS[way], error)) is None:
                raise
            log.info("notification.refused", job=job.id, way=way.value, reason=reason.value)
            return False
        if not await self._notifications.sent(job.id, channel_id=message.channel.id, message_id=message.id):
            await message.delete()
        return True


class DeliveryWatch:
    """Delivers jobs with ``deliver``, and then calls the report of each watched job. Reports are lost in a restart."""

    def __init__(self, deliver: Callable[[int], Coroutine[Any, Any, None]]) -> None:
        self._deliver = deliver
        self._watched: OrderedDict[int, tuple[Report, Context]] = OrderedDict()

    def add(self, job_id: int, report: Report) -> None:
        """Call ``report`` once after the job was delivered or could not be, in the language of the caller."""
        self._watched[job_id] = report, copy_context()
        while len(self._watched) > WATCHED_AT_MOST:
            self._watched.popitem(last=False)

    async def deliver(self, job_id: int) -> None:
        """Deliver a finished job. Raises what ``deliver`` raises; the report then waits for the next attempt."""
        await self._deliver(job_id)
        await self.report(job_id)

    async def report(self, job_id: int) -> None:
        """Call the job's report, if there is one. A report that fails is logged."""
        report, context = self._watched.pop(job_id, (None, None))
        if report is None:
            return
        try:
            await asyncio.create_task(report(), context=context)
        except Exception:
            # The job itself is delivered, and its author sees the result.
            log.exception("delivery.not_reported", job=job_id)
