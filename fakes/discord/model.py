"""The state of the loopback Discord: users, servers, channels, permissions and messages."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from fakes.discord.changes import Changes
from fakes.discord.constants import (
    DEFAULT_FILE_LIMIT,
    EVERYTHING,
    MEMBER,
    NO_PERMISSION,
    Answer,
    Ids,
    Json,
    Kind,
    MessageFlag,
    Permission,
    Place,
)


@dataclass(eq=False, slots=True)
class User:
    """An account; the bot has one too."""

    id: int
    name: str
    display_name: str
    bot: bool = False
    dms_open: bool = True
    installed_app: bool = False


@dataclass(eq=False, slots=True)
class Role:
    id: int
    name: str
    permissions: Permission = NO_PERMISSION


@dataclass(eq=False, slots=True)
class Member:
    user: User
    permissions: Permission = MEMBER
    roles: list[Role] = field(default_factory=list)
    nick: str | None = None

    @property
    def all_permissions(self) -> Permission:
        total = self.permissions
        for role in self.roles:
            total |= role.permissions
        return EVERYTHING if Permission.ADMINISTRATOR in total else total


@dataclass(eq=False)
class Guild:
    """A server. ``file_limit`` is in bytes, as in each interaction.

    ``joined_at`` is when the bot joined it, in Unix milliseconds; None: long ago.
    """

    id: int
    name: str
    world: World = field(repr=False)
    owner: User | None = None
    bot_present: bool = True
    joined_at: int | None = None
    file_limit: int = DEFAULT_FILE_LIMIT
    members: dict[int, Member] = field(default_factory=dict, repr=False)
    roles: dict[str, Role] = field(default_factory=dict, repr=False)
    channels: dict[str, Channel] = field(default_factory=dict, repr=False)
    opened_commands: set[str] = field(default_factory=set)
    """Commands that the owner opened to everybody, overriding their default permissions."""

    def channel(self, name: str, *, age_restricted: bool = False) -> Channel:
        """The text channel with this name; created if missing."""
        if name not in self.channels:
            channel = Channel(self.world.ids.next(), name, Place.TEXT, guild=self, age_restricted=age_restricted)
            self.channels[name] = channel
            self.world.channels[channel.id] = channel
            self.world.say("CHANNEL_CREATE", channel=channel)
        return self.channels[name]

    def role(self, name: str, permissions: Permission = NO_PERMISSION) -> Role:
        """The role with this name; created if missing."""
        if name not in self.roles:
            self.roles[name] = Role(self.world.ids.next(), name, permissions)
        return self.roles[name]

    def member(self, user: User) -> Member:
        """The member for ``user``; the user joins if necessary."""
        if user.id not in self.members:
            self.members[user.id] = Member(user)
        return self.members[user.id]


@dataclass(eq=False)
class Channel:
    """A place with messages: a text channel, the direct messages with a user, or a group of users without the bot."""

    id: int
    name: str
    place: Place
    guild: Guild | None = None
    people: tuple[User, ...] = ()
    age_restricted: bool = False
    bot_permissions: Permission = MEMBER
    deleted: bool = False
    messages: dict[int, Message] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Upload:
    """An uploaded file. ``index`` is the n of its ``files[n]``."""

    index: int
    filename: str
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file of a message. ``data`` is None if the world does not keep the bytes."""

    id: int
    filename: str
    description: str | None
    size: int
    sha256: str
    media_type: str
    width: int | None
    height: int | None
    url: str
    data: bytes | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class Body:
    """The content of a message at one moment, with its components as Discord returns them."""

    content: str
    embeds: tuple[Json, ...]
    components: tuple[Json, ...]
    attachments: tuple[Attachment, ...]
    flags: MessageFlag
    pings: frozenset[str] = frozenset()
    """Who was pinged by this post or edit; see ``mentions.pinged``."""


@dataclass(eq=False)
class Message:
    """A message with all its versions: ``history[-1]`` is the current one."""

    id: int
    channel: Channel
    author: User
    history: list[Body] = field(repr=False)
    only_for: User | None = None
    interaction: Interaction | None = field(default=None, repr=False)
    nonce: str | None = None
    deleted: bool = False

    @property
    def body(self) -> Body:
        return self.history[-1]

    @property
    def uses_v2(self) -> bool:
        return MessageFlag.COMPONENTS_V2 in self.body.flags

    @property
    def loading(self) -> bool:
        return MessageFlag.LOADING in self.body.flags


@dataclass(eq=False)
class Interaction:
    """One user action and the bot's response."""

    id: int
    token: str
    kind: Kind
    user: User
    channel: Channel
    data: Json
    file_limit: int
    message: Message | None = None
    told_message: Json | None = None
    """The message as it is sent to the bot, if that differs from the stored one."""
    answer: Answer | None = None
    late: bool = False
    """The bot did not respond within three seconds."""
    over: bool = False
    """The token's fifteen minutes are over."""
    original: Message | None = None
    followups: list[Message] = field(default_factory=list)
    choices: list[Json] | None = None
    modal: Json | None = None

    @property
    def bot_present(self) -> bool:
        """False if the bot is only available because the user installed it."""
        if self.channel.guild is not None:
            return self.channel.guild.bot_present
        return self.channel.place is Place.DM


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


class World:
    """The whole state. Only routes and people change it."""

    def __init__(self, token: str) -> None:
        self.ids = Ids()
        self.changes = Changes()
        self.token = token
        self.bot = User(self.ids.next(), "easel", "Easel", bot=True)
        self.application_id = self.bot.id
        self.users: dict[int, User] = {self.bot.id: self.bot}
        self.guilds: dict[int, Guild] = {}
        self.channels: dict[int, Channel] = {}
        self.interactions: dict[int, Interaction] = {}
        self.tokens: dict[str, Interaction] = {}
        self.commands: dict[int | None, list[Json]] = {None: []}
        self.attachments: dict[int, Attachment] = {}
        self.keep_files = True
        """False: only digests of files are kept, for long runs with many images."""
        self.nonces_from = 0
        """Nonces of messages up to this id are no longer checked for duplicates."""
        self.file_limit = DEFAULT_FILE_LIMIT
        """``attachment_size_limit`` outside of servers, in bytes."""
        self.age_of_interactions = 0.0
        """Seconds by which new interactions look older than they are, so that their tokens seem to expire earlier."""
        self.cdn = ""
        self.gateway_url = ""
        self.shards = 1
        self.tell: Callable[[str, Channel | None, Guild | None, Message | None], None] = lambda *_: None

    def say(
        self,
        event: str,
        *,
        channel: Channel | None = None,
        guild: Guild | None = None,
        message: Message | None = None,
    ) -> None:
        """Send an event to the gateway, and wake all waiters."""
        self.tell(event, channel, guild, message)
        self.changes.notify()

    def everything_said(self) -> Iterator[Message]:
        """All messages of all channels, including deleted ones, oldest first in each channel."""
        for channel in self.channels.values():
            yield from channel.messages.values()

    def dm(self, user: User) -> Channel:
        """The direct messages between the bot and ``user``; opened if necessary."""
        for channel in self.channels.values():
            if channel.place is Place.DM and user in channel.people:
                return channel
        channel = Channel(self.ids.next(), user.name, Place.DM, people=(user,))
        self.channels[channel.id] = channel
        return channel

    def new_token(self) -> str:
        return secrets.token_urlsafe(48)
