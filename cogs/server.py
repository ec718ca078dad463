"""/server: the rules of a server, set by those who manage it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, Literal, TypeAlias

import discord
from discord import app_commands
from discord.app_commands import Choice, Range
from discord.ext import commands

from bot.domain.options import NAME_AT_MOST, means_nothing
from bot.domain.rule_input import contradictions, engine_list, shape
from bot.domain.rules import NO_RULES, Privacy
from bot.domain.word_filter import typed_list
from bot.errors import Problem, UserError
from bot.servers.settings import require_manager
from bot.ui.autocomplete import calmly, engine_choices, size_choices
from bot.ui.cards.admin_log import announce
from bot.ui.cards.server import changes_text, log_card, missing_in, rules_card
from bot.ui.client import Easel
from bot.ui.first_answer import promise
from bot.ui.interactions import origin_of
from bot.ui.replies import tell

Interaction: TypeAlias = discord.Interaction[Easel]

LIST_AT_MOST = 4000
CHANNELS_AT_MOST = 50
ACTS_SHOWN = 20
_NUMBER = re.compile(r"<(?:#|@&)(\d{1,20})>|(\d{15,20})")

PRIVACY = [
    Choice(name="as people like", value=Privacy.FREE.value),
    Choice(name="always private", value=Privacy.FORCED.value),
    Choice(name="never private", value=Privacy.FORBIDDEN.value),
]
Cleared = Literal[
    "channels",
    "roles",
    "engines",
    "default engine",
    "default size",
    "private",
    "log channel",
    "refused words",
    "restricted words",
]
# Where nothing is named, all are allowed.
_ALL = {"channels", "roles", "engines"}
_CLEARED = {
    "default engine": "engine",
    "default size": "size",
    "private": "privacy",
    "log channel": "log_channel",
    "refused words": "refused",
    "restricted words": "restricted",
}


@app_commands.guild_only()
@app_commands.allowed_contexts(guilds=True, dms=False, private_channels=False)
@app_commands.allowed_installs(guilds=True, users=False)
@app_commands.default_permissions(manage_guild=True)
class Server(commands.GroupCog, group_name="server", group_description="Rules of this server (Manage Server)"):
    """Rules. Who may set them is checked in ``servers``: a server's owner can show the commands to anybody."""

    def __init__(self, client: Easel) -> None:
        self.client = client

    @app_commands.command(name="set", description="Set what is allowed here, and what is used where nothing is said")
    @app_commands.choices(private=PRIVACY)
    @app_commands.describe(
        channels="Where images are made, such as #pictures #art; threads in them count too; all: everywhere",
        roles="Who makes images, such as @artists @members; all: everybody",
        engines="Which engines, as their ids with spaces between them; all: each",
        default_engine="The engine where none is named",
        default_size="The size or the shape where none is named",
        private="Whether results are private",
        log_channel="Where changes by admins are posted",
        refused_words="Words that no prompt may hold, commas between them; a star is any letters; none: clear the list",
        restricted_words="Words that run in age-restricted channels alone, in the same way",
        clear="Something to set back to where it was before anybody set it",
    )
    async def change(
        self,
        interaction: Interaction,
        channels: Range[str, 1, LIST_AT_MOST] | None = None,
        roles: Range[str, 1, LIST_AT_MOST] | None = None,
        engines: Range[str, 1, LIST_AT_MOST] | None = None,
        default_engine: Range[str, 1, 100] | None = None,
        default_size: Range[str, 1, 20] | None = None,
        private: str | None = None,
        log_channel: discord.TextChannel | None = None,
        refused_words: Range[str, 1, LIST_AT_MOST] | None = None,
        restricted_words: Range[str, 1, LIST_AT_MOST] | None = None,
        clear: Cleared | None = None,
    ) -> None:
        origin = origin_of(interaction)
        server_id = require_manager(origin)
        guild = _guild(interaction)
        known = self.client.actions.engines
        wanted: list[tuple[str, Any, Callable[[Any], Any]]] = [
            ("channels", channels, lambda typed: _picked(typed, guild.channels, guild.get_channel, "#", "channel")),
            ("roles", roles, lambda typed: _picked(typed, guild.roles, guild.get_role, "@", "role")),
            ("engines", engines, lambda typed: engine_list(typed, known)),
            ("engine", default_engine, lambda typed: (engine_list(typed, known) or (None,))[0]),
            ("size", default_size, lambda typed: shape(typed, known)),
            ("privacy", private, Privacy),
            ("log_channel", log_channel, lambda channel: _own(channel, server_id)),
            ("refused", refused_words, typed_list),
            ("restricted", restricted_words, typed_list),
        ]
        changes, problems = dict[str, Any](), list[Problem]()
        for name, typed, check in wanted:
            if typed is None:
                continue
            if isinstance(typed, str) and (means_nothing(typed) or (name in _ALL and typed.strip().lower() == "all")):
                changes[name] = getattr(NO_RULES, name)
                continue
            try:
                changes[name] = check(typed)
            except UserError as error:
                problems += error.problems
        if clear is not None:
            name = _CLEARED.get(clear, clear)
            if name in changes:
                problems.append(f"“{clear}” cannot be set and cleared at once.")
            changes.setdefault(name, getattr(NO_RULES, name))
        if not changes and not problems:
            raise UserError("Say what to set. /server show tells what is set now.")
        before = self.client.servers.rules(server_id)
        already = contradictions(before, known)
        problems += [each for each in contradictions(replace(before, **changes), known) if each not in already]
        if problems:
            raise UserError(*problems)
        await promise(interaction)
        await self.client.servers.set_rules(origin, changes)
        await announce(interaction, *changes_text(changes))

    @app_commands.command(description="The rules of this server, and what is missing here")
    async def show(self, interaction: Interaction) -> None:
        server_id = require_manager(origin_of(interaction))
        rules = self.client.servers.rules(server_id)
        await tell(interaction, rules_card(rules, missing_in(_guild(interaction), rules, self.client)))

    @app_commands.command(description="Every change by an admin: who, what and when")
    @app_commands.describe(before="Only changes before the one of this number, to look further back")
    async def log(self, interaction: Interaction, before: Range[int, 1, 2**53 - 1] | None = None) -> None:
        origin = origin_of(interaction)
        require_manager(origin)
        await promise(interaction)
        acts = await self.client.servers.acts(origin, before=before, limit=ACTS_SHOWN)
        await tell(interaction, log_card(acts))

    @change.autocomplete("engines")
    @calmly
    async def engines_known(self, interaction: Interaction, current: str) -> list[Choice[str]]:
        named = current.replace(",", " ").split()
        last = named.pop() if named and current[-1] not in ", " else ""
        offered = engine_choices(self.client.actions, last)
        every = [(" ".join([*named, choice.value]), choice.name) for choice in offered if choice.value not in named]
        return [
            Choice(name=(f"{len(named)} more and {name}" if named else name)[:NAME_AT_MOST], value=value)
            for value, name in every
            if len(value) <= NAME_AT_MOST
        ]

    @change.autocomplete("default_engine")
    @calmly
    async def engines_for_default(self, interaction: Interaction, current: str) -> list[Choice[str]]:
        return engine_choices(self.client.actions, current)

    @change.autocomplete("default_size")
    @calmly
    async def sizes(self, interaction: Interaction, current: str) -> list[Choice[str]]:
        return size_choices(interaction, current)


def _guild(interaction: Interaction) -> discord.Guild:
    if interaction.guild is None or interaction.guild.me is None:
        raise UserError("I am not a member of this server. Add me to it, not only to your account.")
    return interaction.guild


def _picked(
    typed: str, every: Iterable[Any], get: Callable[[int], Any], sign: str, what: Literal["channel", "role"]
) -> tuple[int, ...]:
    """The ids of what was typed as mentions, numbers or names. Raises UserError for what is not in this server."""
    by_name = {f"{sign}{each.name.lstrip(sign)}".lower(): each.id for each in every}
    found, unknown = dict[int, None](), list[str]()
    for word in typed.replace(",", " ").split():
        match = _NUMBER.fullmatch(word)
        number = int(match[1] or match[2]) if match else by_name.get(f"{sign}{word.lstrip(sign)}".lower())
        if number is None or get(number) is None:
            unknown.append(word)
        else:
            found[number] = None
    if unknown:
        raise UserError(f"This server has no such {what}: {', '.join(unknown)[:200]}.")
    if len(found) > CHANNELS_AT_MOST:
        raise UserError(f"These are more than {CHANNELS_AT_MOST}.")
    return tuple(found)


def _own(channel: discord.TextChannel, server_id: int) -> int:
    if channel.guild.id != server_id:
        raise UserError("That channel is none of this server's.")
    return channel.id


async def setup(client: Easel) -> None:
    await client.add_cog(Server(client))
