"""The requests to Discord that edit, send and find the messages of a job."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, cast
from urllib.parse import urlsplit

import aiohttp
import discord

from bot.ui.cards.buttons import custom_id
from bot.ui.cards.layout import CARD, RESULT, Card
from bot.ui.delivery.attachments import Attachment, Upload
from storage.records import Job

# The number of recent messages that are searched for a message that may have been sent.
_LOOK_BACK = 100
_BUTTON = re.compile(r"easel:[a-z-]{1,20}:(?P<job>[0-9]{1,18})")

# The status of each attempt of this task's current request; 0 if there was no response.
_TRIES: ContextVar[list[int] | None] = ContextVar("tries", default=None)
# Whether the current request must not be repeated after an attempt that may have succeeded.
_ONCE: ContextVar[bool] = ContextVar("once", default=False)


class NotRepeated(aiohttp.ClientError):
    """A request that must be sent at most once got no clear response."""


def tries_of_requests() -> aiohttp.TraceConfig:
    """Return a trace for the client. It lets :class:`Messages` see and stop the retries that the library makes."""

    async def begun(_session: object, _context: object, _start: aiohttp.TraceRequestStartParams) -> None:
        if _ONCE.get() and any(map(_unclear, _TRIES.get() or ())):
            raise NotRepeated

    async def answered(_session: object, _context: object, end: aiohttp.TraceRequestEndParams) -> None:
        if (tries := _TRIES.get()) is not None:
            tries.append(end.response.status)

    async def failed(_session: object, _context: object, _end: aiohttp.TraceRequestExceptionParams) -> None:
        if (tries := _TRIES.get()) is not None:
            tries.append(0)

    trace = aiohttp.TraceConfig()
    trace.on_request_start.append(begun)
    trace.on_request_end.append(answered)
    trace.on_request_exception.append(failed)
    return trace


class Messages:
    """Sends cards as ``client``. Every method may raise discord.HTTPException."""

    unclear = False
    """Whether the last edit was retried after an attempt without a clear response, which may have succeeded."""

    def __init__(self, client: discord.Client) -> None:
        self._client = client

    async def edit_by_token(
        self, job: Job, card: Card, uploads: Sequence[Attachment] = (), retained: Collection[int] = ()
    ) -> dict[str, int]:
        """Edit the job's message with the interaction's token. Attachments with ids in ``retained`` remain.

        Returns the ids of the message's attachments by their names.
        """
        token, message_id = job.interaction_token, job.message_id
        if token is None or message_id is None:
            raise ValueError("the card has no token or no message")
        with self._watched():
            message = await self._webhook(token).edit_message(
                message_id, view=card, attachments=[*_retained(retained), *(upload.file() for upload in uploads)]
            )
        return _attachments(message)

    async def edit_by_bot(
        self, job: Job, card: Card, uploads: Sequence[Attachment] = (), retained: Collection[int] = ()
    ) -> dict[str, int]:
        """Edit the job's message like ``edit_by_token``, but with the bot's own token."""
        if job.message_id is None:
            raise ValueError("the card has no message")
        channel = self._client.get_partial_messageable(job.channel_id)
        message = channel.get_partial_message(job.message_id)
        with self._watched():
            edited = await message.edit(
                view=card, attachments=[*_retained(retained), *(upload.file() for upload in uploads)]
            )
        return _attachments(edited)

    async def delete_by_token(self, job: Job) -> None:
        """Delete the job's message with the interaction's token."""
        token, message_id = job.interaction_token, job.message_id
        if token is None or message_id is None:
            raise ValueError("the card has no token or no message")
        await self._webhook(token).delete_message(message_id)

    def _webhook(self, token: str) -> discord.Webhook:
        if self._client.application_id is None:
            raise ValueError("the bot has not logged in")
        webhook = discord.Webhook.partial(self._client.application_id, token, client=self._client)
        # The library does not set the proxy here.
        webhook.proxy = self._client.http.proxy
        return webhook

    @contextmanager
    def _watched(self) -> Iterator[None]:
        """Set ``unclear``: whether the library retried an attempt that may have succeeded."""
        tries: list[int] = []
        before = _TRIES.set(tries)
        try:
            yield
        finally:
            _TRIES.reset(before)
            self.unclear = any(map(_unclear, tries[:-1]))

    @contextmanager
    def _once(self) -> Iterator[None]:
        """Stop the library's retries after an attempt that may have succeeded: Discord forgets nonces after a while."""
        before = _ONCE.set(True)
        try:
            with self._watched():
                yield
        finally:
            _ONCE.reset(before)

    async def in_card(self, job: Job) -> Collection[str] | None:
        """The names of the attachments in the job's card if it shows the result, else None. The bot needs access."""
        if job.message_id is None:
            raise ValueError("the card has no message")
        message = await self._client.get_partial_messageable(job.channel_id).fetch_message(job.message_id)
        return _attachments(message) if is_result(message, job.id) else None

    async def post(self, job: Job, card: Card, uploads: Sequence[Upload], nonce: str) -> discord.Message:
        """Post a new message in the job's channel that mentions only the job's author."""
        channel = self._client.get_partial_messageable(job.channel_id)
        return await self._send(channel, card, uploads, nonce, mention=job.user_id)

    async def dm(self, job: Job, card: Card, uploads: Sequence[Upload], nonce: str) -> discord.Message:
        """Send a direct message to the job's author."""
        channel = await self._client.create_dm(discord.Object(job.user_id))
        return await self._send(channel, card, uploads, nonce, mention=job.user_id)

    async def write(self, job: Job, words: str, nonce: str, *, dm: bool) -> discord.Message:
        """Send plain text that mentions only the job's author: in the job's channel, or as a direct message.

        Raises NotRepeated if it may have been sent.
        """
        channel: discord.abc.Messageable = (
            await self._client.create_dm(discord.Object(job.user_id))
            if dm
            else self._client.get_partial_messageable(job.channel_id)
        )
        with self._once():
            return await channel.send(words, nonce=nonce, allowed_mentions=_only(job.user_id))

    async def follow_up(self, job: Job, token: str, words: str) -> None:
        """Send plain text that only the job's author sees, in response to the interaction with this token.

        Raises NotRepeated if it may have been sent.
        """
        webhook = self._webhook(token)
        # The library allows private messages only if it knows that the webhook is an interaction's.
        webhook.type = discord.WebhookType.application
        with self._once():
            await webhook.send(words, ephemeral=True, wait=True, allowed_mentions=_only(job.user_id))

    async def posted(self, job: Job, *, dm: bool) -> discord.Message | None:
        """Find the new message that was sent with the result, in the job's channel or its author's DMs."""
        channel: discord.abc.Messageable = (
            await self._client.create_dm(discord.Object(job.user_id))
            if dm
            else self._client.get_partial_messageable(job.channel_id)
        )
        # Compare ids rather than times, since Discord's clock may differ from ours.
        card = discord.Object(job.message_id) if job.message_id is not None else None
        async for message in channel.history(limit=_LOOK_BACK, after=card, oldest_first=False):
            if (
                self._client.user is not None
                and message.author.id == self._client.user.id
                and is_result(message, job.id)
            ):
                return message
        return None

    async def _send(
        self, channel: discord.abc.Messageable, card: Card, uploads: Sequence[Upload], nonce: str, *, mention: int
    ) -> discord.Message:
        return await channel.send(
            view=card,
            files=[upload.file() for upload in uploads],
            nonce=nonce,
            allowed_mentions=_only(mention),
        )


def _unclear(status: int) -> bool:
    return status == 0 or status >= 500


def _only(user_id: int) -> discord.AllowedMentions:
    return discord.AllowedMentions(everyone=False, roles=False, replied_user=False, users=[discord.Object(user_id)])


class _Retained:
    """An attachment that an edit leaves in its message. Its id is enough."""

    def __init__(self, number: int) -> None:
        self._number = number

    def to_dict(self) -> dict[str, int]:
        return {"id": self._number}


def _retained(ids: Collection[int]) -> list[discord.Attachment]:
    # The library calls no other method of retained attachments.
    return cast("list[discord.Attachment]", [_Retained(number) for number in ids])


def _attachments(message: discord.Message) -> dict[str, int]:
    """The attachments' ids by name. Discord lists an attachment that a component shows only in that component."""
    found = {attachment.filename: attachment.id for attachment in message.attachments}
    for component in _walk(message.components):
        for item in getattr(component, "items", ()):
            if item.media.attachment_id is not None:
                found[urlsplit(item.media.url).path.rpartition("/")[2]] = item.media.attachment_id
    return found


def jobs_named(message: discord.Message) -> frozenset[int]:
    """The ids of the jobs whose buttons the message has."""
    ids = (_BUTTON.fullmatch(custom) for custom in _custom_ids(message))
    return frozenset(int(found["job"]) for found in ids if found is not None)


def is_result(message: discord.Message, job_id: int) -> bool:
    """Whether the message shows the job's outcome, not only its progress."""
    marks = {getattr(component, "id", None) for component in message.components}
    if marks & {CARD, RESULT}:
        return RESULT in marks and job_id in jobs_named(message)
    # A message from a version without marks. In that version only results had this button.
    return custom_id("details", job_id) in _custom_ids(message)


def _custom_ids(message: discord.Message) -> list[str]:
    ids = (getattr(item, "custom_id", None) for item in _walk(message.components))
    return [custom for custom in ids if custom is not None]


def _walk(components: Sequence[Any]) -> list[Any]:
    found: list[Any] = []
    for component in components:
        found += [component, *_walk(getattr(component, "children", ()))]
    return found
