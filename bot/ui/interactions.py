"""One interaction with Discord: who asks and from where, the first answer, and what a person is told if it fails.

Discord waits three seconds for the first answer to a command or a button, so it never waits for anything slow. Most
answers are deferred at once and filled in later. A form cannot be deferred: what it needs is looked up first, but only
for a short time.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any, TypeVar

import aiohttp
import discord
import structlog
from discord import app_commands

from bot.clock import Clock
from bot.domain.place import TOKEN_LIFE, CardAddress, Origin
from bot.errors import STORAGE_FAILS, Problem, UserError
from bot.logs import bound
from bot.text import Message, Text, message, read_in
from bot.ui.cards.layout import WARM, Card, Words, notice, refusal
from bot.ui.client import Interaction
from storage.errors import StorageError

T = TypeVar("T")

log = structlog.get_logger(__name__)

LOOKUP_TIMEOUT = 1.5
"""Seconds for which something is looked up before the first answer."""

UNKNOWN_INTERACTION = 10062

# It is too late to answer, the interaction was answered before (perhaps by an earlier try of the same request), the
# thread was archived, or the token is over. These are not faults of ours, and nobody can be told.
_ANSWER_NOT_TAKEN = frozenset({UNKNOWN_INTERACTION, 40060, 50083, 10015, 50027})
_NOBODY_THERE = _ANSWER_NOT_TAKEN | {10008}

TOO_SLOW = message(
    "interactions.too_slow",
    "I was too slow to look this up, so I didn't start anything and you were not charged. Press the button again.",
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


# --- who asks, and from where -------------------------------------------------------------------------------------


def origin_of(interaction: Interaction) -> Origin:
    """Who asks and from where, as Discord says in this interaction. It is computed once for each interaction."""
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


def role_ids(user: discord.Member | discord.User) -> frozenset[int]:
    """The ids of a person's roles as Discord sent them in this interaction, with the role of everybody.

    ``Member.roles`` has only the roles in the cache, and none while the server is not cached. Limits and rules for
    roles would not count then.
    """
    if not isinstance(user, discord.Member):
        return frozenset()
    return frozenset({user.guild.id, *user._roles})  # noqa: SLF001 - the library shows the ids in no other way


def pressed_card(interaction: Interaction, clock: Clock) -> CardAddress:
    """The card whose button was pressed, with the token of this interaction. Raises UserError if there is no card."""
    if interaction.message is None:
        raise UserError(NO_CARD)
    return card_address(interaction, clock, interaction.message.channel.id, interaction.message.id)


def card_address(interaction: Interaction, clock: Clock, channel_id: int, message_id: int | None) -> CardAddress:
    """The address of a message that this interaction's token can edit, as long as the token lives."""
    return CardAddress(
        channel_id=channel_id,
        message_id=message_id,
        token=interaction.token,
        token_expires_at=clock.now() + TOKEN_LIFE,
    )


def missing_permissions(interaction: Interaction, *, private: bool) -> list[Problem]:
    """Why the bot may not show images here; empty if it may.

    A private answer needs no permissions. In direct messages and where the bot is installed for the user only, there
    are none that it could lack.
    """
    origin = origin_of(interaction)
    if private or origin.server_id is None or not origin.bot_present:
        return []
    send = "send_messages_in_threads" if isinstance(interaction.channel, discord.Thread) else "send_messages"
    missing = lacking(interaction.app_permissions, "view_channel", "attach_files", send)
    return [MISSING_PERMISSIONS(permissions=missing)] if missing else []


def lacking(permissions: discord.Permissions, *needed: str) -> list[Message]:
    """The names of the needed permissions that are not among these."""
    return [PERMISSION_NAMES[name] for name in needed if not getattr(permissions, name)]


def _channel_id(interaction: Interaction) -> int:
    if interaction.channel_id is None:
        raise UserError(NO_CHANNEL)
    return interaction.channel_id


def _age_restricted(interaction: Interaction) -> bool:
    """Whether only adults see the channel; a thread is restricted if its channel is."""
    channel = interaction.channel
    if isinstance(channel, discord.Thread):
        channel = channel.parent
    return bool(getattr(channel, "nsfw", False))


def _bot_present(interaction: Interaction) -> bool:
    """Whether the bot itself is a member here: then it can edit and post without an interaction's token."""
    if interaction.guild_id is None:
        return bool(interaction.context.dm_channel)
    return interaction.is_guild_integration() or interaction.client.get_guild(interaction.guild_id) is not None


# --- the first answer ---------------------------------------------------------------------------------------------


async def promise(interaction: Interaction) -> None:
    """Defer a private answer, unless there was an answer: what is told next takes its place."""
    if not interaction.response.is_done():
        await interaction.response.defer(ephemeral=True, thinking=True)


async def looked_up(interaction: Interaction, work: Coroutine[Any, Any, T]) -> T:
    """Return what ``work`` finds. If it takes longer than a first answer may, defer a private answer meanwhile."""
    task = asyncio.ensure_future(work)
    try:
        await asyncio.wait({task}, timeout=LOOKUP_TIMEOUT)
        if not task.done():
            await promise(interaction)
        return await task
    finally:
        task.cancel()


async def tell(interaction: Interaction, card: discord.ui.LayoutView) -> None:
    """Show this to the person who asked, and to nobody else."""
    if interaction.response.is_done():
        await interaction.followup.send(view=card, ephemeral=True)
    else:
        await interaction.response.send_message(view=card, ephemeral=True)


async def take_back(interaction: Interaction, error: UserError, *, private: bool, said: Words = NOT_STARTED) -> None:
    """Replace a deferred answer, whose card will not come, by a private refusal.

    A public one says ``said`` for a moment. If the private refusal fails, the public answer shows the refusal.
    """
    if private:
        await interaction.edit_original_response(view=refusal(error.problems))
        return
    # While the first answer is deferred, a follow-up takes its place and is as public. If it is deleted while it is
    # deferred, Discord takes no follow-up at all. So it is filled in, followed by the refusal, and then deleted.
    await interaction.edit_original_response(view=notice(said))
    try:
        await interaction.followup.send(view=refusal(error.problems), ephemeral=True)
    except discord.HTTPException as failure:
        log.warning("refusal.shown_to_all", status=failure.status, code=failure.code)
        await interaction.edit_original_response(view=refusal(error.problems))
    else:
        await interaction.delete_original_response()


# --- what can go wrong --------------------------------------------------------------------------------------------


async def handle(
    interaction: Interaction,
    work: Callable[[Interaction], Awaitable[None]],
    *,
    doing: str,
    job_id: int | None = None,
) -> None:
    """Do what a button or a form is for, in the person's language; tell and log whatever goes wrong.

    Every callback of a component or a form runs through here, as every command runs through the tree. ``doing`` names
    it in the log.
    """
    with bound(job=job_id):
        try:
            read_in(interaction.locale.value)
            interaction.client.check_place(interaction)
            await work(interaction)
        except Exception as error:  # noqa: BLE001 - told and logged by explain; the library would only log it
            await explain(interaction, error, doing=doing, job_id=job_id)


async def explain(interaction: Interaction, error: BaseException, *, doing: str, job_id: int | None = None) -> None:
    """Say what went wrong: a UserError by its own texts, anything else by an apology with a number for the log.

    ``doing`` names in the log what was asked for. Never raises: if this fails as well, nobody can be told.
    """
    cause = error.original if isinstance(error, app_commands.CommandInvokeError) else error
    if isinstance(cause, discord.HTTPException) and cause.code in _ANSWER_NOT_TAKEN:
        log.warning("interaction.answer_not_taken", doing=doing, job=job_id, status=cause.status, code=cause.code)
        return
    if isinstance(cause, UserError):
        card = refusal(cause.problems)
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
    """What people see of a fault of ours: enough to report it, and nothing of its cause."""
    what: Text = APOLOGY() if job_id is None else APOLOGY_FOR_JOB(job=job_id)
    return notice(what, REPORT(number=number), accent=WARM)
