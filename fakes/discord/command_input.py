"""Turns typed options into an interaction's data, checked against the command as Discord's client does."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from fakes.discord.constants import Json
from fakes.discord.messages import new_attachment
from fakes.discord.model import Channel, Member, Role, Upload, User, World
from fakes.discord.payloads import attachment_json, channel_json, member_json, role_json, user_json

SUBCOMMAND, GROUP, STRING, INTEGER, BOOLEAN, USER, CHANNEL, ROLE, MENTIONABLE, NUMBER, FILE = range(1, 12)
_PYTHON: dict[int, type | tuple[type, ...]] = {
    STRING: str,
    INTEGER: int,
    BOOLEAN: bool,
    USER: str,
    CHANNEL: str,
    ROLE: str,
    MENTIONABLE: str,
    NUMBER: (int, float),
    FILE: str,
}


def option_values(world: World, where: Channel, options: Json) -> tuple[Json, Json]:
    """The values as they are sent (users and the like as ids), and the objects that Discord resolves for them."""
    resolved: dict[str, Json] = {}
    values = {name: _wire(world, where, value, resolved) for name, value in options.items()}
    return values, resolved


def _wire(world: World, where: Channel, value: Any, resolved: dict[str, Json]) -> Any:
    value = getattr(value, "user", value)
    if isinstance(value, User):
        resolved.setdefault("users", {})[str(value.id)] = user_json(value)
        if where.guild is not None:
            member = member_json(where.guild.members.get(value.id) or Member(value), with_permissions=True)
            del member["user"]
            resolved.setdefault("members", {})[str(value.id)] = member
        return str(value.id)
    if isinstance(value, Role):
        resolved.setdefault("roles", {})[str(value.id)] = role_json(value)
        return str(value.id)
    if isinstance(value, Channel):
        resolved.setdefault("channels", {})[str(value.id)] = channel_json(value) | {"permissions": "0"}
        return str(value.id)
    if isinstance(value, Upload):
        # The bot downloads what people attach, so its bytes are kept even if those of messages are not.
        attachment = replace(new_attachment(world, where, value), data=value.data)
        world.attachments[attachment.id] = attachment
        resolved.setdefault("attachments", {})[str(attachment.id)] = attachment_json(attachment, ephemeral=True)
        return str(attachment.id)
    return value


def typed_options(command: Json, path: list[str], values: Json, focused: str | None) -> list[Json]:
    """The options as an interaction carries them. Raises AssertionError for input that a client would not send."""
    if path:
        name, *rest = path
        part = _named(command.get("options", ()), name)
        return [{"name": name, "type": part["type"], "options": typed_options(part, rest, values, focused)}]
    offered = command.get("options") or []
    assert not any(one["type"] in {SUBCOMMAND, GROUP} for one in offered), f"{command['name']} has subcommands"
    for one in offered:
        missing = one.get("required") and one["name"] not in values
        assert not missing or focused is not None, f"{command['name']} needs {one['name']!r}"
    return [_typed(_named(offered, name), value, focused == name) for name, value in values.items()]


def _named(options: Any, name: str) -> Json:
    for option in options:
        if option["name"] == name:
            found: Json = option
            return found
    raise AssertionError(f"no option {name!r}, but {[one['name'] for one in options]}")


def _typed(option: Json, value: Any, focused: bool) -> Json:
    made = {"name": option["name"], "type": option["type"], "value": value}
    if focused:
        assert option.get("autocomplete"), f"{option['name']!r} has no autocomplete"
        return made | {"value": str(value), "focused": True}
    kind = option["type"]
    fits = isinstance(value, _PYTHON[kind]) and (kind == BOOLEAN or not isinstance(value, bool))
    assert fits, f"{option['name']!r} does not take {value!r}"
    if option.get("choices"):
        offered = [choice["value"] for choice in option["choices"]]
        assert value in offered, f"{option['name']!r} takes one of {offered}, not {value!r}"
    size, low, high = value, option.get("min_value"), option.get("max_value")
    if kind == STRING:
        size, low, high = len(value), option.get("min_length"), option.get("max_length") or 6000
    inside = kind not in {STRING, INTEGER, NUMBER} or ((low is None or size >= low) and (high is None or size <= high))
    assert inside, f"{option['name']!r} takes {low} to {high}, not {size}"
    return made
