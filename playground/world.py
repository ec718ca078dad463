"""The world of the playground: a server with a channel, two members, an admin and the bot.

SimCord plays Discord. SimCord's clock only moves when told to, which suits tests. People who look at a page expect the
real time, so the world here has a real clock.
"""

from __future__ import annotations

import asyncio
import io
import re
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import discord
import simcord
import structlog
from PIL import Image, ImageDraw, ImageFont
from simcord.backend.cdn import CdnStore
from simcord.builders import ChannelHandle, GuildHandle, UserHandle

from bot.errors import UserError
from playground.saved_world import SavedWorld

log = structlog.get_logger(__name__)

BOT_NAME = "Easel"
SERVER_NAME = "The Studio"
CHANNEL_NAME = "pictures"
TOPIC = "Type /imagine and say what you would like to see."

# How long a person's action may wait for the bot to process it, in seconds. The worker is not waited for.
PATIENCE = 10.0
AVATAR_SIZE = 96
CDN = "https://cdn.simcord.invalid"
# The names of files: what Discord replaces, and how long they can be.
_UNUSUAL = re.compile(r"[^\w.-]", re.ASCII)
LONGEST_NAME = 100
# How many of the latest requests and events are kept for error messages.
REMEMBERED = 500


# While a world is open, SimCord's time.monotonic is ``WallClock.elapsed`` in whatever an action of a person does.
_monotonic = time.monotonic


class WallClock:
    """The time of day for SimCord, plus the skipped time."""

    def __init__(self) -> None:
        self._skipped = 0.0

    @property
    def elapsed(self) -> float:
        """The machine's monotonic clock, plus the skipped time.

        The bot's commands read this one and its background tasks the machine's: both must begin at the same time.
        """
        return _monotonic() + self._skipped

    def now(self) -> datetime:
        """The time of day, UTC."""
        return datetime.now(UTC) + timedelta(seconds=self._skipped)

    def advance(self, seconds: float) -> None:
        """Skip this many seconds."""
        self._skipped += seconds


@dataclass(frozen=True, slots=True)
class Person:
    """A person in the server."""

    name: str
    colour: str
    admin: bool = False

    @property
    def username(self) -> str:
        """The unique name, in lower case."""
        return self.name.partition(" ")[0].lower()


CAST = (Person("Ada", "#e8743b"), Person("Ben", "#2f9e8f"), Person("Grace (admin)", "#8b5fbf", admin=True))
BOT_COLOUR, BOT_AVATAR = "#3a6ea5", "easel"


class Traffic(deque[tuple[str, str, Any]]):
    """SimCord's record of the traffic between bot and Discord, limited, with listeners for changes of messages.

    Events alone are not enough: there are none for ephemeral messages. Of the requests, only those that change messages
    count.
    """

    def __init__(self) -> None:
        super().__init__(maxlen=REMEMBERED)
        self.listeners: list[Callable[[], None]] = []

    def append(self, record: tuple[str, str, Any], /) -> None:
        super().append(record)
        kind, name, _ = record
        if "/webhooks/" in name if kind == "HTTP" else name != "INTERACTION_CREATE":
            for listener in self.listeners:
                listener()


class Cdn(CdnStore):
    """SimCord's store of attachments, which also gives them names and sizes as Discord does."""

    def store_attachment(
        self, attachment_id: int, channel_id: int, filename: str, data: bytes, description: str | None
    ) -> dict[str, Any]:
        """Store a file; a picture gets its width and height in pixels."""
        name = _UNUSUAL.sub("_", filename)[-LONGEST_NAME:].strip("._") or "file"
        stored = super().store_attachment(attachment_id, channel_id, name, data, description)
        if stored["content_type"].startswith("image/"):
            try:
                with Image.open(io.BytesIO(data)) as image:
                    stored |= {"width": image.width, "height": image.height}
            except Exception as error:  # noqa: BLE001  Pillow raises many kinds of errors for damaged files
                log.debug("attachment.no_picture", error=type(error).__name__)
        return stored


@dataclass(frozen=True, slots=True)
class World:
    """The running world. ``pictures`` maps the addresses of avatars to the images."""

    env: simcord.Env
    server: simcord.GuildHandle
    channel: simcord.ChannelHandle
    people: tuple[simcord.MemberActor, ...]
    pictures: Mapping[str, tuple[str, bytes]]
    traffic: Traffic

    @property
    def members(self) -> tuple[simcord.MemberActor, ...]:
        """People without special permissions."""
        return self.people[:-1]

    @property
    def admin(self) -> simcord.MemberActor:
        """The person who may manage the server and its messages."""
        return self.people[-1]


@asynccontextmanager
async def open_world(client: discord.Client, saved: SavedWorld | None = None) -> AsyncIterator[World]:
    """Log the bot in to the saved world, or to a new one that people join.

    The bot's own tasks are cancelled at the end.
    """
    shards = 1 if isinstance(client, discord.AutoShardedClient) else None
    env = simcord.Env(client, check_errors=False, settle_timeout=PATIENCE, shard_count=shards)
    env.backend.clock = WallClock()  # type: ignore[assignment]  # it has all of the clock's methods, not its class
    traffic = Traffic()
    env.backend.cdn = Cdn()
    env.backend.transcript = traffic  # type: ignore[assignment]  # it is only appended to and read through
    _answers_are_no_failures(env)
    restored = saved is not None and await asyncio.to_thread(saved.load, env.backend)
    bot = env.backend.bot_user
    bot.name, bot.avatar = BOT_NAME, BOT_AVATAR
    await env.start()
    try:
        world = (_existing(env, traffic) if restored else None) or _populate(env, traffic)
        yield world
    finally:
        await env.shutdown()


def _answers_are_no_failures(env: simcord.Env) -> None:
    """Keep a UserError from counting as a failure.

    SimCord counts every exception in a command as a failure of the bot and shows it in its page. A UserError is how the
    bot refuses; the person has already received the message.
    """
    record = env._record_error  # noqa: SLF001  there is no public way to tell the two apart

    def recording(error: BaseException) -> None:
        if not isinstance(getattr(error, "original", error), UserError):
            record(error)

    vars(env)["_record_error"] = recording


def _populate(env: simcord.Env, traffic: Traffic) -> World:
    users = [env.create_user(person.username, global_name=person.name, avatar=person.username) for person in CAST]
    server = env.create_guild(SERVER_NAME)
    permissions = discord.Permissions(manage_guild=True, manage_messages=True)
    admins = server.create_role("Admin", permissions=permissions, color=int(CAST[-1].colour[1:], 16))
    people = tuple(
        server.add_member(user, roles=[admins] if person.admin else [])
        for user, person in zip(users, CAST, strict=True)
    )
    channel = server.create_text_channel(CHANNEL_NAME, topic=TOPIC)
    return World(env, server, channel, people, _avatars(env, people), traffic)


def _existing(env: simcord.Env, traffic: Traffic) -> World | None:
    """The server and its people in a world that was loaded, or None if they are others than today's."""
    backend = env.backend
    guild = next((each for each in backend.guilds.values() if each.name == SERVER_NAME), None)
    if guild is None:
        return None
    channel = next(
        (backend.channels[key] for key in guild.channel_ids if backend.channels[key].name == CHANNEL_NAME), None
    )
    users = {user.name: user for key, user in backend.users.items() if key in guild.members}
    if channel is None or any(person.username not in users for person in CAST):
        return None
    server = GuildHandle(env, guild)
    people = tuple(simcord.MemberActor(env, server, UserHandle(env, users[person.username])) for person in CAST)
    return World(env, server, ChannelHandle(env, server, channel), people, _avatars(env, people), traffic)


def _avatars(env: simcord.Env, people: tuple[simcord.MemberActor, ...]) -> dict[str, tuple[str, bytes]]:
    """The avatars of all people and of the bot, by address."""
    pictures = {
        _address(actor.id, person.username): (f"{person.username}.png", avatar(person.name, person.colour))
        for actor, person in zip(people, CAST, strict=True)
    }
    pictures[_address(env.backend.bot_user.id, BOT_AVATAR)] = ("easel.png", avatar(BOT_NAME, BOT_COLOUR))
    return pictures


def _address(user_id: int, avatar_hash: str) -> str:
    return f"{CDN}/avatars/{user_id}/{avatar_hash}.png"


def avatar(name: str, colour: str) -> bytes:
    """A PNG with the first letter of a name on a coloured background."""
    image = Image.new("RGB", (AVATAR_SIZE, AVATAR_SIZE), colour)
    draw = ImageDraw.Draw(image)
    font = ImageFont.load_default(size=AVATAR_SIZE * 0.55)
    draw.text((AVATAR_SIZE / 2, AVATAR_SIZE / 2), name[0], font=font, fill="white", anchor="mm")
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()
