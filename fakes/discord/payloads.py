"""Discord's JSON for users, servers, channels, messages and interactions."""

from __future__ import annotations

from datetime import UTC, datetime

from fakes.discord.constants import MEMBER, Json, Kind, Place, created_ms
from fakes.discord.model import Attachment, Channel, Guild, Interaction, Member, Message, Role, User, World

LOCALE = "en-US"
LONG_AGO = 1_600_000_000_000
"""When the bot joined a server that names no other time, in Unix milliseconds."""


def moment(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat()


def user_json(user: User) -> Json:
    return {
        "id": str(user.id),
        "username": user.name,
        "global_name": user.display_name,
        "avatar": None,
        "discriminator": "0000" if user.bot else "0",
        "public_flags": 0,
        "flags": 0,
        "bot": user.bot,
        "primary_guild": None,
    }


def member_json(member: Member, *, with_permissions: bool = False) -> Json:
    made: Json = {
        "user": user_json(member.user),
        "nick": member.nick,
        "avatar": None,
        "banner": None,
        "roles": [str(role.id) for role in member.roles],
        "joined_at": moment(created_ms(member.user.id)),
        "premium_since": None,
        "communication_disabled_until": None,
        "pending": False,
        "deaf": False,
        "mute": False,
        "flags": 0,
    }
    if with_permissions:
        made["permissions"] = str(int(member.all_permissions))
    return made


def role_json(role: Role) -> Json:
    return {
        "id": str(role.id),
        "name": role.name,
        "description": None,
        "color": 0,
        "colors": {"primary_color": 0, "secondary_color": None, "tertiary_color": None},
        "hoist": False,
        "icon": None,
        "unicode_emoji": None,
        "position": 1,
        "permissions": str(int(role.permissions)),
        "managed": False,
        "mentionable": False,
        "flags": 0,
    }


def channel_json(channel: Channel) -> Json:
    if channel.place is not Place.TEXT:
        made: Json = {
            "id": str(channel.id),
            "type": int(channel.place),
            "last_message_id": None,
            "flags": 0,
            "recipients": [user_json(person) for person in channel.people],
        }
        if channel.place is Place.GROUP_DM:
            made |= {"name": channel.name, "icon": None, "owner_id": str(channel.people[0].id)}
        return made
    guild = channel.guild
    return {
        "id": str(channel.id),
        "type": int(channel.place),
        "guild_id": None if guild is None else str(guild.id),
        "name": channel.name,
        "topic": None,
        "position": 0,
        "nsfw": channel.age_restricted,
        "parent_id": None,
        "last_message_id": None,
        "rate_limit_per_user": 0,
        "permission_overwrites": [],
        "flags": 0,
    }


def guild_json(guild: Guild, bot: User) -> Json:
    """A server as in GUILD_CREATE for a bot without privileged intents."""
    everyone = Role(guild.id, "@everyone", MEMBER)
    roles = [everyone, *guild.roles.values()]
    joined = moment(LONG_AGO if guild.joined_at is None else guild.joined_at)
    return {
        "id": str(guild.id),
        "name": guild.name,
        "icon": None,
        "splash": None,
        "banner": None,
        "description": None,
        "owner_id": str(guild.owner.id if guild.owner else bot.id),
        "afk_channel_id": None,
        "afk_timeout": 300,
        "verification_level": 0,
        "default_message_notifications": 0,
        "explicit_content_filter": 0,
        "mfa_level": 0,
        "nsfw_level": 0,
        "premium_tier": 0,
        "premium_subscription_count": 0,
        "preferred_locale": LOCALE,
        "system_channel_id": None,
        "system_channel_flags": 0,
        "rules_channel_id": None,
        "public_updates_channel_id": None,
        "vanity_url_code": None,
        "features": [],
        "emojis": [],
        "stickers": [],
        "roles": [role_json(role) for role in roles],
        "channels": [channel_json(channel) for channel in guild.channels.values() if not channel.deleted],
        "members": [member_json(Member(bot)) | {"joined_at": joined}],
        "member_count": len(guild.members) + 1,
        "joined_at": joined,
        "large": False,
        "unavailable": False,
        "threads": [],
        "voice_states": [],
        "presences": [],
        "stage_instances": [],
        "guild_scheduled_events": [],
        "soundboard_sounds": [],
    }


def attachment_json(attachment: Attachment, *, ephemeral: bool = False) -> Json:
    made: Json = {
        "id": str(attachment.id),
        "filename": attachment.filename,
        "size": attachment.size,
        "url": attachment.url,
        "proxy_url": attachment.url,
        "content_type": attachment.media_type,
    }
    if attachment.description is not None:
        made["description"] = attachment.description
    if attachment.width is not None:
        made |= {"width": attachment.width, "height": attachment.height}
    if ephemeral:
        made["ephemeral"] = True
    return made


def message_json(message: Message) -> Json:
    """A message. As on Discord, files that components display are not listed as attachments."""
    body = message.body
    made: Json = {
        "id": str(message.id),
        "channel_id": str(message.channel.id),
        "type": _message_type(message),
        "author": user_json(message.author),
        "content": body.content,
        "embeds": list(body.embeds),
        "components": list(body.components),
        "attachments": []
        if message.uses_v2
        else [attachment_json(one, ephemeral=message.only_for is not None) for one in body.attachments],
        "flags": int(body.flags),
        "mentions": [],
        "mention_roles": [],
        "mention_everyone": False,
        "pinned": False,
        "tts": False,
        "timestamp": moment(created_ms(message.id)),
        "edited_timestamp": moment(created_ms(message.id)) if len(message.history) > 1 else None,
    }
    if message.nonce is not None:
        made["nonce"] = message.nonce
    asked = message.interaction
    if asked is not None:
        made["webhook_id"] = made["application_id"] = str(message.author.id)
        made["interaction_metadata"] = _metadata(asked)
    return made


def _message_type(message: Message) -> int:
    """0 for an ordinary message, 20 and 23 for responses to slash commands and context menu commands."""
    asked = message.interaction
    if asked is None or asked.kind is not Kind.COMMAND:
        return 0
    return 23 if asked.data["type"] == 3 else 20


def _metadata(interaction: Interaction) -> Json:
    made: Json = {
        "id": str(interaction.id),
        "type": int(interaction.kind),
        "user": user_json(interaction.user),
        "authorizing_integration_owners": owners(interaction),
    }
    if interaction.kind is Kind.COMPONENT and interaction.message is not None:
        made["interacted_message_id"] = str(interaction.message.id)
    if interaction.kind is Kind.MODAL:
        made["triggering_interaction_metadata"] = made | {"type": int(Kind.COMMAND)}
    return made


def owners(interaction: Interaction) -> Json:
    """Who authorised the app where the interaction happened: "0" by server, "1" by user."""
    made: Json = {}
    guild = interaction.channel.guild
    if guild is not None and guild.bot_present:
        made["0"] = str(guild.id)
    elif interaction.channel.place is Place.DM:
        made["0"] = "0"
    if interaction.user.installed_app:
        made["1"] = str(interaction.user.id)
    return made


def interaction_json(world: World, interaction: Interaction) -> Json:
    """The interaction as in INTERACTION_CREATE."""
    channel = interaction.channel
    guild = channel.guild
    made: Json = {
        "id": str(interaction.id),
        "application_id": str(world.application_id),
        "type": int(interaction.kind),
        "version": 1,
        "token": interaction.token,
        "data": interaction.data,
        "channel_id": str(channel.id),
        "channel": channel_json(channel),
        "locale": LOCALE,
        "app_permissions": str(int(channel.bot_permissions)),
        "attachment_size_limit": interaction.file_limit,
        "authorizing_integration_owners": owners(interaction),
        "entitlements": [],
    }
    if guild is not None:
        member = guild.member(interaction.user)
        made["channel"]["permissions"] = str(int(member.all_permissions))
        made |= {
            "context": 0,
            "guild_id": str(guild.id),
            "guild": {"id": str(guild.id), "locale": LOCALE, "features": []},
            "guild_locale": LOCALE,
            "member": member_json(member, with_permissions=True),
        }
    else:
        made |= {"context": 1 if channel.place is Place.DM else 2, "user": user_json(interaction.user)}
    if interaction.message is not None:
        made["message"] = interaction.told_message or message_json(interaction.message)
    return made
