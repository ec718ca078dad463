"""The few requests to Discord by which a card is edited, posted and found again."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, cast
from urllib.parse import urlsplit

import aiohttp
import discord

from bot.ui.cards.layout import Card, custom_id
from bot.ui.delivery.images import Upload
from storage.records import Job

# A lost message is looked for among so many of the latest; whoever writes more in the meantime hides it.
_LOOK_BACK = 100
_BUTTON = re.compile(r"easel:[a-z-]{1,20}:(?P<job>[0-9]{1,18})")


# What Discord answered to each try of the request that this task makes; 0 where it answered nothing.
_TRIES: ContextVar[list[int] | None] = ContextVar("tries", default=None)


def tries_of_requests() -> aiohttp.TraceConfig:
    """Lets :class:`Messages` see the tries that the library makes by itself; the client has to be given it."""

    async def answered(_session: object, _context: object, end: aiohttp.TraceRequestEndParams) -> None:
        if (tries := _TRIES.get()) is not None:
            tries.append(end.response.status)

    async def failed(_session: object, _context: object, _end: aiohttp.TraceRequestExceptionParams) -> None:
        if (tries := _TRIES.get()) is not None:
            tries.append(0)

    trace = aiohttp.TraceConfig()
    trace.on_request_end.append(answered)
    trace.on_request_exception.append(failed)
    return trace


class Messages:
    """Sends cards as ``client``. Every method raises discord.HTTPException as it comes."""

    unclear = False
    """Whether an edit that was refused had been tried before with no clear answer, and may have been made."""

    def __init__(self, client: discord.Client) -> None:
        self._client = client

    async def edit_by_token(
        self, job: Job, card: Card, uploads: Sequence[Upload] = (), kept: Collection[int] = ()
    ) -> dict[str, int]:
        """Edit the job's message by the interaction's token; of its files those with ids in ``kept`` stay.

        Returns the ids of the files that stand in it now, by their names.
        """
        application_id, token, message_id = self._client.application_id, job.interaction_token, job.message_id
        if application_id is None or token is None or message_id is None:
            raise ValueError("the card has no token or no message, or the bot has not logged in")
        webhook = discord.Webhook.partial(application_id, token, client=self._client)
        # The library forgets it here, and only here.
        webhook.proxy = self._client.http.proxy
        with self._watched():
            message = await webhook.edit_message(
                message_id, view=card, attachments=[*_kept(kept), *(upload.file() for upload in uploads)]
            )
        return _standing(message)

    async def edit_by_bot(
        self, job: Job, card: Card, uploads: Sequence[Upload] = (), kept: Collection[int] = ()
    ) -> dict[str, int]:
        """The same with the bot's own token."""
        if job.message_id is None:
            raise ValueError("the card has no message")
        channel = self._client.get_partial_messageable(job.channel_id)
        message = channel.get_partial_message(job.message_id)
        with self._watched():
            edited = await message.edit(view=card, attachments=[*_kept(kept), *(upload.file() for upload in uploads)])
        return _standing(edited)

    @contextmanager
    def _watched(self) -> Iterator[None]:
        """Sees whether the library tried more than once, and how the tries before the last one ended."""
        tries: list[int] = []
        before = _TRIES.set(tries)
        try:
            yield
        finally:
            _TRIES.reset(before)
            self.unclear = any(status == 0 or status >= 500 for status in tries[:-1])

    async def in_card(self, job: Job) -> Collection[str] | None:
        """The names of the files in the job's card, if the card shows what came of the job; the bot has to see it."""
        if job.message_id is None:
            raise ValueError("the card has no message")
        message = await self._client.get_partial_messageable(job.channel_id).fetch_message(job.message_id)
        return _standing(message) if _shows(message, job.id) else None

    async def post(self, job: Job, card: Card, uploads: Sequence[Upload], nonce: str) -> discord.Message:
        """Post a new message in the job's channel that mentions its author alone."""
        channel = self._client.get_partial_messageable(job.channel_id)
        return await self._send(channel, card, uploads, nonce, mention=job.user_id)

    async def dm(self, job: Job, card: Card, uploads: Sequence[Upload], nonce: str) -> discord.Message:
        """Send a direct message to the job's author."""
        channel = await self._client.create_dm(discord.Object(job.user_id))
        return await self._send(channel, card, uploads, nonce, mention=job.user_id)

    async def posted(self, job: Job, *, dm: bool) -> discord.Message | None:
        """The new message that was sent for this job, if it is there: in its channel or in its author's DMs."""
        channel: discord.abc.Messageable = (
            await self._client.create_dm(discord.Object(job.user_id))
            if dm
            else self._client.get_partial_messageable(job.channel_id)
        )
        # Ids grow with Discord's own time, which ours need not agree with.
        card = discord.Object(job.message_id) if job.message_id is not None else None
        async for message in channel.history(limit=_LOOK_BACK, after=card, oldest_first=False):
            if self._client.user is not None and message.author.id == self._client.user.id and _shows(message, job.id):
                return message
        return None

    async def _send(
        self, channel: discord.abc.Messageable, card: Card, uploads: Sequence[Upload], nonce: str, *, mention: int
    ) -> discord.Message:
        return await channel.send(
            view=card,
            files=[upload.file() for upload in uploads],
            nonce=nonce,
            allowed_mentions=discord.AllowedMentions(
                everyone=False, roles=False, replied_user=False, users=[discord.Object(mention)]
            ),
        )


class _KeptFile:
    """A file of a message that an edit leaves there: for that its id is enough."""

    def __init__(self, number: int) -> None:
        self._number = number

    def to_dict(self) -> dict[str, int]:
        return {"id": self._number}


def _kept(ids: Collection[int]) -> list[discord.Attachment]:
    # The library asks of those that stay no more than this method.
    return cast("list[discord.Attachment]", [_KeptFile(number) for number in ids])


def _standing(message: discord.Message) -> dict[str, int]:
    """Discord lists no file among a message's attachments that a component shows; the component knows its id."""
    found = {attachment.filename: attachment.id for attachment in message.attachments}
    for component in _walk(message.components):
        for item in getattr(component, "items", ()):
            if item.media.attachment_id is not None:
                found[urlsplit(item.media.url).path.rpartition("/")[2]] = item.media.attachment_id
    return found


def jobs_named(message: discord.Message) -> frozenset[int]:
    """The jobs that the buttons of a message belong to."""
    ids = (_BUTTON.fullmatch(getattr(item, "custom_id", None) or "") for item in _walk(message.components))
    return frozenset(int(found["job"]) for found in ids if found is not None)


def _shows(message: discord.Message, job_id: int) -> bool:
    # The waiting card has other buttons, so it is not taken for the result.
    wanted = custom_id("details", job_id)
    return any(wanted == getattr(item, "custom_id", None) for item in _walk(message.components))


def _walk(components: Sequence[Any]) -> list[Any]:
    found: list[Any] = []
    for component in components:
        found += [component, *_walk(getattr(component, "children", ()))]
    return found
