"""The picture that a command starts from: what is known of it, and the options that apply to it."""

from __future__ import annotations

from dataclasses import dataclass

from bot.providers.operations import Size
from storage.records import SourceKind

__all__ = ["SourceKind", "SourcePicture"]


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
