"""The person who gives a command, their place, and the location of the card: plain data without Discord's types."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Origin:
    """A person and the place where they use the bot.

    ``server_id`` is None in direct messages. ``bot_present`` is False if the bot is only user-installed: without an
    interaction's token it cannot act there. ``file_limit`` is the maximum size of a file here, in bytes.
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
    """The parent channel, if the channel is a Discord thread."""

    @property
    def for_adults(self) -> bool:
        """Whether only adults see what is shown here: the channel is age-restricted, and the bot is a member."""
        return self.age_restricted and self.bot_present and self.server_id is not None

    @property
    def place_id(self) -> int:
        """The server's id, or 0 for direct messages. Each of the person's threads belongs to one place."""
        return self.server_id or 0


TOKEN_LIFE = 15 * 60 * 1000
"""Milliseconds for which Discord accepts an interaction's token, counted from the interaction."""


@dataclass(frozen=True, slots=True)
class CardAddress:
    """The location of a job's card: its message, and an interaction token that can edit it until ``token_expires_at``.

    This time is in Unix milliseconds by the bot's own clock, which may differ from Discord's. It only decides when to
    offer a fresh token; Discord decides whether a token has expired.
    """

    channel_id: int
    message_id: int | None
    token: str = field(repr=False)
    token_expires_at: int
