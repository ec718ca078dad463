"""The picture of a command: attached, or named by the option ``image``."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import discord

from bot.domain.characters import typed
from bot.domain.pictures import ImageReference, Reference, SourceKind, StoredReference, parse_reference
from bot.domain.place import Origin
from bot.errors import UserError
from bot.jobs.picture_tools import EditedPicture, PictureTools
from bot.jobs.sources import NO_SUCH_PICTURE, Sources
from bot.jobs.store import GONE
from bot.text import message
from bot.ui.client import Interaction
from bot.ui.interactions import looked_up, origin_of
from bot.ui.pictures import Attachments, IncomingPicture, stored

PICTURE_AND_IMAGE = message(
    "edits.picture_and_image", "Start from one picture: either attach one in picture, or pick one in image."
)


@dataclass(frozen=True, slots=True)
class PickedPicture:
    """The picture of a command. ``known`` is None if the person attached it: then it is not stored yet."""

    incoming: IncomingPicture
    known: EditedPicture | None = None

    @property
    def job_id(self) -> int | None:
        """The job that made it, or None."""
        return None if self.known is None else self.known.job_id

    async def stored(self) -> Reference:
        """Store the picture if it is not yet, and return how it is named. Raises UserError and StorageError."""
        if self.known is not None:
            return self.known.reference
        return StoredReference((await self.incoming.receive()).id)


class PickedPictures:
    """Finds the picture of a command."""

    def __init__(self, attachments: Attachments, tools: PictureTools, sources: Sources) -> None:
        self._attachments = attachments
        self._tools = tools
        self._sources = sources

    async def of(
        self, interaction: Interaction, picture: discord.Attachment | None, image: str | None
    ) -> PickedPicture | None:
        """Return the attached ``picture``, or the one that ``image`` names; None if the command has neither.

        Raises UserError if the person cannot use it. If a slow lookup had to be answered first, the answer is private.
        """
        origin, named = origin_of(interaction), typed(image)
        if picture is not None and named is not None:
            raise UserError(PICTURE_AND_IMAGE)
        if picture is not None:
            return PickedPicture(self._attachments.incoming(origin, picture))
        if named is None:
            return None
        try:
            # An app may put the label of the chosen suggestion into the field.
            reference = parse_reference(named.partition(" · ")[0])
        except ValueError:
            raise UserError(NO_SUCH_PICTURE) from None
        try:
            known = await looked_up(interaction, self._tools.picture(origin, reference))
        except UserError as error:
            if [problem.code for problem in error.problems] == [GONE.code]:
                raise UserError(NO_SUCH_PICTURE) from None
            raise
        return PickedPicture(incoming(self._sources, origin, known), known)

    def mask(self, interaction: Interaction, mask: discord.Attachment) -> IncomingPicture:
        """Check an attached mask. Raises UserError."""
        return self._attachments.incoming(origin_of(interaction), mask, kind=SourceKind.MASK)


def incoming(sources: Sources, origin: Origin, picture: EditedPicture) -> IncomingPicture:
    """A picture to start from. An image of a result is stored only when it is used."""
    reference = picture.reference
    if not isinstance(reference, ImageReference):
        return stored(picture.source)
    return IncomingPicture(picture.source, partial(sources.of_image, origin, reference.job_id, reference.position))
