"""From a command or a button to a running job: who asks and from where, the first answer, the card."""

from __future__ import annotations

import discord
import structlog

from bot.domain.options import ImagineOptions
from bot.domain.place import CardAddress, Origin
from bot.domain.requests import Plan
from bot.errors import Problem, UserError
from bot.jobs.service import CommandRefused
from bot.ui.cards.layout import notice, refusal
from bot.ui.first_answer import promise
from bot.ui.replies import Press

log = structlog.get_logger(__name__)


def origin_of(interaction: Press) -> Origin:
    """Who asks and from where, as Discord says it in this very interaction."""
    user, guild_id, channel = interaction.user, interaction.guild_id, interaction.channel
    permissions = interaction.permissions
    in_server = guild_id is not None
    return Origin(
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


def role_ids(user: discord.Member | discord.User) -> frozenset[int]:
    """The ids of a person's roles as Discord sent them with this very interaction, with that of everybody's.

    ``Member.roles`` has only those whose names are in the cache, which is none at all while a server is not: limits and
    rules for roles would count for nobody then.
    """
    if not isinstance(user, discord.Member):
        return frozenset()
    return frozenset({user.guild.id, *user._roles})  # noqa: SLF001 - the library shows the ids in no other way


def pressed_card(interaction: Press) -> CardAddress:
    """The card whose button was pressed, with the token that the press brought."""
    if interaction.message is None:
        raise UserError("This button belongs to no card.")
    return CardAddress(
        channel_id=interaction.message.channel.id,
        message_id=interaction.message.id,
        token=interaction.token,
        token_expires_at=interaction.client.actions.token_ends(),
    )


async def planned(interaction: Press, options: ImagineOptions, *, complete: bool = False) -> Plan:
    """What was typed as requests. Raises UserError that names everything that is wrong, at once.

    What is not ``complete`` is completed from the person's defaults. Only what is refused is looked up anywhere.
    """
    rush, actions = interaction.client.rush, interaction.client.actions
    with rush.unanswered():
        await rush.turn()
        origin = origin_of(interaction)
        problems: list[Problem] = list(missing_permissions(interaction, origin, private=options.private))
        plan: Plan | None
        try:
            plan = await actions.checked(origin, options, complete=complete)
        except CommandRefused as error:
            plan, problems = error.plan, [*error.problems, *problems]
        else:
            if not problems:
                return plan
        # Only the one who asked is told why it cannot be.
        await promise(interaction)
        raise await actions.with_limits(origin, options, problems, plan)


def missing_permissions(interaction: Press, origin: Origin, *, private: bool) -> tuple[str, ...]:
    """Why the bot may not show images here, in a sentence, before anything is done for nothing; or nothing.

    A private answer needs no permission. In direct messages and where the bot is only user-installed there is nothing
    that it could be denied.
    """
    if private or origin.server_id is None or not origin.bot_present:
        return ()
    permissions = interaction.app_permissions
    needed = {
        "View Channel": permissions.view_channel,
        "Attach Files": permissions.attach_files,
    }
    if isinstance(interaction.channel, discord.Thread):
        needed["Send Messages in Threads"] = permissions.send_messages_in_threads
    else:
        needed["Send Messages"] = permissions.send_messages
    missing = [name for name, allowed in needed.items() if not allowed]
    if not missing:
        return ()
    sentence = (
        f"I cannot show images in this channel, since I lack the permission {', '.join(missing)} here. Somebody who "
        "manages the channel can give it to me; with private:True only you see the result, and I need no permission."
    )
    return (sentence,)


async def start(interaction: Press, plan: Plan, *, parent_id: int | None = None) -> None:
    """Answer at once, take the job, and show its card.

    A limit that is found out after the first answer is told privately, in place of the card.
    """
    origin = origin_of(interaction)
    private = plan.options.private
    token_ends = interaction.client.actions.token_ends()
    message_id = await deferred(interaction, private=private)
    card = CardAddress(
        channel_id=origin.channel_id,
        message_id=message_id,
        token=interaction.token,
        token_expires_at=token_ends,
    )
    client = interaction.client
    try:
        proposed = client.actions.asks_first(origin, plan)
        job_id = await client.actions.imagine(origin, plan, card, parent_id=parent_id, proposed=proposed)
    except UserError as error:
        await take_back(interaction, error, private=private)
    else:
        await client.delivery.show(job_id)


async def deferred(interaction: Press, *, private: bool) -> int:
    """Promise an answer that takes a while, and return the id of the message that will be it.

    Whether the answer is private cannot change later, so it is the first thing that is said.
    """
    rush = interaction.client.rush
    with rush.unanswered():
        response = await interaction.response.defer(thinking=True, ephemeral=private)
    await rush.calm()
    message_id = response.message_id if response is not None else None
    return (await interaction.original_response()).id if message_id is None else message_id


async def take_back(
    interaction: Press, error: UserError, *, private: bool, said: str = "This was not started."
) -> None:
    """The first answer promised a card that will not come. ``said`` stands in its place for a moment."""
    if private:
        await interaction.edit_original_response(view=refusal(error.problems))
        return
    # As long as the first answer is unfinished a follow-up takes its place and is public like it; and once it has been
    # deleted unfinished, Discord takes no follow-up at all. So it is finished, followed, and only then taken away.
    await interaction.edit_original_response(view=notice(said))
    try:
        await interaction.followup.send(view=refusal(error.problems), ephemeral=True)
    except discord.HTTPException as failure:
        # The person has to learn of it, even if everybody sees it.
        log.warning("refusal.shown_to_all", status=failure.status, code=failure.code)
        await interaction.edit_original_response(view=refusal(error.problems))
    else:
        await interaction.delete_original_response()


def _channel_id(interaction: Press) -> int:
    if interaction.channel_id is None:
        raise UserError("I cannot see which channel this is. Try again in an ordinary channel.")
    return interaction.channel_id


def _age_restricted(interaction: Press) -> bool:
    """Whether Discord lets only adults see the place; a thread is what its channel is."""
    channel = interaction.channel
    if isinstance(channel, discord.Thread):
        channel = channel.parent
    return bool(getattr(channel, "nsfw", False))


def _bot_present(interaction: Press) -> bool:
    """Whether the bot itself is a member of the place: there it can edit and post without an interaction's token."""
    if interaction.guild_id is None:
        return bool(interaction.context.dm_channel)
    return interaction.is_guild_integration() or interaction.client.get_guild(interaction.guild_id) is not None
