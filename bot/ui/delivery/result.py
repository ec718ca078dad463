"""Takes one finished job down its ladder: tries each way to show it, and keeps it where none is open."""

from __future__ import annotations

import discord
import structlog

from bot.jobs.store import JobStore
from bot.jobs.view import JobView
from bot.ui.cards.job import ShownImage, elsewhere_card, failure_card, result_card
from bot.ui.cards.layout import Card
from bot.ui.cards.wording import counted, moment
from bot.ui.delivery import images, methods
from bot.ui.delivery.attachments import pack
from bot.ui.delivery.images import Upload, Uploads
from bot.ui.delivery.messages import Messages
from bot.ui.delivery.methods import Reason, Step
from storage.images import ImageFiles
from storage.jobs import JobColumns

log = structlog.get_logger(__name__)

PLAIN_FILE_LIMIT = 10 * 2**20
"""Bytes that a file may have where no interaction says more."""

# The card is gone, or it may be showing the result, which words would overwrite.
_NOTHING_TO_TELL = frozenset({Reason.MESSAGE_GONE, Reason.PLACE_GONE, Reason.MAYBE_SHOWN})

# Before the note of a new message that may or may not have been sent.
_BEGUN = "begun: "


class Blocked(Exception):
    """A way to show a result is closed."""

    def __init__(self, why: Reason) -> None:
        super().__init__(why.value)
        self.why = why


class Showing:
    """One job's way down its ladder."""

    def __init__(
        self,
        view: JobView,
        jobs: JobStore,
        files: ImageFiles,
        messages: Messages,
        *,
        takes_dms: bool = True,
        with_text: bool = True,
        again: bool = False,
    ) -> None:
        """``again``: the card may have been edited by an earlier try, of which nobody heard."""
        self._view = view
        self._job = view.job
        self._jobs = jobs
        self._files = files
        self._messages = messages
        self._takes_dms = takes_dms
        self._with_text = with_text
        # Whether the card may show it already. Before a new message was begun this was made sure of.
        nonce = self._job.delivery_nonce
        self._unsure = nonce == self._nonce(Step.TOKEN) if methods.needs_token(self._job) else again and nonce is None
        # A job that was shown before and was asked for again: where it brought nothing new, nobody is told twice.
        before = self._job.delivered_at
        self.told = before is not None and not any(image.created_at > before for image in view.images)
        self._trail: list[str] = []
        self._closed: dict[Step, Reason] = {}
        # The channel and the message of a result that does not stand in its card.
        self._where: JobColumns = {}

    async def run(self) -> None:
        """Show it or keep it. Raises what Discord or the network raises where a later try may do better."""
        try:
            arrived = await self._begun_before()
        except Blocked as blocked:
            self._trail.append(blocked.why.value)
            await self._keep()
            return
        if arrived is None:
            await self._climb_down()
        else:
            await self._shown(arrived, whole=True)

    async def _begun_before(self) -> Step | None:
        """By which new message an earlier try has shown it already, if it has. Raises Blocked if nobody can tell."""
        nonce = self._job.delivery_nonce
        if nonce is None:
            return None
        if nonce == self._nonce(Step.TOKEN):
            return None  # It is in the card, or nowhere.
        step = next(step for step in (Step.POST, Step.DM) if nonce == self._nonce(step))
        try:
            message = await self._messages.posted(self._job, dm=step is Step.DM)
        except discord.Forbidden as error:
            raise Blocked(Reason.MAYBE_POSTED) from error
        except discord.NotFound:
            message = None  # The place is gone, and whatever was there with it.
        if message is None:
            return None
        self._where = {"channel_id": message.channel.id, "message_id": message.id}
        return step

    async def _climb_down(self) -> None:
        uploads = await self._prepare(1)
        left = frozenset({Step.TOKEN, Step.BOT_EDIT}) if self.told else frozenset(Step)
        for step in methods.ladder(self._job):
            if step not in left:
                continue
            why = methods.closed(step, self._job, takes_dms=self._takes_dms)
            if why is None:
                try:
                    if step in (Step.POST, Step.DM) and self._unsure and await self._stands_in_card():
                        return
                    whole = await self._go(step, uploads)
                except Blocked as blocked:
                    why = blocked.why
                else:
                    await self._shown(step, whole=whole)
                    return
            log.info("delivery.step_closed", step=step.name.lower(), why=why.value)
            self._trail.append(why.value)
            self._closed[step] = why
            left &= methods.LEFT[why]
        await self._keep()

    async def _keep(self) -> None:
        if self.told:
            await self._jobs.shown(self._job.id, note=self._job.delivery_note or _joined(self._trail))
            return
        await self._tell_card(None)
        if await self._jobs.kept(self._job.id, note=f"kept: {_joined(self._trail)}"):
            log.warning("delivery.kept", why=_joined(self._trail))

    async def _tell_card(self, elsewhere: Step | None) -> None:
        """The card still waits for its result: say in it where the result is, or that it is kept (None).

        This comes before it is stored that the job is over, so that after a crash it is done again. Raises what Discord
        or the network raises where a later try may do better.
        """
        if self._unsure or not _NOTHING_TO_TELL.isdisjoint(self._closed.values()):
            return
        url = f"https://discord.com/channels/{{}}/{self._where.get('channel_id')}/{self._where.get('message_id')}"
        where = {
            Step.DM: f"was sent as a direct message to <@{self._job.user_id}>: {url.format('@me')}",
            Step.POST: f"is in a message of its own: {url.format(self._job.server_id or '@me')}",
        }
        why = self._trail[0] if self._trail else "its time was over"
        card = elsewhere_card(self._view, where=None if elsewhere is None else where[elsewhere], why=why)
        for step, edit in (
            (Step.TOKEN, self._messages.edit_by_token),
            (Step.BOT_EDIT, self._messages.edit_by_bot),
        ):
            closed = self._closed.get(step, Reason.REFUSED) not in methods.WORDS_MAY_DO
            if closed or step not in methods.ladder(self._job) or methods.closed(step, self._job) is not None:
                continue
            try:
                await edit(self._job, card)
            except discord.HTTPException as error:
                if (refused := methods.reason(step, error)) is None:
                    raise
                log.info("delivery.card_not_told", step=step.name.lower(), why=refused.value)
            else:
                return

    async def _shown(self, step: Step, *, whole: bool) -> None:
        if step in (Step.POST, Step.DM):
            await self._tell_card(step)
        begun = self._job.delivery_note
        if self._where and not self._trail and begun is not None and begun.startswith(_BEGUN):
            note = begun.removeprefix(_BEGUN)
        else:
            note = self._note(step)
        await self._record(note, whole=whole)

    async def _record(self, note: str, *, whole: bool) -> None:
        # Where it stands is stored together with that it was shown: a start in between would look for it elsewhere.
        moved = (
            await self._jobs.shown(self._job.id, note=note, **self._where)
            if whole
            else await self._jobs.kept(self._job.id, note=f"{note}, without the images", **self._where)
        )
        log.info("delivery.shown", how=note, whole=whole, first=moved)

    async def _prepare(self, part: int) -> Uploads:
        """The images for one request; a ``part`` of 2 allows them half of what should be allowed."""
        return await pack(
            self._view,
            self._files,
            file_limit=self._job.file_limit // part,
            request_limit=images.REQUEST_LIMIT // part,
            with_text=self._with_text,
        )

    async def _go(self, step: Step, uploads: Uploads) -> bool:
        """Take this way; False where there are images and none could be shown. Raises Blocked."""
        if step in (Step.POST, Step.DM) and any(each.size > PLAIN_FILE_LIMIT for each in uploads.ready):
            uploads = await self._prepare(max(1, -(-self._job.file_limit // PLAIN_FILE_LIMIT)))
        try:
            await self._send(step, uploads)
        except Blocked as blocked:
            if blocked.why is not Reason.TOO_LARGE:
                raise
            uploads = await self._smaller(step)
        return bool(uploads.ready) or not self._view.images

    async def _smaller(self, step: Step) -> Uploads:
        """Discord found it too large: once more with half as much, or else only the words. Raises Blocked."""
        uploads = await self._prepare(2)
        try:
            await self._send(step, uploads)
        except Blocked as blocked:
            if blocked.why is not Reason.TOO_LARGE:
                raise
            uploads = Uploads((), unfit=len(self._view.images))
            await self._send(step, uploads)
        return uploads

    async def _send(self, step: Step, uploads: Uploads) -> None:
        card = self._card(step, uploads)
        try:
            if step is Step.TOKEN:
                await self._note_token()
                await self._messages.edit_by_token(self._job, card, uploads.ready)
            elif step is Step.BOT_EDIT:
                await self._messages.edit_by_bot(self._job, card, uploads.ready)
            else:
                await self._send_new(step, card, uploads.ready)
        except discord.HTTPException as error:
            why = methods.reason(step, error)
            if why is None:
                raise
            if why is Reason.TOKEN_OVER:
                # What Discord refuses too often makes it refuse everything: a later try begins without it.
                await self._jobs.token_over(self._job)
            # Only an edit is tried more than once by the library without our knowing.
            self._unsure |= step in (Step.TOKEN, Step.BOT_EDIT) and self._messages.unclear
            raise Blocked(why) from error

    async def _send_new(self, step: Step, card: Card, uploads: tuple[Upload, ...]) -> None:
        """Send a message that was not there before; what is noted first lets a later try find it."""
        nonce = self._nonce(step)
        await self._jobs.note(self._job.id, delivery_nonce=nonce, delivery_note=_BEGUN + self._note(step))
        send = self._messages.dm if step is Step.DM else self._messages.post
        message = await send(self._job, card, uploads, nonce)
        self._where = {"channel_id": message.channel.id, "message_id": message.id}

    async def _note_token(self) -> None:
        """Where nothing but a token can look at the card, its upload is noted like that of a new message."""
        if methods.needs_token(self._job) and self._job.delivery_nonce != self._nonce(Step.TOKEN):
            await self._jobs.note(self._job.id, delivery_nonce=self._nonce(Step.TOKEN))

    async def _stands_in_card(self) -> bool:
        """Whether an edit of which nobody heard has shown it already; that is stored then. Raises Blocked."""
        if methods.needs_token(self._job):
            raise Blocked(Reason.MAYBE_SHOWN)
        try:
            files = await self._messages.in_card(self._job)
        except discord.NotFound as error:
            if methods.reason(Step.BOT_EDIT, error) is Reason.MESSAGE_GONE:
                raise Blocked(Reason.MESSAGE_GONE) from error
            files = None  # The place is gone, and the card with it.
        except discord.Forbidden as error:
            raise Blocked(Reason.MAYBE_SHOWN) from error
        if files is None:
            self._unsure = False
            return False
        await self._record("found in its card", whole=bool(files) or not self._view.images)
        return True

    def _note(self, step: Step) -> str:
        return f"{step.value}, since {_joined(self._trail)}" if self._trail else step.value

    def _nonce(self, step: Step) -> str:
        # The message that showed it before must not pass for the new one.
        again = "-again" if self._job.delivered_at is not None else ""
        return f"{self._job.id}-{step.name.lower()}{again}"

    def _card(self, step: Step, uploads: Uploads) -> Card:
        view = self._view
        notes = []
        if step is Step.POST:
            notes.append(f"<@{self._job.user_id}>, this took longer than its first card could wait.")
        if step is Step.DM:
            notes.append(f"This could not be shown in <#{self._job.channel_id}>.")
        if not view.images:
            return failure_card(view, notes=notes)
        if uploads.gone:
            notes.append(f"No longer stored: {counted(uploads.gone, 'image')} of this job.")
        if uploads.unfit:
            notes.append(f"Too large to be sent here, but kept: {counted(uploads.unfit, 'image')} of this job.")
        if uploads.unfit and not uploads.ready:
            notes.append(f"What is kept waits in your history until {moment(self._jobs.kept_until(view.job), 'D')}.")
        shown = [ShownImage(upload.image, upload.name, upload.reencoded) for upload in uploads.ready]
        return result_card(view, shown, notes=notes, shareable=step is not Step.DM)


def _joined(reasons: list[str]) -> str:
    return ", then ".join(reasons) or "no way was open"
