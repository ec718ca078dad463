"""Routes authorised by an interaction's token: its first response and its follow-ups."""

from __future__ import annotations

from fakes.discord.constants import MessageFlag
from fakes.discord.errors import (
    token_is_over,
    too_many_followups,
    unknown_channel,
    unknown_message,
    unknown_webhook,
)
from fakes.discord.messages import delete, edit, post
from fakes.discord.model import Interaction, Message, World
from fakes.discord.payloads import message_json
from fakes.discord.requests import Call, Reply
from fakes.discord.routes import route

USER_INSTALL_FOLLOWUPS = 5
_ORIGINAL = "/webhooks/{webhook_id}/{webhook_token}/messages/@original"
_MESSAGE = "/webhooks/{webhook_id}/{webhook_token}/messages/{message_id}"


@route("POST", "/webhooks/{webhook_id}/{webhook_token}", by_token=True)
def follow_up(world: World, call: Call) -> Reply:
    interaction = _interaction(world, call)
    original = interaction.original
    if original is not None and original.loading and not original.deleted and original is not interaction.message:
        # The first follow-up to a deferred response replaces it and keeps its visibility.
        edit(world, original, call, call.payload, file_limit=interaction.file_limit)
        return Reply(json=message_json(original))
    if not interaction.bot_present and len(interaction.followups) >= USER_INSTALL_FOLLOWUPS:
        raise too_many_followups()
    private = MessageFlag.EPHEMERAL in MessageFlag(call.payload.get("flags") or 0)
    message = post(
        world,
        interaction.channel,
        call,
        call.payload,
        file_limit=interaction.file_limit,
        only_for=interaction.user if private else None,
        interaction=interaction,
    )
    interaction.followups.append(message)
    world.changes.notify()
    return Reply(json=message_json(message))


@route("GET", _ORIGINAL, by_token=True)
@route("GET", _MESSAGE, by_token=True)
def get_message(world: World, call: Call) -> Reply:
    return Reply(json=message_json(_message(_interaction(world, call), call)))


@route("PATCH", _ORIGINAL, by_token=True)
@route("PATCH", _MESSAGE, by_token=True)
def edit_message(world: World, call: Call) -> Reply:
    interaction = _interaction(world, call)
    message = _message(interaction, call)
    edit(world, message, call, call.payload, file_limit=interaction.file_limit)
    return Reply(json=message_json(message))


@route("DELETE", _ORIGINAL, by_token=True)
@route("DELETE", _MESSAGE, by_token=True)
def delete_message(world: World, call: Call) -> Reply:
    delete(world, _message(_interaction(world, call), call))
    return Reply(204)


def _interaction(world: World, call: Call) -> Interaction:
    interaction = world.tokens.get(call.params["webhook_token"])
    if interaction is not None and interaction.over:
        raise token_is_over()
    if interaction is None or call.number("webhook_id") != world.application_id or interaction.answer is None:
        raise unknown_webhook()
    if interaction.channel.deleted:
        raise unknown_channel()
    return interaction


def _message(interaction: Interaction, call: Call) -> Message:
    number = call.params.get("message_id")
    if number is None:
        message = interaction.original
    else:
        within = [interaction.original, interaction.message, *interaction.followups]
        message = next((one for one in within if one is not None and one.id == int(number)), None)
    if message is None or message.deleted:
        raise unknown_message()
    return message
