"""The picture that a command starts from: what is known of it, and the options that apply to it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from bot.providers.operations import Size


class SourceKind(StrEnum):
    """Where a picture comes from."""

    ATTACHED = "attached"
    """A person attached it to a command."""
    MESSAGE = "message"
    """It was in a message of somebody in Discord."""
    RESULT = "result"
    """It is an image that the bot made."""
    MASK = "mask"
    """A person attached it to mark a part of another picture."""


@dataclass(frozen=True, slots=True)
class SourcePicture:
    """A stored picture. ``id`` is that of its record; sizes are pixels, after it was turned upright.

    ``image_id`` and ``job_id`` are set for an image that the bot made, and ``author_id`` for a picture of a person:
    whose picture it is.
    """

    id: int
    kind: SourceKind
    width: int
    height: int
    transparent: bool = False
    image_id: int | None = None
    job_id: int | None = None
    author_id: int | None = None

    @property
    def size(self) -> Size:
        return Size(self.width, self.height)
