"""The picture that a command starts from: what is known of it, and how commands and buttons refer to it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TypeAlias

from bot.providers.operations import Size
from storage.records import SourceKind

__all__ = ["ImageReference", "Reference", "SourceKind", "SourcePicture", "StoredReference", "parse_reference"]


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


# --- references ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ImageReference:
    """Refers to an image that the bot made: ``812-2`` is the second image of job 812."""

    job_id: int
    position: int
    """The place of the image among those of its job, from 1."""

    def __str__(self) -> str:
        return f"{self.job_id}-{self.position}"


@dataclass(frozen=True, slots=True)
class StoredReference:
    """Refers to a stored picture of the person who uses the reference: ``p17``."""

    source_id: int

    def __str__(self) -> str:
        return f"p{self.source_id}"


Reference: TypeAlias = ImageReference | StoredReference
"""A picture by its name in options, autocomplete and custom ids. It has at most 21 characters.

A reference grants nothing: check that the person may see the picture before it is shown or used.
"""

# Ids are below 2^63; anything longer is forged.
_REFERENCE = re.compile(r"(?P<job>[0-9]{1,18})-(?P<position>[0-9]{1,2})|p(?P<source>[0-9]{1,18})", re.ASCII)


def parse_reference(text: str) -> Reference:
    """Read a reference, such as ``812-2`` or ``p17``. Raises ValueError."""
    match = _REFERENCE.fullmatch(text.strip().casefold())
    if match is None:
        raise ValueError(f"not a reference: {len(text)} characters")
    if match["source"] is not None:
        return StoredReference(int(match["source"]))
    return ImageReference(int(match["job"]), int(match["position"]))
