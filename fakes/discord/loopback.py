"""The loopback Discord: a Discord server in this process. The real bot talks to it over HTTP and a websocket.

How to use it:

    async with Discord() as discord:
        channel = discord.guild("Studio").channel("pictures")
        async with BotProcess(discord, folder, services.url) as bot:   # or tests/wire/house.py, in this process
            await bot.ready()
            ada = discord.user("ada")
            handle = await ada.slash(channel, "imagine", prompt="a fox")    # a person runs a command
            card = await handle.until(lambda seen: seen.pictures)           # and waits for what they see
            await ada.press(card, "Details")
    assert discord.violations == []

* **People** (``discord.user(name)``) run commands, press buttons and fill in forms; a ``Handle`` is the response to
  one such action, and ``Seen`` is a message as a user sees it.
* **Faults** are one line each: ``hold``, ``fail``, ``limit``, ``cut`` and ``at`` (run something at a request).
* **Checks**: every request is checked against the limits in Discord's documentation (``limits.py``,
  ``command_limits.py``) and, if a ``schema`` is given, against Discord's OpenAPI file. A request that Discord would
  refuse is refused and listed in ``violations``.
* **Waiting**: ``discord.until(condition, "what for")`` checks again after each change and never polls.

``python -m fakes.discord`` runs it on its own.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from typing import Any, Self

from fakes.discord.constants import NO_PERMISSION, Permission, Place
from fakes.discord.faults import Fault, Faults, Gate
from fakes.discord.gateway import Gateway
from fakes.discord.messages import delete
from fakes.discord.model import Channel, Guild, Message, User, World
from fakes.discord.people import Person
from fakes.discord.requests import Call
from fakes.discord.schema import Schema
from fakes.discord.seen import Seen
from fakes.discord.server import BASE, Server, Violation


class Discord:
    """A Discord on 127.0.0.1 with one bot account. It checks requests against ``schema`` if there is one."""

    def __init__(self, token: str | None = None, *, schema: Schema | None = None) -> None:
        self.world = World(token or f"loopback.{secrets.token_urlsafe(24)}")
        self.gateway = Gateway(self.world)
        self.faults = Faults(self.world.changes)
        self.server = Server(self.world, self.gateway, self.faults, schema)
        self.world.tell = self.gateway.tell
        self._people: dict[str, Person] = {}

    async def start(self, port: int = 0) -> Self:
        await self.server.start(port)
        return self

    async def stop(self) -> None:
        await self.server.stop()

    async def __aenter__(self) -> Self:
        return await self.start()

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    @property
    def url(self) -> str:
        """The value for DISCORD_API_URL."""
        return self.server.origin + BASE

    @property
    def token(self) -> str:
        """The value for DISCORD_TOKEN."""
        return self.world.token

    @property
    def violations(self) -> list[Violation]:
        """Every request by the bot that Discord would have refused."""
        return self.server.violations

    @property
    def calls(self) -> list[Call]:
        """All requests so far, including those that a fault ended."""
        return self.server.calls

    def called(self, method: str, ending: str = "") -> list[Call]:
        """The requests so far with this method whose route ends like this: ``called("PUT", "/commands")``."""
        return [one for one in self.calls if one.method == method and (one.template or one.path).endswith(ending)]

    async def until(self, look: Callable[[], Any], what: str) -> Any:
        """Wait until ``look`` returns something true, and return it."""
        return await self.world.changes.until(look, what)

    # Users and places

    def user(self, name: str, *, installed_app: bool = False) -> Person:
        """The user with this name; created if missing."""
        if name not in self._people:
            user = User(self.world.ids.next(), name, name.capitalize(), installed_app=installed_app)
            self.world.users[user.id] = user
            self._people[name] = Person(self.world, self.gateway, user)
        return self._people[name]

    def guild(self, name: str, *, bot_present: bool = True) -> Guild:
        """The server with this name; created if missing."""
        for guild in self.world.guilds.values():
            if guild.name == name:
                return guild
        guild = Guild(self.world.ids.next(), name, self.world, bot_present=bot_present)
        self.world.guilds[guild.id] = guild
        if bot_present:
            self.world.say("GUILD_CREATE", guild=guild)
        return guild

    def invite(self, guild: Guild) -> None:
        """Add the bot to a server where it is not present."""
        guild.bot_present, guild.joined_at = True, int(time.time() * 1000)
        self.world.say("GUILD_CREATE", guild=guild)

    def group(self, *people: Person) -> Channel:
        """A group DM without the bot, where only user-installed apps work."""
        channel = Channel(
            self.world.ids.next(),
            "group",
            Place.GROUP_DM,
            people=tuple(person.user for person in people),
            bot_permissions=NO_PERMISSION,
        )
        self.world.channels[channel.id] = channel
        return channel

    # Changes to messages and places

    def delete(self, what: Seen | Message | Channel) -> None:
        """Delete a message or a channel, as a user does."""
        if isinstance(what, Channel):
            what.deleted = True
            self.world.say("CHANNEL_DELETE", channel=what)
        else:
            delete(self.world, what.message if isinstance(what, Seen) else what)

    def remove_bot(self, guild: Guild) -> None:
        """Remove the bot from a server."""
        guild.bot_present = False
        self.world.say("GUILD_DELETE", guild=guild)

    def forbid(self, channel: Channel, permissions: Permission) -> None:
        """Revoke the bot's permissions in a channel."""
        channel.bot_permissions &= ~permissions

    def forget_nonces(self) -> None:
        """Forget all nonces, as after the minutes in which a nonce prevents a duplicate message."""
        self.world.nonces_from = self.world.ids.next()

    def expire_tokens(self) -> None:
        """Expire the tokens of all interactions so far."""
        for interaction in self.world.interactions.values():
            interaction.over = True

    # Faults. The keywords when, times and match are those of Faults.place.

    def hold(self, method: str, pattern: str, **place: Any) -> Gate:
        """Hold a request until the test releases it: ``gate = discord.hold("PATCH", "/webhooks/*", when="after")``."""
        return self.faults.hold(method, pattern, **place)

    def fail(self, method: str, pattern: str, *, status: int, **more: Any) -> Fault:
        """Respond to a request with an error. With ``when="after"`` the request is carried out anyway."""
        return self.faults.fail(method, pattern, status=status, **more)

    def limit(self, method: str, pattern: str, **more: Any) -> Fault:
        """Respond to a request with 429 (``retry_after``, ``scope``, ``via``)."""
        return self.faults.limit(method, pattern, **more)

    def cut(self, method: str, pattern: str, **place: Any) -> Fault:
        """Reset the connection of a request."""
        return self.faults.cut(method, pattern, **place)

    def at(self, method: str, pattern: str, action: Callable[[], Any], **place: Any) -> Fault:
        """Run an action at a request: ``discord.at("PATCH", "/webhooks/*", bot.kill, when="after")``."""
        return self.faults.at_request(method, pattern, action, **place)
