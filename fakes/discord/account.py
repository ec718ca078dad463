"""Routes of login, the application and its commands."""

from __future__ import annotations

from fakes.discord.command_limits import command_faults
from fakes.discord.constants import Json
from fakes.discord.errors import entry_point_left_out, missing_access, unknown_user
from fakes.discord.messages import UnsoundMessageError
from fakes.discord.model import Guild, World
from fakes.discord.payloads import user_json
from fakes.discord.requests import Call, Reply
from fakes.discord.routes import route

ENTRY_POINT = 4
"""The type of the command that opens an application's Activity. It is always global, and there is at most one."""


@route("GET", "/users/@me")
def me(world: World, call: Call) -> Reply:
    return Reply(json=user_json(world.bot) | {"mfa_enabled": False, "locale": "en-US", "verified": True, "email": None})


@route("GET", "/users/{user_id}")
def user(world: World, call: Call) -> Reply:
    found = world.users.get(call.number("user_id"))
    if found is None:
        raise unknown_user()
    return Reply(json=user_json(found))


@route("GET", "/oauth2/applications/@me")
@route("GET", "/applications/@me")
def application(world: World, call: Call) -> Reply:
    return Reply(json=application_json(world))


def application_json(world: World) -> Json:
    return {
        "id": str(world.application_id),
        "name": world.bot.display_name,
        "icon": None,
        "description": "",
        "type": None,
        "bot": user_json(world.bot),
        "owner": user_json(world.bot),
        "team": None,
        "bot_public": True,
        "bot_require_code_grant": False,
        "verify_key": "0" * 64,
        "flags": 0,
        "flags_new": "0",
        "redirect_uris": [],
        "interactions_endpoint_url": None,
        "role_connections_verification_url": None,
        "approximate_guild_count": len([one for one in world.guilds.values() if one.bot_present]),
        "approximate_user_authorization_count": 0,
        "max_participants": None,
        "tags": [],
        "event_webhooks_status": 1,
        "explicit_content_filter": 0,
        "eligible_oauth2_scopes": [],
        "approximate_user_install_count": len([one for one in world.users.values() if one.installed_app]),
        "integration_types_config": {"0": {}, "1": {}},
    }


@route("GET", "/gateway/bot")
def gateway(world: World, call: Call) -> Reply:
    limit = {"total": 1000, "remaining": 1000, "reset_after": 0, "max_concurrency": 1}
    return Reply(json={"url": world.gateway_url, "shards": world.shards, "session_start_limit": limit})


@route("GET", "/users/@me/guilds")
def guilds(world: World, call: Call) -> Reply:
    there = sorted((one for one in world.guilds.values() if one.bot_present), key=lambda one: one.id)
    return Reply(json=[_own_guild_json(one) for one in there[: int(call.query.get("limit", "200"))]])


def _own_guild_json(guild: Guild) -> Json:
    nothing: Json = {"icon": None, "banner": None, "owner": False, "permissions": "0", "features": []}
    return {"id": str(guild.id), "name": guild.name, **nothing}


@route("GET", "/applications/{application_id}/commands")
def commands(world: World, call: Call) -> Reply:
    return Reply(json=_told(world.commands[None], call))


@route("PUT", "/applications/{application_id}/commands")
def set_commands(world: World, call: Call) -> Reply:
    named = {(one.get("type") or 1, one["name"]) for one in call.json}
    if any(one["type"] == ENTRY_POINT and (ENTRY_POINT, one["name"]) not in named for one in world.commands[None]):
        raise entry_point_left_out()
    return Reply(json=_sync(world, None, call))


@route("GET", "/applications/{application_id}/guilds/{guild_id}/commands")
def guild_commands(world: World, call: Call) -> Reply:
    return Reply(json=_told(world.commands.get(_guild(world, call).id, []), call))


@route("PUT", "/applications/{application_id}/guilds/{guild_id}/commands")
def set_guild_commands(world: World, call: Call) -> Reply:
    return Reply(json=_sync(world, _guild(world, call).id, call))


def _guild(world: World, call: Call) -> Guild:
    guild = world.guilds.get(call.number("guild_id"))
    if guild is None or not guild.bot_present:
        raise missing_access()
    return guild


def _told(commands: list[Json], call: Call) -> list[Json]:
    """The commands. Localised names are included only if requested."""
    if call.query.get("with_localizations") == "true":
        return commands
    hidden = {"name_localizations", "description_localizations"}
    return [{name: value for name, value in one.items() if name not in hidden} for one in commands]


def _sync(world: World, guild_id: int | None, call: Call) -> list[Json]:
    """Replace the whole set of commands. A command that keeps its name keeps its id."""
    if faults := command_faults(call.json):
        raise UnsoundMessageError(faults)
    old = {(one["type"], one["name"]): one["id"] for one in world.commands.get(guild_id, [])}
    made = []
    for command in call.json:
        kind = command.get("type") or 1
        permissions = command.get("default_member_permissions")
        whole = {
            "id": old.get((kind, command["name"])) or str(world.ids.next()),
            "application_id": str(world.application_id),
            "version": str(world.ids.next()),
            "type": kind,
            "name": command["name"],
            "description": command.get("description") or "",
            "default_member_permissions": None if permissions is None else str(permissions),
            "nsfw": bool(command.get("nsfw")),
            "name_localizations": command.get("name_localizations"),
            "description_localizations": command.get("description_localizations"),
            "contexts": command.get("contexts"),
            "integration_types": command.get("integration_types") or [0],
        }
        if kind == 1:
            whole["options"] = command.get("options") or []
        if kind == ENTRY_POINT:
            whole["handler"] = command.get("handler") or 1
        if guild_id is not None:
            whole["guild_id"] = str(guild_id)
        made.append(whole)
    world.commands[guild_id] = made
    world.changes.notify()
    return made
