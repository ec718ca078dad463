"""Discord's constants: permissions, flags, types, and snowflake ids."""

from __future__ import annotations

import time
from enum import IntEnum, IntFlag
from typing import Any

Json = dict[str, Any]

DISCORD_EPOCH = 1_420_070_400_000
MEBIBYTE = 1024 * 1024
DEFAULT_FILE_LIMIT = 10 * MEBIBYTE


class Permission(IntFlag):
    """The permissions that matter to a bot that answers commands."""

    ADMINISTRATOR = 1 << 3
    MANAGE_SERVER = 1 << 5
    VIEW_CHANNEL = 1 << 10
    SEND_MESSAGES = 1 << 11
    MANAGE_MESSAGES = 1 << 13
    EMBED_LINKS = 1 << 14
    ATTACH_FILES = 1 << 15
    READ_HISTORY = 1 << 16
    USE_COMMANDS = 1 << 31


MEMBER = (
    Permission.VIEW_CHANNEL
    | Permission.SEND_MESSAGES
    | Permission.EMBED_LINKS
    | Permission.ATTACH_FILES
    | Permission.READ_HISTORY
    | Permission.USE_COMMANDS
)
EVERYTHING = Permission((1 << 50) - 1)
NO_PERMISSION = Permission(0)


class MessageFlag(IntFlag):
    EPHEMERAL = 1 << 6
    LOADING = 1 << 7
    COMPONENTS_V2 = 1 << 15


NO_FLAG = MessageFlag(0)


class Place(IntEnum):
    """Channel types."""

    TEXT = 0
    DM = 1
    GROUP_DM = 3


class Kind(IntEnum):
    """Interaction types."""

    COMMAND = 2
    COMPONENT = 3
    AUTOCOMPLETE = 4
    MODAL = 5


class Answer(IntEnum):
    """Interaction callback types."""

    MESSAGE = 4
    DEFERRED = 5
    DEFERRED_UPDATE = 6
    UPDATE = 7
    CHOICES = 8
    MODAL = 9


class Ids:
    """Generates snowflakes: unique, increasing ids whose timestamp tells a bot an interaction's age."""

    def __init__(self) -> None:
        self._last = 0

    def next(self, *, age: float = 0.0) -> int:
        """A new id that looks ``age`` seconds old."""
        self._last = max(self._last + 1, (int(time.time() * 1000) - DISCORD_EPOCH) << 22)
        return max(self._last - (int(age * 1000) << 22), 1)


def created_ms(snowflake: int) -> int:
    """The timestamp of an id, in Unix milliseconds."""
    return (snowflake >> 22) + DISCORD_EPOCH
