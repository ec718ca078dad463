"""The cards of /server: the rules of a server, what is missing there, and what its admins did."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import discord

from bot.domain.rule_input import contradictions
from bot.domain.rules import Rules
from bot.providers.base import Engine
from bot.text import credits_text
from bot.ui.cards.layout import Card, quiet, rule, text, within
from bot.ui.cards.usage import person
from bot.ui.cards.wording import counted, moment, safe, units
from storage.server_settings import AdminAct

_CHANNELS_SHOWN = 12
_MENTION_AT_MOST = 26
_MORE_AT_MOST = 20
_TITLES = {
    "period": "Limits renew every",
    "channels": "Channels",
    "roles": "Roles",
    "engines": "Engines",
    "engine": "Default engine",
    "size": "Default size",
    "privacy": "Private results",
    "log_channel": "Log channel",
    "refused": "Refused words",
    "restricted": "Words for age-restricted channels",
}
_UNSET = {
    "channels": "all",
    "roles": "all members",
    "engines": "all",
    "engine": "the bot's",
    "size": "the engine's own",
    "log_channel": "none",
    "refused": "none",
    "restricted": "none",
}


def rules_card(rules: Rules, missing: Iterable[str]) -> Card:
    """The rules of a server, and what is missing there."""
    lines = [f"{title}: {value_text(name, getattr(rules, name), 400)}" for name, title in _TITLES.items()]
    problems = [f"⚠ {sentence}" for sentence in missing]
    return Card(
        text("**Rules of this server**"),
        text(*within(lines, 2400)),
        rule(),
        text(*within(problems or ["Nothing is missing: I can show images wherever they are allowed."], 1200)),
    )


def value_text(name: str, value: Any, limit: int = 600) -> str:
    """A rule's value as people read it, at most ``limit`` long."""
    if value is None or value in ((), []):
        return _UNSET.get(name, "none")
    if name in {"channels", "log_channel", "roles"}:
        every = value if isinstance(value, list | tuple) else [value]
        room = limit // _MENTION_AT_MOST
        more = f" and {len(every) - room} more" if len(every) > room else ""
        return ", ".join(f"<{'@&' if name == 'roles' else '#'}{each}>" for each in every[:room]) + more
    return _listed(value, limit) if isinstance(value, list | tuple) else safe(str(value), limit)


def _listed(values: Sequence[Any], limit: int) -> str:
    """As many of the values as there is room for, whole, and how many more there are."""
    shown: list[str] = []
    room = limit - _MORE_AT_MOST
    for value in values:
        text = safe(str(value), limit - _MORE_AT_MOST)
        room -= units(text) + 2
        if room < 0 and shown:
            break
        shown.append(text)
    more = len(values) - len(shown)
    return ", ".join(shown) + (f" and {more:,} more" if more else "")


def changes_text(changes: dict[str, Any], limit: int = 600) -> list[str]:
    """What was changed, a line each."""
    return [f"{_TITLES.get(name, safe(name, 40))}: {value_text(name, value, limit)}" for name, value in changes.items()]


def log_card(acts: list[AdminAct]) -> Card:
    """What admins changed, newest first."""
    lines = [f"{moment(act.at, 'f')} {person(act.user_id)} · **/{safe(act.what, 40)}** {_details(act)}" for act in acts]
    return Card(
        text("**What admins changed here**"),
        text(*within(lines or ["Nothing yet."], 3400)),
        *([text(quiet("The newest come first. before: takes you further back."))] if acts else []),
        *([text(quiet(f"The last one here is number {acts[-1].id}."))] if acts else []),
    )


def _details(act: AdminAct) -> str:
    details = dict(act.details)
    if act.what == "server set":
        return "; ".join(changes_text(details, 150))
    subject, subject_id = details.pop("subject", ""), details.pop("id", "")
    parts = []
    if str(subject_id).isdecimal():
        parts.append(f"<@&{subject_id}>" if subject == "role" else person(int(subject_id)))
    elif subject:
        parts.append("the server as a whole" if subject == "server" else "everybody")
    parts += [_detail(name, value) for name, value in details.items() if value is not None]
    return ", ".join(parts)


def _detail(name: str, value: Any) -> str:
    match name:
        case "credits":
            return f"{credits_text(value)} a period"
        case "images":
            return f"{counted(value, 'image')} a job"
        case "jobs":
            return f"{counted(value, 'unfinished job')} at once"
        case "amount":
            return credits_text(value)
        case "period":
            return f"renewed every {safe(value, 40)}"
        case "note":
            return f"“{safe(value, 200)}”"
        case _:
            return f"{safe(name, 40)} {safe(str(value), 200)}"


def missing_in(guild: discord.Guild, rules: Rules, engines: Mapping[str, Engine]) -> Iterator[str]:
    """What would keep people from their images in this server, or the rules from working; each a sentence."""
    yield from contradictions(rules, engines)
    named = [(channel_id, guild.get_channel(channel_id)) for channel_id in rules.channels]
    for channel_id, channel in named:
        if channel is None:
            yield f"The allowed channel {channel_id} is gone, or I cannot see it."
    if rules.channels and all(channel is None for _, channel in named):
        yield "None of the allowed channels is left, so nobody can make images here."
    for role_id in rules.roles:
        if guild.get_role(role_id) is None:
            yield f"The allowed role {role_id} is gone."
    looked_at = [channel for _, channel in named if channel is not None] if rules.channels else _open_to_all(guild)
    lacking = [(place.id, lacks) for place in looked_at if (lacks := _lacking(place, guild))]
    for place_id, lacks in lacking[:_CHANNELS_SHOWN]:
        yield f"In <#{place_id}> I lack {', '.join(lacks)}."
    if len(lacking) > _CHANNELS_SHOWN:
        yield f"The same is so in {len(lacking) - _CHANNELS_SHOWN} more channels."
    if rules.restricted and not any(getattr(channel, "nsfw", False) for channel in looked_at):
        yield "No channel where images are made is age-restricted, so the words for such channels run nowhere."
    if rules.log_channel is not None:
        log_channel = guild.get_channel(rules.log_channel)
        if log_channel is None:
            yield "The log channel is gone, or I cannot see it."
        elif not log_channel.permissions_for(guild.me).send_messages:
            yield f"In the log channel <#{log_channel.id}> I lack Send Messages."


def _open_to_all(guild: discord.Guild) -> list[discord.abc.GuildChannel]:
    """Where everybody may write."""
    everybody = guild.default_role
    return [
        channel
        for channel in guild.text_channels
        if (may := channel.permissions_for(everybody)).view_channel and may.send_messages
    ]


def _lacking(channel: discord.abc.GuildChannel, guild: discord.Guild) -> list[str]:
    may = channel.permissions_for(guild.me)
    needed = {
        "View Channel": may.view_channel,
        "Send Messages": may.send_messages,
        "Attach Files": may.attach_files,
        "Read Message History": may.read_message_history,
        "Send Messages in Threads": may.send_messages_in_threads,
    }
    return [name for name, allowed in needed.items() if not allowed]
