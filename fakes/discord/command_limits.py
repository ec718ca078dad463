"""Discord's limits on commands and autocomplete that its schema cannot express, written by hand."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

from fakes.discord.constants import Json

NAME = re.compile(r"[-_'\w]{1,32}")
COMMANDS = {1: 100, 2: 15, 3: 15, 4: 1}
"""How many commands of each type (slash, user, message, Activity) an application may have."""
OPTIONS = 25
CHOICES = 25
TEXT = 100
STRING = 6000
WHOLE_COMMAND = 8000
SUBCOMMAND, GROUP, STRING_OPTION, INTEGER, NUMBER = 1, 2, 3, 4, 10


def command_faults(commands: list[Json]) -> list[str]:
    """The faults of a whole set of commands."""
    found: list[str] = []
    for kind, most in COMMANDS.items():
        number = sum(1 for one in commands if (one.get("type") or 1) == kind)
        if number > most:
            found.append(f"{number} commands of type {kind}, {most} at most")
    for (kind, name), count in Counter(((one.get("type") or 1), one["name"]) for one in commands).items():
        if count > 1:
            found.append(f"command {name!r} of type {kind} stands {count} times")
    for command in commands:
        found += [f"/{command['name']}: {fault}" for fault in _one_command_faults(command)]
    return found


def _one_command_faults(command: Json) -> Iterator[str]:
    typed = (command.get("type") or 1) == 1
    if typed:
        yield from _name_faults(command["name"])
        if not 1 <= len(command.get("description") or "") <= TEXT:
            yield f"a description of {len(command.get('description') or '')} characters, 1 to {TEXT}"
        if (length := _length(command)) > WHOLE_COMMAND:
            yield f"names, descriptions and values have {length} characters, {WHOLE_COMMAND} at most"
    elif command.get("description") or command.get("options"):
        yield "a command in a menu has neither description nor options"
    elif not 1 <= len(command["name"]) <= 32:
        yield "a name of more than 32 characters"
    yield from _options_faults(command.get("options") or [])


def _name_faults(name: str) -> Iterator[str]:
    if not NAME.fullmatch(name) or name != name.lower():
        yield f"{name!r} cannot be a name"


def _length(item: Json) -> int:
    total = len(item.get("name") or "") + len(item.get("description") or "")
    total += sum(len(str(choice["name"])) + len(str(choice["value"])) for choice in item.get("choices") or ())
    return total + sum(_length(option) for option in item.get("options") or ())


def _options_faults(options: list[Json]) -> Iterator[str]:
    if len(options) > OPTIONS:
        yield f"{len(options)} options, {OPTIONS} at most"
    for name, count in Counter(option["name"] for option in options).items():
        if count > 1:
            yield f"option {name!r} stands {count} times"
    kinds = {option["type"] for option in options}
    if kinds & {SUBCOMMAND, GROUP} and kinds - {SUBCOMMAND, GROUP}:
        yield "options beside subcommands"
    optional = False
    for option in options:
        if option.get("required") and optional:
            yield f"{option['name']!r} is required and stands after one that is not"
        optional = optional or not option.get("required")
        yield from _one_option_faults(option)


def _one_option_faults(option: Json) -> Iterator[str]:
    name, kind = option["name"], option["type"]
    yield from _name_faults(name)
    if not 1 <= len(option.get("description") or "") <= TEXT:
        yield f"{name!r} has a description of {len(option.get('description') or '')} characters, 1 to {TEXT}"
    choices = option.get("choices") or []
    if choices and option.get("autocomplete"):
        yield f"{name!r} has choices and autocomplete"
    yield from (f"{name!r}: {fault}" for fault in choice_faults(choices, kind))
    for low, high in (("min_value", "max_value"), ("min_length", "max_length")):
        if option.get(low) is not None and option.get(high) is not None and option[low] > option[high]:
            yield f"{name!r} goes from {option[low]} to {option[high]}"
    if (option.get("max_length") or 1) > STRING:
        yield f"{name!r} takes {option['max_length']} characters, {STRING} at most"
    if kind in {SUBCOMMAND, GROUP}:
        yield from _options_faults(option.get("options") or [])


def choice_faults(choices: list[Json], kind: int) -> list[str]:
    """The faults in the choices of an option of this type, or in its autocomplete suggestions."""
    found = []
    if len(choices) > CHOICES:
        found.append(f"{len(choices)} choices, {CHOICES} at most")
    for name, count in Counter(choice["name"] for choice in choices).items():
        if count > 1:
            found.append(f"the choice {name!r} stands {count} times")
    for choice in choices:
        if not 1 <= len(choice["name"]) <= TEXT:
            found.append(f"a choice's name of {len(choice['name'])} characters, 1 to {TEXT}")
        if not _fits(choice["value"], kind):
            found.append(f"{choice['value']!r} cannot be a value of option type {kind}")
    return found


def _fits(value: Any, kind: int) -> bool:
    if isinstance(value, bool):
        return False
    if kind == STRING_OPTION:
        return isinstance(value, str) and len(value) <= TEXT
    return isinstance(value, int) if kind == INTEGER else isinstance(value, int | float)
