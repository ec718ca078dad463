"""/server: a server's rules, set by its managers."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import discord
from discord import app_commands
from discord.app_commands import Choice, Range, locale_str
from discord.ext import commands

from bot.domain.engines import typed_shape
from bot.domain.features import NAME_AT_MOST
from bot.domain.rules import NO_RULES, PicturesAllowed, Privacy, contradictions, engine_list
from bot.domain.values import means_nothing
from bot.domain.word_filter import typed_list
from bot.errors import Problem, UserError
from bot.jobs.service import JobService
from bot.servers.access import CHANNEL_PROBLEMS, ROLE_PROBLEMS, AccessCheck
from bot.servers.settings import Servers, require_manager
from bot.text import Message, t
from bot.ui.admin import (
    CHANNEL_ELSEWHERE,
    NO_SUCH_CHANNEL,
    NO_SUCH_ROLE,
    NOT_A_MEMBER,
    NOT_HERE,
    NOTHING_TO_SET,
    SET_AND_CLEARED,
    TOO_MANY,
    announce,
    missing_in,
)
from bot.ui.autocomplete import Suggestions, calmly
from bot.ui.cards.access import access_card
from bot.ui.cards.server import TITLES, changes_text, log_card, rules_card
from bot.ui.client import Interaction
from bot.ui.interactions import (
    lacking_for_commands,
    lacking_here,
    origin_of,
    origin_of_member,
    permissions_of,
    promise,
    tell,
)

LIST_AT_MOST = 4000
CHANNELS_AT_MOST = 50
ACTS_SHOWN = 20
_NUMBER = re.compile(r"<(?:#|@&)(\d{1,20})>|(\d{15,20})")

PRIVACY = [
    Choice(name=locale_str("each member decides"), value=Privacy.FREE.value),
    Choice(name=locale_str("always private"), value=Privacy.FORCED.value),
    Choice(name=locale_str("never private"), value=Privacy.FORBIDDEN.value),
]
PICTURES = [
    Choice(name=locale_str("nobody's: images are made from words only"), value=PicturesAllowed.NOBODYS.value),
    Choice(name=locale_str("results: only images that I made"), value=PicturesAllowed.RESULTS.value),
    Choice(name=locale_str("anybody's: also pictures that members attach"), value=PicturesAllowed.ANYBODYS.value),
]
CLEAR = [
    Choice(name=locale_str("channels"), value="channels"),
    Choice(name=locale_str("roles"), value="roles"),
    Choice(name=locale_str("engines"), value="engines"),
    Choice(name=locale_str("default engine"), value="engine"),
    Choice(name=locale_str("default size"), value="size"),
    Choice(name=locale_str("private"), value="privacy"),
    Choice(name=locale_str("pictures"), value="pictures"),
    Choice(name=locale_str("log channel"), value="log_channel"),
    Choice(name=locale_str("refused words"), value="refused"),
    Choice(name=locale_str("restricted words"), value="restricted"),
]
# Lists that allow everything while they are empty.
_ALL = {"channels", "roles", "engines"}


@app_commands.guild_only()
@app_commands.allowed_contexts(guilds=True, dms=False, private_channels=False)
@app_commands.allowed_installs(guilds=True, users=False)
@app_commands.default_permissions(manage_guild=True)
class Server(
    commands.GroupCog, group_name="server", group_description=locale_str("Rules of this server (Manage Server)")
):
    """Rules. ``Servers`` checks who may set them, because server admins can show the commands to everybody."""

    def __init__(self, servers: Servers, service: JobService, suggestions: Suggestions, access: AccessCheck) -> None:
        self._access = access
        self._servers = servers
        self._service = service
        self._suggestions = suggestions

    @app_commands.command(name="set", description=locale_str("Change this server's rules and defaults"))
    @app_commands.choices(private=PRIVACY, pictures=PICTURES, clear=CLEAR)
    @app_commands.describe(
        channels=locale_str("Channels where images can be made, such as #pictures #art; all: everywhere"),
        roles=locale_str("Roles that can make images, such as @artists @members; all: everyone"),
        engines=locale_str("Allowed engines, as ids separated by spaces; all: every engine"),
        default_engine=locale_str("The default engine"),
        default_size=locale_str("The default size or ratio"),
        private=locale_str("Whether results are private"),
        pictures=locale_str("Whose pictures images can be made from"),
        log_channel=locale_str("A channel where changes by admins are posted"),
        refused_words=locale_str("Words not allowed in prompts, with commas; * matches any letters; none: clear"),
        restricted_words=locale_str("Words allowed only in age-restricted channels, in the same form"),
        clear=locale_str("A rule to reset"),
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
        pictures: str | None = None,
        log_channel: discord.TextChannel | None = None,
        refused_words: Range[str, 1, LIST_AT_MOST] | None = None,
        restricted_words: Range[str, 1, LIST_AT_MOST] | None = None,
        clear: str | None = None,
    ) -> None:
        origin = origin_of(interaction)
        server_id = require_manager(origin)
        guild = _guild(interaction)
        known = self._service.available_engines
        wanted: list[tuple[str, Any, Callable[[Any], Any]]] = [
            (
                "channels",
                channels,
                lambda typed: _channels(typed, guild),
            ),
            ("roles", roles, lambda typed: _roles(typed, guild)),
            ("engines", engines, lambda typed: engine_list(typed, known)),
            ("engine", default_engine, lambda typed: (engine_list(typed, known) or (None,))[0]),
            ("size", default_size, lambda typed: typed_shape(typed, known)),
            ("privacy", private, Privacy),
            ("pictures", pictures, PicturesAllowed),
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
            if clear in changes:
                problems.append(SET_AND_CLEARED(rule=TITLES[clear]))
            changes.setdefault(clear, getattr(NO_RULES, clear))
        if not changes and not problems:
            raise UserError(NOTHING_TO_SET)
        before = self._servers.rules(server_id)
        already = contradictions(before, known)
        problems += [each for each in contradictions(replace(before, **changes), known) if each not in already]
        if problems:
            raise UserError(*problems)
        await promise(interaction)
        await self._servers.set_rules(origin, changes)
        await announce(interaction, *changes_text(changes), log_channel=self._servers.rules(server_id).log_channel)

    @app_commands.command(description=locale_str("Show this server's rules and any permission problems"))
    async def show(self, interaction: Interaction) -> None:
        server_id = require_manager(origin_of(interaction))
        rules, engines = self._servers.rules(server_id), self._service.available_engines
        await tell(interaction, rules_card(rules, missing_in(_guild(interaction), rules, engines)))

    @app_commands.command(name="test", description=locale_str("What a member can do in this channel, and why not"))
    @app_commands.describe(member=locale_str("The member"))
    async def try_member(self, interaction: Interaction, member: discord.Member | discord.User) -> None:
        origin = origin_of(interaction)
        server_id = require_manager(origin)
        if not isinstance(member, discord.Member):
            raise UserError(NOT_HERE)
        await promise(interaction)
        theirs = origin_of_member(origin, member, interaction.channel)
        access, rules = await self._access.of(theirs), self._servers.rules(server_id)
        problems = {problem.code for problem in access.place}
        card = access_card(
            member.id,
            origin.channel_id,
            access,
            await self._servers.member_limits(origin, member.id, theirs.role_ids),
            rules,
            in_channel=not problems & CHANNEL_PROBLEMS,
            has_role=not problems & ROLE_PROBLEMS,
            engines=len(self._service.engines),
            default=self._service.require_engine(access.default).name,
            lacks=lacking_for_commands(permissions_of(member, interaction.channel)),
            bot_lacks=lacking_here(interaction),
        )
        await tell(interaction, card)

    @app_commands.command(description=locale_str("Show every change by an admin"))
    @app_commands.describe(before=locale_str("Only changes before this number"))
    async def log(self, interaction: Interaction, before: Range[int, 1, 2**53 - 1] | None = None) -> None:
        origin = origin_of(interaction)
        require_manager(origin)
        await promise(interaction)
        acts = await self._servers.acts(origin, before=before, limit=ACTS_SHOWN + 1)
        await tell(interaction, log_card(acts[:ACTS_SHOWN], more=len(acts) > ACTS_SHOWN))

    @change.autocomplete("engines")
    @calmly
    async def engines_known(self, interaction: Interaction, current: str) -> list[Choice[str]]:
        named = current.replace(",", " ").split()
        last = named.pop() if named and current[-1] not in ", " else ""
        offered = self._suggestions.engines(last)
        every = [(" ".join([*named, choice.value]), choice.name) for choice in offered if choice.value not in named]
        return [
            Choice(
                name=(str(t("{name} and {count} more", name=name, count=len(named))) if named else name)[:NAME_AT_MOST],
                value=value,
            )
            for value, name in every
            if len(value) <= NAME_AT_MOST
        ]

    @change.autocomplete("default_engine")
    @calmly
    async def engines_for_default(self, interaction: Interaction, current: str) -> list[Choice[str]]:
        return self._suggestions.engines(current)

    @change.autocomplete("default_size")
    @calmly
    async def sizes(self, interaction: Interaction, current: str) -> list[Choice[str]]:
        return self._suggestions.sizes(interaction, current)


def _guild(interaction: Interaction) -> discord.Guild:
    if interaction.guild is None or interaction.guild.me is None:
        raise UserError(NOT_A_MEMBER)
    return interaction.guild


def _channels(typed: str, guild: discord.Guild) -> tuple[int, ...]:
    return _picked(typed, guild.channels, guild.get_channel, "#", NO_SUCH_CHANNEL)


def _roles(typed: str, guild: discord.Guild) -> tuple[int, ...]:
    return _picked(typed, guild.roles, guild.get_role, "@", NO_SUCH_ROLE)


def _picked(
    typed: str, every: Iterable[Any], get: Callable[[int], Any], sign: str, problem: Message
) -> tuple[int, ...]:
    """The ids of typed mentions, numbers or names. Raises UserError if one of them is not in this server."""
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
        raise UserError(problem(names=", ".join(unknown)[:200]))
    if len(found) > CHANNELS_AT_MOST:
        raise UserError(TOO_MANY(most=CHANNELS_AT_MOST))
    return tuple(found)


def _own(channel: discord.TextChannel, server_id: int) -> int:
    if channel.guild.id != server_id:
        raise UserError(CHANNEL_ELSEWHERE)
    return channel.id
