"""Routes of channels and servers, authorised by the bot's token."""

from __future__ import annotations

from fakes.discord.constants import DEFAULT_FILE_LIMIT, NO_PERMISSION, Permission, Place
from fakes.discord.errors import (
    Refusal,
    closed_dms,
    missing_access,
    missing_permissions,
    not_the_author,
    unknown_channel,
    unknown_guild,
    unknown_message,
    unknown_user,
)
from fakes.discord.messages import delete, edit, post
from fakes.discord.model import Channel, Guild, Message, World
from fakes.discord.payloads import channel_json, guild_json, member_json, message_json
from fakes.discord.requests import Call, Reply
from fakes.discord.routes import route

HISTORY = 50
_MESSAGE = "/channels/{channel_id}/messages/{message_id}"


@route("POST", "/users/@me/channels")
def open_dm(world: World, call: Call) -> Reply:
    user = world.users.get(int(call.payload["recipient_id"]))
    if user is None:
        raise unknown_user()
    return Reply(json=channel_json(world.dm(user)))


@route("GET", "/channels/{channel_id}")
def get_channel(world: World, call: Call) -> Reply:
    return Reply(json=channel_json(_channel(world, call)))


@route("POST", "/channels/{channel_id}/typing")
def typing(world: World, call: Call) -> Reply:
    _channel(world, call, Permission.SEND_MESSAGES)
    return Reply(204)


@route("POST", "/channels/{channel_id}/messages")
def post_message(world: World, call: Call) -> Reply:
    needed = Permission.SEND_MESSAGES | (Permission.ATTACH_FILES if call.files else NO_PERMISSION)
    channel = _channel(world, call, needed)
    if channel.place is Place.DM and not channel.people[0].dms_open:
        raise closed_dms()
    payload = call.payload
    nonce = payload.get("nonce")
    if nonce is not None and payload.get("enforce_nonce"):
        for message in channel.messages.values():
            if message.nonce == str(nonce) and message.id > world.nonces_from:
                return Reply(json=message_json(message))
    return Reply(json=message_json(post(world, channel, call, payload, file_limit=_file_limit(channel))))


@route("GET", "/channels/{channel_id}/messages")
def history(world: World, call: Call) -> Reply:
    channel = _channel(world, call, Permission.READ_HISTORY)
    before = int(call.query.get("before", 1 << 63))
    after = int(call.query.get("after", 0))
    said = [one for one in channel.messages.values() if not one.deleted and one.only_for is None]
    said = sorted((one for one in said if after < one.id < before), key=lambda one: one.id)
    limit = int(call.query.get("limit", HISTORY))
    page = said[:limit] if "after" in call.query else said[-limit:]
    return Reply(json=[message_json(one) for one in reversed(page)])


@route("GET", _MESSAGE)
def get_message(world: World, call: Call) -> Reply:
    return Reply(json=message_json(_message(world, call, Permission.READ_HISTORY)))


@route("PATCH", _MESSAGE)
def edit_message(world: World, call: Call) -> Reply:
    message = _message(world, call)
    if message.author is not world.bot:
        raise not_the_author()
    edit(world, message, call, call.payload, file_limit=_file_limit(message.channel))
    return Reply(json=message_json(message))


@route("DELETE", _MESSAGE)
def delete_message(world: World, call: Call) -> Reply:
    message = _message(world, call)
    if message.author is not world.bot and Permission.MANAGE_MESSAGES not in message.channel.bot_permissions:
        raise missing_permissions()
    delete(world, message)
    return Reply(204)


@route("GET", "/guilds/{guild_id}")
def get_guild(world: World, call: Call) -> Reply:
    return Reply(json=guild_json(_guild(world, call), world.bot))


@route("GET", "/guilds/{guild_id}/members/{user_id}")
def get_member(world: World, call: Call) -> Reply:
    member = _guild(world, call).members.get(call.number("user_id"))
    if member is None:
        raise Refusal(404, 10007, "Unknown Member")
    return Reply(json=member_json(member))


def _guild(world: World, call: Call) -> Guild:
    guild = world.guilds.get(call.number("guild_id"))
    if guild is None:
        raise unknown_guild()
    if not guild.bot_present:
        raise missing_access()
    return guild


def _channel(world: World, call: Call, needed: Permission = NO_PERMISSION) -> Channel:
    channel = world.channels.get(call.number("channel_id"))
    if channel is None or channel.deleted:
        raise unknown_channel()
    if channel.place is Place.DM:
        return channel
    absent = channel.guild is None or not channel.guild.bot_present
    if absent or Permission.VIEW_CHANNEL not in channel.bot_permissions:
        raise missing_access()
    if needed & ~channel.bot_permissions:
        raise missing_permissions()
    return channel


def _message(world: World, call: Call, needed: Permission = NO_PERMISSION) -> Message:
    message = _channel(world, call, needed).messages.get(call.number("message_id"))
    if message is None or message.deleted or message.only_for is not None:
        raise unknown_message()
    return message


def _file_limit(channel: Channel) -> int:
    return DEFAULT_FILE_LIMIT if channel.guild is None else channel.guild.file_limit
