"""Posts, edits and deletes messages as Discord does, for every route."""

from __future__ import annotations

import mimetypes
import struct
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

from fakes.discord.components import settle
from fakes.discord.constants import NO_FLAG, Json, MessageFlag
from fakes.discord.errors import empty_message, too_large
from fakes.discord.mentions import pinged
from fakes.discord.message_limits import REQUEST_LIMIT, Draft, message_faults
from fakes.discord.model import Attachment, Body, Channel, Interaction, Message, Upload, User, World, digest
from fakes.discord.requests import Call

_PNG, _JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8"
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""The markers of JPEG segments that contain the size."""
EDITABLE = MessageFlag.COMPONENTS_V2


class UnsoundMessageError(Exception):
    """The bot sent an invalid message; ``faults`` lists why."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("; ".join(faults))
        self.faults = faults


def post(
    world: World,
    channel: Channel,
    call: Call,
    payload: Json,
    *,
    file_limit: int,
    only_for: User | None = None,
    interaction: Interaction | None = None,
) -> Message:
    """Post a new message by the bot. Raises UnsoundMessageError, or Refusal if Discord has its own error code."""
    draft = Draft(payload, tuple(call.files))
    _check(draft, call, file_limit)
    flags = MessageFlag(payload.get("flags") or 0) & (MessageFlag.EPHEMERAL | EDITABLE)
    if only_for is not None:
        flags |= MessageFlag.EPHEMERAL
    message = Message(
        world.ids.next(),
        channel,
        world.bot,
        [],
        only_for=only_for,
        interaction=interaction,
        nonce=None if payload.get("nonce") is None else str(payload["nonce"]),
    )
    message.history.append(_body(world, channel, draft, (), flags))
    channel.messages[message.id] = message
    world.say("MESSAGE_CREATE", message=message)
    return message


def thinking(world: World, interaction: Interaction, *, only_for: User | None) -> Message:
    """The placeholder message of a deferred response: "Easel is thinking…"."""
    flags = MessageFlag.LOADING | (MessageFlag.EPHEMERAL if only_for is not None else NO_FLAG)
    message = Message(
        world.ids.next(),
        interaction.channel,
        world.bot,
        [Body("", (), (), (), flags)],
        only_for=only_for,
        interaction=interaction,
    )
    interaction.channel.messages[message.id] = message
    world.say("MESSAGE_CREATE", message=message)
    return message


def edit(
    world: World, message: Message, call: Call, payload: Json, *, file_limit: int, drop_files: bool = False
) -> None:
    """Edit a message. Fields that are not in the payload keep their values.

    ``drop_files``: remove files that are not listed, even if nothing is listed, as when a button's response updates its
    message. Raises UnsoundMessageError or Refusal.

    ``drop_files``: files that are not listed go even if nothing is listed, as when a button's answer updates its
    message. Raises UnsoundMessageError or Refusal.
    """
    listed = payload.get("attachments")
    if listed is None:
        kept = () if drop_files else message.body.attachments
    else:
        ids = {int(one["id"]) for one in listed}
        kept = tuple(one for one in message.body.attachments if one.id in ids)
    draft = Draft(payload, tuple(call.files), kept, before=message)
    _check(draft, call, file_limit)
    flags = message.body.flags & ~MessageFlag.LOADING
    flags |= MessageFlag(payload.get("flags") or 0) & EDITABLE
    message.history.append(_body(world, message.channel, draft, kept, flags))
    world.say("MESSAGE_UPDATE", message=message)


def delete(world: World, message: Message) -> None:
    """Delete the message, for the bot or for a user."""
    message.deleted = True
    world.say("MESSAGE_DELETE", message=message)


def _check(draft: Draft, call: Call, file_limit: int) -> None:
    if call.size > REQUEST_LIMIT or any(len(upload.data) > file_limit for upload in draft.files):
        raise too_large()
    if faults := message_faults(draft):
        raise UnsoundMessageError(faults)
    fields = ("content", "embeds", "components", "sticker_ids", "poll")
    if not any(_after(draft, field) for field in fields) and not draft.files and not draft.kept:
        raise empty_message()


def _after(draft: Draft, field: str) -> Any:
    if field in draft.payload or draft.before is None:
        return draft.payload.get(field)
    return getattr(draft.before.body, field, None)


def _body(world: World, channel: Channel, draft: Draft, kept: Iterable[Attachment], flags: MessageFlag) -> Body:
    payload = draft.payload
    told = {int(one["id"]): one for one in payload.get("attachments") or ()}
    attachments = (
        *kept,
        *(_attach(world, channel, upload, told.get(upload.index, {})) for upload in draft.files),
    )
    before = draft.before.body if draft.before is not None else None
    components: Iterable[Json]
    if before is not None and "components" not in payload:
        components = before.components
    else:
        components = settle(payload.get("components") or (), attachments, world.ids.next)
    return Body(
        content=before.content if before is not None and "content" not in payload else payload.get("content") or "",
        embeds=before.embeds if before is not None and "embeds" not in payload else tuple(payload.get("embeds") or ()),
        components=tuple(components),
        attachments=attachments,
        flags=flags,
        pings=pinged(payload),
    )


def _attach(world: World, channel: Channel, upload: Upload, told: Json) -> Attachment:
    made = new_attachment(world, channel, upload, told.get("description"))
    world.attachments[made.id] = made
    return made


def new_attachment(world: World, channel: Channel, upload: Upload, description: str | None = None) -> Attachment:
    """A file as Discord stores it, with its download URL."""
    number = world.ids.next()
    width, height = _size(upload.data)
    return Attachment(
        id=number,
        filename=upload.filename,
        description=description,
        size=len(upload.data),
        sha256=digest(upload.data),
        media_type=mimetypes.guess_type(upload.filename)[0] or "application/octet-stream",
        width=width,
        height=height,
        url=f"{world.cdn}/attachments/{channel.id}/{number}/{quote(upload.filename)}?ex=0&is=0&hm={number:x}",
        data=upload.data if world.keep_files else None,
    )


def _size(data: bytes) -> tuple[int | None, int | None]:
    """Width and height of a PNG or JPEG file."""
    if data.startswith(_PNG) and len(data) >= 24:
        width, height = struct.unpack(">II", data[16:24])
        return width, height
    return _jpeg_size(data) if data.startswith(_JPEG) else (None, None)


def _jpeg_size(data: bytes) -> tuple[int | None, int | None]:
    at = 2
    while at + 9 <= len(data) and data[at] == 0xFF:
        if data[at + 1] in _FRAMES:
            height, width = struct.unpack(">HH", data[at + 5 : at + 9])
            return width, height
        at += 2 + int.from_bytes(data[at + 2 : at + 4])
    return None, None
