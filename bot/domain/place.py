"""Who asks, from where, and where the card is: plain data without Discord's types."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Origin:
    """A person and the place they ask from.

    ``server_id`` is None in direct messages. ``bot_present`` is False where the bot is only user-installed: it cannot
    act there without an interaction's token. ``file_limit`` is the maximum size of a file here, in bytes.
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
    """The channel that this thread belongs to."""

    @property
    def place_id(self) -> int:
        """The server's id, or 0 for direct messages. A thread of work belongs to it."""
        return self.server_id or 0


TOKEN_LIFE = 15 * 60 * 1000
"""Milliseconds for which Discord accepts an interaction's token, counted from the interaction."""


@dataclass(frozen=True, slots=True)
class CardAddress:
    """Where a job's card is: its message, and the interaction's token that can edit it until ``token_expires_at``.

    The time is Unix milliseconds by the bot's own clock, which may differ from Discord's. It only decides when to offer
    a fresh token; Discord decides whether a token has expired.
    """

    channel_id: int
    message_id: int | None
    token: str = field(repr=False)
    token_expires_at: int
