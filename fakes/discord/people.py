"""People: what a user can do and see in their client."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from typing import Any

from fakes.discord.command_input import option_values, typed_options
from fakes.discord.components import Component, walk
from fakes.discord.constants import Json, Kind, Permission, Place
from fakes.discord.gateway import Gateway
from fakes.discord.handle import Handle, watch
from fakes.discord.model import Channel, Interaction, Message, User, World
from fakes.discord.payloads import message_json, user_json
from fakes.discord.seen import Seen, look_at


class NotOfferedError(AssertionError):
    """A real client would not have offered this to the user."""


class Person:
    """A user at their client, limited to what this user can see."""

    def __init__(self, world: World, gateway: Gateway, user: User) -> None:
        self._world = world
        self._gateway = gateway
        self.user = user

    @property
    def id(self) -> int:
        return self.user.id

    @property
    def dm(self) -> Channel:
        """The direct messages with the bot."""
        return self._world.dm(self.user)

    def sees(self, channel: Channel) -> list[Seen]:
        """All messages of a channel that this user can see, oldest first."""
        said = channel.messages.values()
        return [look_at(one) for one in said if not one.deleted and one.only_for in (None, self.user)]

    async def sees_in(self, channel: Channel, predicate: Callable[[Seen], bool]) -> Seen:
        """Wait until a message in the channel satisfies ``predicate``, and return it."""
        return await self._world.changes.until(
            lambda: next((one for one in self.sees(channel) if predicate(one)), None),
            lambda: f"a message to {self.user.name}; there are {[one.text for one in self.sees(channel)]}",
        )

    async def watches(self, seen: Seen | Message, predicate: Callable[[Seen], bool]) -> Seen:
        """Wait until this message satisfies ``predicate``."""
        message = seen.message if isinstance(seen, Seen) else seen
        return await watch(self._world, message, predicate, f"message {message.id}")

    # User actions

    async def slash(self, where: Channel, command: str, /, **options: Any) -> Handle:
        """Run a slash command; subcommands after a space ("usage report"). Returns at once."""
        data = self._command(where, command, options)
        return self._interact(Kind.COMMAND, where, data)

    async def autocomplete(self, where: Channel, command: str, option: str, typed: object, /, **others: Any) -> Handle:
        """Type ``typed`` into an option, with the other options as given."""
        data = self._command(where, command, {**others, option: typed}, focused=option)
        return self._interact(Kind.AUTOCOMPLETE, where, data)

    async def context(self, seen: Seen | Message, command: str) -> Handle:
        """Run a command from a message's context menu."""
        message = self._visible(seen)
        definition = self._offered(message.channel, command, kind=3)
        data = {
            "id": definition["id"],
            "name": command,
            "type": 3,
            "target_id": str(message.id),
            "resolved": {"messages": {str(message.id): message_json(message)}},
        }
        return self._interact(Kind.COMMAND, message.channel, data)

    async def press(self, seen: Seen | Message, label: str | None = None, *, custom_id: str | None = None) -> Handle:
        """Press a button in the current version of a message."""
        message = self._visible(seen)
        button = look_at(message).button(label, custom_id=custom_id)
        if button.disabled or button.custom_id is None:
            raise NotOfferedError(f"button {button.label!r} cannot be pressed")
        data = {"custom_id": button.custom_id, "component_type": int(Component.BUTTON)}
        return self._interact(Kind.COMPONENT, message.channel, data, message)

    async def choose(self, seen: Seen | Message, *values: str, custom_id: str | None = None) -> Handle:
        """Select values in a select menu of the message."""
        message = self._visible(seen)
        fitting = [one for one in look_at(message).choices if custom_id in (None, one["custom_id"])]
        if not fitting:
            raise NotOfferedError(f"no choice {custom_id!r} here")
        choice = fitting[0]
        offered = [option["value"] for option in choice.get("options", ())]
        if offered and not set(values) <= set(offered):
            raise NotOfferedError(f"{values} are not among {offered}")
        data: Json = {"custom_id": choice["custom_id"], "component_type": choice["type"], "values": list(values)}
        if choice["type"] == Component.USER_CHOICE:
            data["resolved"] = {"users": {one: user_json(self._world.users[int(one)]) for one in values}}
        return self._interact(Kind.COMPONENT, message.channel, data, message)

    async def submit(self, asked: Handle, **values: str) -> Handle:
        """Fill in and submit the modal that answered ``asked``; fields by label or custom_id, the others unchanged."""
        modal = await asked.modal()
        parts = [_filled(part, values) for part in modal["components"]]
        data = {"custom_id": modal["custom_id"], "components": parts}
        if values:
            raise NotOfferedError(f"the modal has no {sorted(values)}")
        before = asked.interaction
        return self._interact(Kind.MODAL, before.channel, data, before.message)

    async def forge(self, seen: Seen | Message, label: str, custom_id: str) -> Handle:
        """Press a button with a forged custom_id, which no message offers."""
        message = self._visible(seen)
        told = copy.deepcopy(message_json(message))
        true = look_at(message).button(label).custom_id
        for component in walk(told["components"]):
            if component.get("custom_id") == true:
                component["custom_id"] = custom_id
        data = {"custom_id": custom_id, "component_type": int(Component.BUTTON)}
        return self._interact(Kind.COMPONENT, message.channel, data, message, told)

    # How an action reaches the bot

    def _interact(
        self, kind: Kind, where: Channel, data: Json, message: Message | None = None, told: Json | None = None
    ) -> Handle:
        world = self._world
        if where.guild is not None:
            where.guild.member(self.user)
        limit = where.guild.file_limit if where.guild is not None else world.file_limit
        number = world.ids.next(age=world.age_of_interactions)
        interaction = Interaction(number, world.new_token(), kind, self.user, where, data, limit, message, told)
        world.interactions[number] = interaction
        world.tokens[interaction.token] = interaction
        self._gateway.interaction(interaction)
        return Handle(world, interaction)

    def _visible(self, seen: Seen | Message) -> Message:
        message = seen.message if isinstance(seen, Seen) else seen
        if message.deleted or message.only_for not in (None, self.user):
            raise NotOfferedError(f"{self.user.name} does not see that message")
        return message

    def _command(self, where: Channel, command: str, options: Json, focused: str | None = None) -> Json:
        name, *path = command.split()
        definition = self._offered(where, name, kind=1)
        world = self._world
        values, resolved = option_values(world, where, options)
        data: Json = {
            "id": definition["id"],
            "name": name,
            "type": 1,
            "options": typed_options(definition, path, values, focused),
        }
        if resolved:
            data["resolved"] = resolved
        if "guild_id" in definition:
            data["guild_id"] = definition["guild_id"]
        return data

    def _offered(self, where: Channel, name: str, kind: int) -> Json:
        """The command as the client offers it here. Raises NotOfferedError."""
        guild = where.guild
        own = self._world.commands.get(guild.id, []) if guild is not None else []
        everywhere = self._world.commands[None]
        found = next((one for one in [*own, *everywhere] if one["name"] == name and one["type"] == kind), None)
        if found is None:
            raise NotOfferedError(f"no command {name!r}, but {[one['name'] for one in [*own, *everywhere]]}")
        if reason := self._hidden(where, found):
            raise NotOfferedError(f"{name!r} is not offered to {self.user.name} here: {reason}")
        return found

    def _hidden(self, where: Channel, command: Json) -> str | None:
        context = {Place.TEXT: 0, Place.DM: 1, Place.GROUP_DM: 2}[where.place]
        if context not in (command["contexts"] or [0, 1]):
            return "it does not stand in such places"
        installs = command["integration_types"]
        by_server = where.guild.bot_present if where.guild is not None else where.place is Place.DM
        if not (by_server and 0 in installs) and not (self.user.installed_app and 1 in installs):
            return "the app is not installed"
        needed = command["default_member_permissions"]
        if where.guild is None or needed is None or command["name"] in where.guild.opened_commands:
            return None
        has = where.guild.member(self.user).all_permissions
        administrator = Permission.ADMINISTRATOR in has
        lacking = int(needed) & ~int(has) or needed == "0"
        return "they lack the permission" if lacking and not administrator else None


def _filled(part: Json, values: Json) -> Json:
    """One component of a submitted modal; removes the used values from ``values``."""
    if part["type"] == Component.TEXT:
        return {"type": part["type"], "id": part.get("id", 0), "content": part["content"]}
    label = part.get("label")
    inner: Iterable[Json] = [one for one in walk([part]) if one is not part]
    answers = [_answer(one, label or one.get("label"), values) for one in inner]
    if part["type"] == Component.LABEL:
        return {"type": part["type"], "id": part.get("id", 0), "component": answers[0]}
    return {"type": part["type"], "id": part.get("id", 0), "components": answers}


def _answer(field: Json, label: str | None, values: Json) -> Json:
    made = {"type": field["type"], "id": field.get("id", 0), "custom_id": field["custom_id"]}
    given = next((values.pop(key) for key in (label, field["custom_id"]) if key in values), None)
    if field["type"] == Component.TEXT_INPUT:
        text = field.get("value") or "" if given is None else given
        if field.get("required", True) and not text:
            raise NotOfferedError(f"{label!r} must be filled in")
        if not (field.get("min_length") or 0) <= len(text) <= (field.get("max_length") or 4000) and text:
            raise NotOfferedError(f"{label!r} does not take {len(text)} characters")
        return made | {"value": text}
    offered = [one["value"] for one in field.get("options", ()) if one.get("default")]
    chosen = offered if given is None else [given] if isinstance(given, str) else list(given)
    return made | {"values": chosen}
