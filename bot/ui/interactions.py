"""Handling of one interaction: its person and place, the first answer, and the message if it fails.

Discord waits three seconds for the first answer to a command or a button, so the first answer never depends on slow
work. Most answers are deferred at once and filled in later. A form cannot be deferred: the data for it is looked up
first, with a short time-out.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import replace
from typing import Any, TypeVar

import aiohttp
import discord
import structlog
from discord import app_commands

from bot.clock import Clock
from bot.domain.place import TOKEN_LIFE, CardAddress, Origin
from bot.domain.rules import Place
from bot.errors import STORAGE_FAILS, NotMade, Problem, UserError
from bot.jobs.new_jobs import TooManyJobs
from bot.jobs.sources import PictureNotYours
from bot.logs import bound
from bot.text import Message, Text, message, read_in
from bot.ui.cards.layout import WARM, Card, Words, notice, refusal
from bot.ui.cards.refusal import not_made_card, not_yours_card, too_many_jobs_card
from bot.ui.client import Interaction
from storage.errors import StorageError

T = TypeVar("T")

log = structlog.get_logger(__name__)

LOOKUP_TIMEOUT = 1.5
"""The time-out in seconds for a lookup before the first answer."""

UNKNOWN_INTERACTION = 10062

# It is too late to answer, the interaction was answered before (perhaps by an earlier attempt of the same request), the
# thread was archived, or the token has expired. These are not bugs, and there is no way to tell the person.
_ANSWER_NOT_TAKEN = frozenset({UNKNOWN_INTERACTION, 40060, 50083, 10015, 50027})
_NOBODY_THERE = _ANSWER_NOT_TAKEN | {10008}

TOO_SLOW = message(
    "interactions.too_slow",
    "I was too slow to look this up, so I didn't start anything and you were not charged. Try again.",
)
NOT_STARTED = message("interactions.not_started", "This was not started.")
NO_CARD = message("interactions.no_card", "This button no longer works. Run the command again.")
NO_CHANNEL = message(
    "interactions.no_channel", "I can't see which channel this is. Run the command in an ordinary channel."
)
MISSING_PERMISSIONS = message(
    "interactions.missing_permissions",
    "I can't show images in this channel because I don't have these permissions here: {permissions}. Ask somebody who "
    "manages the channel to add them, or use private:True: I need no permissions for images that only you see.",
)
# As Discord calls them.
PERMISSION_NAMES: Mapping[str, Message] = {
    "view_channel": message("permission.view_channel", "View Channel"),
    "send_messages": message("permission.send_messages", "Send Messages"),
    "attach_files": message("permission.attach_files", "Attach Files"),
    "read_message_history": message("permission.read_history", "Read Message History"),
    "send_messages_in_threads": message("permission.send_in_threads", "Send Messages in Threads"),
}
COMMAND_PERMISSION_NAMES: Mapping[str, Message] = {
    "view_channel": PERMISSION_NAMES["view_channel"],
    "use_application_commands": message("permission.use_commands", "Use Application Commands"),
}
"""The permissions that a member needs for commands."""
COMMAND_CHANGED = message(
    "interactions.command_changed", "This can't be used here, or the command has changed. Run the command again."
)
APOLOGY = message("interactions.apology", "Sorry, something went wrong on our side.")
APOLOGY_FOR_JOB = message(
    "interactions.apology_for_job", "Sorry, something went wrong on our side with job {job:plain}."
)
REPORT = message(
    "interactions.report", "Error code {number}: please pass it to the bot's operator if this keeps happening."
)

_UNKNOWN = Place(lambda _: None, lambda _: True, lambda _: True)


class RefusedWithCard(NotMade):
    """A refusal to make images, with a card that offers what could be made instead."""

    def __init__(self, error: UserError, card: discord.ui.LayoutView) -> None:
        super().__init__(*error.problems)
        self.card = card


def card_of(error: UserError) -> discord.ui.LayoutView:
    """The card that shows the error."""
    if isinstance(error, RefusedWithCard):
        return error.card
    if isinstance(error, TooManyJobs):
        return too_many_jobs_card(error)
    if isinstance(error, PictureNotYours):
        return not_yours_card(error)
    return not_made_card(error.problems) if isinstance(error, NotMade) else refusal(error.problems)


# --- person and place ---------------------------------------------------------------------------------------------


def origin_of(interaction: Interaction) -> Origin:
    """The person and the place of this interaction, according to Discord. Computed once for each interaction."""
    found = interaction.extras.get("origin")
    if isinstance(found, Origin):
        return found
    user, guild_id, channel = interaction.user, interaction.guild_id, interaction.channel
    permissions = interaction.permissions
    in_server = guild_id is not None
    origin = Origin(
        user_id=user.id,
        user_name=user.display_name,
        server_id=guild_id,
        channel_id=_channel_id(interaction),
        file_limit=interaction.filesize_limit,
        role_ids=role_ids(user),
        manage_messages=in_server and permissions.manage_messages,
        manage_server=in_server and permissions.manage_guild,
        age_restricted=_age_restricted(interaction),
        bot_present=_bot_present(interaction),
        parent_channel_id=channel.parent_id if isinstance(channel, discord.Thread) else None,
    )
    interaction.extras["origin"] = origin
    return origin


def permissions_of(member: discord.Member, channel: object) -> discord.Permissions:
    """The member's permissions in the channel: as Discord sent them, or else by the cached roles."""
    if member.resolved_permissions is not None:
        return member.resolved_permissions
    if isinstance(channel, discord.abc.GuildChannel | discord.Thread):
        return channel.permissions_for(member)
    return discord.Permissions.none()


def origin_of_member(origin: Origin, member: discord.Member, channel: object) -> Origin:
    """Another member in the same place, with their roles and permissions."""
    may = permissions_of(member, channel)
    return replace(
        origin,
        user_id=member.id,
        user_name=member.display_name,
        role_ids=role_ids(member),
        manage_messages=may.manage_messages,
        manage_server=may.manage_guild,
    )


def role_ids(user: discord.Member | discord.User) -> frozenset[int]:
    """The ids of a person's roles as Discord sent them in this interaction, including @everyone.

    ``Member.roles`` has only cached roles, and none while the server is not cached. Limits and rules for roles would
    then be ignored.
    """
    if not isinstance(user, discord.Member):
        return frozenset()
    return frozenset({user.guild.id, *user._roles})  # noqa: SLF001 - the library shows the ids in no other way


def pressed_card(interaction: Interaction, clock: Clock) -> CardAddress:
    """The address of the pressed button's card, with this interaction's token. Raises UserError without a card."""
    if interaction.message is None:
        raise UserError(NO_CARD)
    return card_address(interaction, clock, interaction.message.channel.id, interaction.message.id)


def card_address(interaction: Interaction, clock: Clock, channel_id: int, message_id: int | None) -> CardAddress:
    """The address of a message that this interaction's token can edit until it expires."""
    return CardAddress(
        channel_id=channel_id,
        message_id=message_id,
        token=interaction.token,
        token_expires_at=clock.now() + TOKEN_LIFE,
    )


def missing_permissions(interaction: Interaction, *, private: bool) -> list[Problem]:
    """The reasons why the bot may not show images here; empty if it may.

    A private answer needs no permissions. Neither do direct messages and places where only the user has installed the
    bot.
    """
    origin = origin_of(interaction)
    if private or origin.server_id is None or not origin.bot_present:
        return []
    missing = lacking_here(interaction)
    return [MISSING_PERMISSIONS(permissions=missing)] if missing else []


def lacking_here(interaction: Interaction) -> list[Message]:
    """The names of the permissions that the bot needs to show images here and does not have."""
    send = "send_messages_in_threads" if isinstance(interaction.channel, discord.Thread) else "send_messages"
    return lacking(interaction.app_permissions, "view_channel", "attach_files", send)


def lacking(permissions: discord.Permissions, *needed: str) -> list[Message]:
    """The names of the needed permissions that are not among these."""
    return [PERMISSION_NAMES[name] for name in needed if not getattr(permissions, name)]


def lacking_for_commands(permissions: discord.Permissions) -> list[Message]:
    """The names of the permissions that a member needs for commands and does not have."""
    return [words for name, words in COMMAND_PERMISSION_NAMES.items() if not getattr(permissions, name)]


def _channel_id(interaction: Interaction) -> int:
    if interaction.channel_id is None:
        raise UserError(NO_CHANNEL)
    return interaction.channel_id


def _age_restricted(interaction: Interaction) -> bool:
    """Whether the channel is age-restricted; a thread is if its channel is."""
    channel = interaction.channel
    if isinstance(channel, discord.Thread):
        channel = channel.parent
    return bool(getattr(channel, "nsfw", False))


def _bot_present(interaction: Interaction) -> bool:
    """Whether the bot is a member here. If so, it can edit and post without an interaction's token."""
    if interaction.guild_id is None:
        return bool(interaction.context.dm_channel)
    return interaction.is_guild_integration() or interaction.client.get_guild(interaction.guild_id) is not None


def place_of(client: discord.Client, origin: Origin) -> Place:
    """The person's server without the channels that are hidden from them. Reads only the cache.

    If the server is not cached, everything is assumed to exist.
    """
    guild = client.get_guild(origin.server_id) if origin.server_id is not None else None
    if guild is None or guild.unavailable:
        return _UNKNOWN

    def name(channel_id: int) -> str | None:
        channel = guild.get_channel(channel_id)
        return f"#{channel.name}" if channel is not None and _may_see(origin, channel) else None

    return Place(
        name,
        has_channel=lambda channel_id: guild.get_channel_or_thread(channel_id) is not None,
        has_role=lambda role_id: guild.get_role(role_id) is not None,
    )


def _may_see(origin: Origin, channel: discord.abc.GuildChannel) -> bool:
    """Whether the person may see the channel, given the roles from their interaction."""
    guild = channel.guild
    if origin.user_id == guild.owner_id:
        return True
    known = {guild.default_role, *(role for id_ in origin.role_ids if (role := guild.get_role(id_)) is not None)}
    if any(role.permissions.administrator for role in known):
        return True
    seen = any(role.permissions.view_channel for role in known)
    # Overwrites for everybody apply first, then those for roles, then those for the person.
    everybody = channel.overwrites_for(guild.default_role).view_channel
    of_roles = {channel.overwrites_for(role).view_channel for role in known if role != guild.default_role}
    by_roles = True if True in of_roles else False if False in of_roles else None
    themselves = channel.overwrites_for(discord.Object(origin.user_id)).view_channel
    for overwrite in (everybody, by_roles, themselves):
        seen = seen if overwrite is None else overwrite
    return seen


# --- the first answer ---------------------------------------------------------------------------------------------


async def promise(interaction: Interaction) -> None:
    """Defer a private answer, unless there was an answer already. The next ``tell`` replaces it."""
    if not interaction.response.is_done():
        await interaction.response.defer(ephemeral=True, thinking=True)


async def looked_up(interaction: Interaction, work: Coroutine[Any, Any, T]) -> T:
    """Return the result of ``work``. If it is too slow for the first answer, defer a private answer meanwhile."""
    task = asyncio.ensure_future(work)
    try:
        await asyncio.wait({task}, timeout=LOOKUP_TIMEOUT)
        if not task.done():
            await promise(interaction)
        return await task
    finally:
        task.cancel()


async def tell(interaction: Interaction, card: discord.ui.LayoutView) -> None:
    """Show the card privately to the person of the interaction."""
    if interaction.response.is_done():
        await interaction.followup.send(view=card, ephemeral=True)
    else:
        await interaction.response.send_message(view=card, ephemeral=True)


async def take_back(interaction: Interaction, error: UserError, *, private: bool, said: Words = NOT_STARTED) -> None:
    """Replace a deferred answer by a private refusal.

    A public answer shows ``said`` for a moment. If the private refusal fails, the public answer shows the refusal.
    """
    if private:
        await interaction.edit_original_response(view=card_of(error))
        return
    # A follow-up to a deferred answer replaces it and is public like it. If the deferred answer is deleted, Discord
    # accepts no follow-up at all. So fill in the answer, send the refusal as a follow-up, and then delete the answer.
    await interaction.edit_original_response(view=notice(said))
    try:
        await interaction.followup.send(view=card_of(error), ephemeral=True)
    except discord.HTTPException as failure:
        log.warning("refusal.shown_to_all", status=failure.status, code=failure.code)
        await interaction.edit_original_response(view=refusal(error.problems))
    else:
        await interaction.delete_original_response()


# --- errors -------------------------------------------------------------------------------------------------------


async def handle(
    interaction: Interaction,
    work: Callable[[Interaction], Awaitable[None]],
    *,
    doing: str,
    job_id: int | None = None,
) -> None:
    """Run the action of a button or a form in the person's language; report and log errors.

    All callbacks of components and forms call this function, as all commands go through the tree. ``doing`` names the
    action in the log.
    """
    with bound(job=job_id):
        try:
            read_in(interaction.locale.value)
            interaction.client.check_place(interaction)
            await work(interaction)
        except Exception as error:  # noqa: BLE001 - told and logged by explain; the library would only log it
            await explain(interaction, error, doing=doing, job_id=job_id)


async def explain(interaction: Interaction, error: BaseException, *, doing: str, job_id: int | None = None) -> None:
    """Report an error: a UserError with its own texts, any other error with an apology and a number from the log.

    ``doing`` names the action in the log. Does not raise: if the report fails too, the failure is only logged.
    """
    cause = error.original if isinstance(error, app_commands.CommandInvokeError) else error
    if isinstance(cause, discord.HTTPException) and cause.code in _ANSWER_NOT_TAKEN:
        log.warning("interaction.answer_not_taken", doing=doing, job=job_id, status=cause.status, code=cause.code)
        return
    card: discord.ui.LayoutView
    if isinstance(cause, UserError):
        card = card_of(cause)
    elif isinstance(cause, StorageError):
        log.error("interaction.storage_failed", doing=doing, job=job_id, reason=str(cause))
        card = notice(STORAGE_FAILS, accent=WARM)
    elif isinstance(cause, app_commands.CheckFailure | app_commands.CommandNotFound | app_commands.TransformerError):
        log.warning("interaction.refused", doing=doing, kind=type(cause).__name__)
        card = notice(COMMAND_CHANGED, accent=WARM)
    else:
        number = secrets.token_hex(4)
        log.error("interaction.failed", doing=doing, job=job_id, error_id=number, exc_info=cause)
        card = apology(number, job_id)
    try:
        await tell(interaction, card)
    except discord.HTTPException as failure:
        if failure.code not in _NOBODY_THERE:
            log.warning("interaction.not_answered", doing=doing, status=failure.status, code=failure.code)
    except (aiohttp.ClientError, OSError) as failure:
        log.warning("interaction.not_answered", doing=doing, kind=type(failure).__name__)


def apology(number: str, job_id: int | None) -> Card:
    """The card for a bug: enough to report it, but nothing about its cause."""
    what: Text = APOLOGY() if job_id is None else APOLOGY_FOR_JOB(job=job_id)
    return notice(what, REPORT(number=number), accent=WARM)
