"""Delivers a finished job: tries each delivery method in order, and marks the job undelivered if all fail."""

from __future__ import annotations

from collections.abc import Collection

import discord
import structlog

from bot.clock import Clock
from bot.jobs.notifications import is_due
from bot.jobs.store import JobStore
from bot.jobs.view import JobView
from bot.text import Text, message
from bot.ui.cards.delivery_text import message_url, missing_images
from bot.ui.cards.job import elsewhere_card, failure_card, result_card
from bot.ui.cards.job_text import what_next
from bot.ui.cards.layout import Card
from bot.ui.delivery import methods
from bot.ui.delivery.attachments import ImageSender, Uploads, labelled
from bot.ui.delivery.messages import Messages
from bot.ui.delivery.methods import BOT_EDIT, DIRECT_MESSAGE, EDITS, NEW_MESSAGE, SENDS, TOKEN, Refused, refusals
from storage.hints import Hint
from storage.images import ImageFiles
from storage.jobs import JobColumns
from storage.records import DeliveryMethod, DeliveryReason, NotificationState

log = structlog.get_logger(__name__)

PLAIN_FILE_LIMIT = 10 * 2**20
"""The size limit of one file in bytes, without an interaction that allows more."""

LATE = message("delivery.late", "<@{user:plain}>, this took so long that it comes as a new message.")
INSTEAD_OF = message("delivery.instead_of", "This couldn't be shown in <#{channel:plain}>.")

# The card is gone, or it may show the result, which must not be replaced by text.
_LEAVE_CARD_ALONE = frozenset({DeliveryReason.MESSAGE_GONE, DeliveryReason.PLACE_GONE, DeliveryReason.MAYBE_SHOWN})
# Short names for the nonce of a new message, whose length is limited.
_NONCES = {NEW_MESSAGE: "post", DIRECT_MESSAGE: "dm"}


class ResultDelivery:
    """One attempt to deliver one job."""

    def __init__(
        self,
        view: JobView,
        jobs: JobStore,
        files: ImageFiles,
        messages: Messages,
        *,
        clock: Clock,
        takes_dms: bool = True,
        with_text: bool = True,
        again: bool = False,
        hint: bool = False,
    ) -> None:
        """``again``: an earlier attempt may have edited the card without getting a response.

        ``hint`` adds the hint about what to try next.
        """
        self._view = view
        self._job = view.job
        self._jobs = jobs
        self._messages = messages
        self._clock = clock
        self._hint = hint
        self._takes_dms = takes_dms
        self._images = ImageSender(view, files, with_text=with_text)
        # Whether the card may show the result already. This was ruled out before any attempt to send a new message.
        begun = self._job.attempting
        self._unsure = begun is TOKEN if methods.needs_token(self._job) else again and begun is None
        before = self._job.delivered_at
        new = [image for image in view.images if before is not None and image.created_at > before]
        # The images that the card lacks, if it was delivered before.
        self._new = frozenset(image.id for image in new)
        self.told = before is not None and not new
        """The job was delivered, then reopened, and has no new images: do not notify the author twice."""
        # An edit replaces all images of the card, and these could not be uploaded again.
        self._keeps_card = before is not None and any(image.file is None for image in view.images)
        self._closed: dict[DeliveryMethod, DeliveryReason] = {}
        self._reasons: list[DeliveryReason] = []
        # The channel and the message of a result that was sent as a new message.
        self._where: JobColumns = {}
        self.notification_due = False
        """Whether the result was shown in a way that notifies nobody, and so late that its author should know."""
        self.token: str | None = None
        """The interaction's token, if the result was shown with it."""

    async def run(self) -> None:
        """Deliver the job or mark it undelivered. Raises errors of Discord or the network if a retry may help."""
        try:
            arrived = await self._sent_before()
        except Refused as refused:
            self._reasons.append(refused.reason)
            await self._give_up()
            return
        if arrived is None:
            await self._try_all()
        else:
            self._reasons += [each for each in self._job.delivery_reasons if each is not DeliveryReason.MAYBE_POSTED]
            await self._succeed(arrived, whole=True)

    async def _sent_before(self) -> DeliveryMethod | None:
        """The method by which an earlier attempt sent a new message, or None. Raises Refused if that is unknown."""
        begun = self._job.attempting
        if begun not in SENDS:
            return None  # That attempt can only have changed the card.
        try:
            found = await self._messages.posted(self._job, dm=begun is DIRECT_MESSAGE)
        except discord.Forbidden as error:
            raise Refused(DeliveryReason.MAYBE_POSTED) from error
        except discord.NotFound:
            found = None  # The channel is gone, together with its messages.
        if found is None:
            return None
        self._where = {"channel_id": found.channel.id, "message_id": found.id}
        return begun

    async def _try_all(self) -> None:
        left = frozenset(EDITS if self.told else methods.PUBLIC)
        if self._keeps_card:
            left -= frozenset(EDITS)
        for method in methods.methods_of(self._job):
            if method not in left:
                continue
            reason = methods.unavailable(method, self._job, takes_dms=self._takes_dms)
            if reason is None:
                try:
                    if method in SENDS and self._unsure and await self._found_in_card():
                        return
                    whole = await self._try(method)
                except Refused as refused:
                    reason = refused.reason
                else:
                    await self._succeed(method, whole=whole)
                    return
            log.info("delivery.method_failed", method=method.value, reason=reason.value)
            self._reasons.append(reason)
            self._closed[method] = reason
            left &= methods.NEXT_AFTER[reason]
        await self._give_up()

    async def _give_up(self) -> None:
        if self.told:
            by, reasons = self._job.delivered_by or DeliveryMethod.OTHER, self._job.delivery_reasons
            await self._jobs.delivered(self._job.id, by=by, reasons=reasons)
            return
        await self._tell_card(None)
        if await self._jobs.undelivered(self._job.id, reasons=self._reasons):
            log.warning("delivery.undelivered", reasons=[reason.value for reason in self._reasons])

    async def _tell_card(self, sent: DeliveryMethod | None) -> None:
        """Update the waiting card: it says where the result was sent, or that it is undelivered (None).

        This happens before the job's new state is stored, so that it is repeated after a crash. Raises errors of
        Discord or the network if a retry may help.
        """
        if self._unsure or self._keeps_card or not _LEAVE_CARD_ALONE.isdisjoint(self._closed.values()):
            return
        server_id = None if sent is DIRECT_MESSAGE else self._job.server_id
        url = message_url(server_id, self._where["channel_id"], self._where["message_id"]) if self._where else None
        card = elsewhere_card(self._view, sent=sent, url=url, reasons=self._reasons[:1])
        for method, edit in ((TOKEN, self._messages.edit_by_token), (BOT_EDIT, self._messages.edit_by_bot)):
            closed = self._closed.get(method, DeliveryReason.REFUSED) not in methods.WORDS_MAY_DO
            if closed or method not in methods.methods_of(self._job) or methods.unavailable(method, self._job):
                continue
            try:
                with refusals(method):
                    await edit(self._job, card)
            except Refused as refused:
                log.info("delivery.card_not_told", method=method.value, reason=refused.reason.value)
            else:
                return

    async def _succeed(self, method: DeliveryMethod, *, whole: bool) -> None:
        if method in SENDS:
            await self._tell_card(method)
        await self._store(method, whole=whole)

    async def _store(self, method: DeliveryMethod, *, whole: bool) -> None:
        # Store the message together with the new state: after a restart in between, it would be searched elsewhere.
        if whole:
            due = not self.told and is_due(self._view, method, self._clock.now())
            notification: JobColumns = {"notification": NotificationState.DUE} if due else {}
            hint = Hint.FIRST_RESULT if self._hint and self._view.images else None
            moved = await self._jobs.delivered(
                self._job.id, by=method, reasons=self._reasons, hint=hint, **(self._where | notification)
            )
            self.notification_due = due and moved
            self.token = self._job.interaction_token if method is TOKEN else None
        else:
            moved = await self._jobs.undelivered(self._job.id, by=method, reasons=self._reasons, **self._where)
        reasons = [reason.value for reason in self._reasons]
        log.info("delivery.done", method=method.value, reasons=reasons, whole=whole, first=moved)

    async def _try(self, method: DeliveryMethod) -> bool:
        """Deliver by this method. Returns False if there are images and none could be sent. Raises Refused."""

        async def send(uploads: Uploads) -> None:
            await self._send(method, uploads)

        limit = self._job.file_limit
        uploads = await self._images.send(send, file_limit=min(limit, PLAIN_FILE_LIMIT) if method in SENDS else limit)
        return bool(uploads.ready) or not self._view.images

    async def _send(self, method: DeliveryMethod, uploads: Uploads) -> None:
        card = self._card(method, uploads)
        try:
            with refusals(method):
                if method is TOKEN:
                    await self._note_token()
                    await self._messages.edit_by_token(self._job, card, uploads.ready)
                elif method is BOT_EDIT:
                    await self._messages.edit_by_bot(self._job, card, uploads.ready)
                else:
                    await self._send_new(method, card, uploads)
        except Refused as refused:
            if refused.reason is DeliveryReason.TOKEN_EXPIRED:
                # Erase the token: after too many refused requests, Discord bans the bot for a while.
                await self._jobs.token_over(self._job)
            # Of these requests, the library retries only edits.
            self._unsure |= method in EDITS and self._messages.unclear
            raise

    async def _send_new(self, method: DeliveryMethod, card: Card, uploads: Uploads) -> None:
        """Send a new message. Record the attempt first, so that a later attempt searches for the message."""
        await self._jobs.note(self._job.id, attempting=method, delivery_reasons=list(self._reasons))
        send = self._messages.dm if method is DIRECT_MESSAGE else self._messages.post
        # The message of an earlier delivery must not be mistaken for this one.
        again = "-again" if self._job.delivered_at is not None else ""
        sent = await send(self._job, card, uploads.ready, f"{self._job.id}-{_NONCES[method]}{again}")
        self._where = {"channel_id": sent.channel.id, "message_id": sent.id}

    async def _note_token(self) -> None:
        """Record the edit in advance, like a new message, if the bot cannot read the card to check it later."""
        if methods.needs_token(self._job) and self._job.attempting is not TOKEN:
            await self._jobs.note(self._job.id, attempting=TOKEN)

    async def _found_in_card(self) -> bool:
        """Whether an edit without a response has shown the result. If so, store the delivery. Raises Refused."""
        if methods.needs_token(self._job):
            raise Refused(DeliveryReason.MAYBE_SHOWN)
        try:
            files = await self._messages.in_card(self._job)
        except discord.NotFound as error:
            if methods.reason_of(BOT_EDIT, error) is DeliveryReason.MESSAGE_GONE:
                raise Refused(DeliveryReason.MESSAGE_GONE) from error
            files = None  # The channel is gone, together with the card.
        except discord.Forbidden as error:
            raise Refused(DeliveryReason.MAYBE_SHOWN) from error
        if files is None or not self._shows_new(files):
            self._unsure = False
            return False
        self._reasons.clear()
        await self._store(DeliveryMethod.FOUND_IN_CARD, whole=bool(files) or not self._view.images)
        return True

    def _shows_new(self, files: Collection[str]) -> bool:
        """Whether the card with these files shows one of the new images of a reopened job, if there are any."""
        stems = {each.stem for each in labelled(self._view, with_text=False) if each.image.id in self._new}
        return not stems or not stems.isdisjoint(name.rpartition(".")[0] for name in files)

    def _card(self, method: DeliveryMethod, uploads: Uploads) -> Card:
        view, job = self._view, self._job
        notes: list[Text] = []
        if method is NEW_MESSAGE:
            notes.append(LATE(user=job.user_id))
        if method is DIRECT_MESSAGE:
            notes.append(INSTEAD_OF(channel=job.channel_id))
        if not view.images:
            return failure_card(view, notes=notes)
        kept_until = self._jobs.kept_until(job)
        notes += missing_images(shown=len(uploads.ready), gone=uploads.gone, unfit=uploads.unfit, kept_until=kept_until)
        hint = what_next(view) if self._hint else None
        return result_card(view, uploads.ready, notes=notes, shareable=method is not DIRECT_MESSAGE, hint=hint)
