"""Who asks, and from where: plain data, so that nothing behind the cogs has to know Discord."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Origin:
    """A person and the place they ask from.

    ``server_id`` is None in direct messages. ``bot_present`` is False where the bot is only user-installed, so that it
    cannot act there without an interaction's token. ``file_limit`` is the most bytes that one file may have here.
    """

    user_id: int
    user_name: str
    server_id: int | None
    channel_id: int
    file_limit: int
    role_ids: frozenset[int] = frozenset()
    manage_messages: bool = False
    manage_server: bool = False
    age_restricted: bool = False
    bot_present: bool = True
    parent_channel_id: int | None = None
    """The channel of which this one is a thread."""

    @property
    def place_id(self) -> int:
        """The server's id, or 0 for direct messages: what a thread of work belongs to."""
        return self.server_id or 0


TOKEN_LIFE = 15 * 60 * 1000
"""Milliseconds for which Discord takes an interaction's token, from when the interaction came in."""


@dataclass(frozen=True, slots=True)
class CardAddress:
    """Where a job's card is: the message, and the interaction's token that may edit it until ``token_expires_at``.

    The time is Unix milliseconds by the bot's own clock, counted from when the interaction came in: Discord's clock
    need not agree with it. It only says when to offer a fresh token; whether one is over is for Discord to say.
    """

    channel_id: int
    message_id: int | None
    token: str = field(repr=False)
    token_expires_at: int
