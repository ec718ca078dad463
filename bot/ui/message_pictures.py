"""Opens the panel of a picture in a message: an image of a result, or what somebody attached."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from pathlib import PurePath

import discord
from discord import ui

from bot.domain.pictures import ImageReference, Reference, SourceKind, StoredReference
from bot.domain.place import Origin
from bot.errors import Problem, UserError
from bot.jobs.panel_pictures import PanelPictures
from bot.jobs.picture_tools import PictureTools
from bot.jobs.view import JobView, require_visible
from bot.text import message
from bot.ui.attached_files import Sheet, put
from bot.ui.cards.layout import Card, heading, text
from bot.ui.cards.picture_buttons import EDIT_A_PICTURE, IMAGE_NUMBER, SWITCH_PICTURE, images_menu
from bot.ui.client import Interaction
from bot.ui.interactions import origin_of
from bot.ui.picture_panel import PicturePanel
from bot.ui.pictures import Attachments, IncomingPicture
from storage.records import UNSHOWN

NO_PICTURE_IN_MESSAGE = message(
    "pictures.none_in_message", "There is no picture in this message. Pick one with an attached picture."
)
NO_IMAGE_YET = message("pictures.no_image_yet", "There is no image yet. Try again when the job is done.")
NO_IMAGE = message("pictures.no_image", "This job made no image.")
WHICH_PICTURE = message("pictures.which", "Which picture do you want to edit?")

_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".gif"})


class MessagePictures:
    """Finds the pictures of messages."""

    def __init__(
        self,
        *,
        view: Callable[[int], Awaitable[JobView]],
        require_allowed: Callable[[Origin, SourceKind], None],
        attachments: Attachments,
        tools: PictureTools,
        small: PanelPictures,
        panel: PicturePanel,
    ) -> None:
        """``view`` reads a job, and ``small`` draws the pictures to pick from.

        ``require_allowed`` raises UserError if people may not start from a picture of this kind there.
        """
        self._view = view
        self._require_allowed = require_allowed
        self._attachments = attachments
        self._tools = tools
        self._small = small
        self._panel = panel

    async def open_result(self, interaction: Interaction, job_id: int) -> None:
        """Open the panel of the first image of a job; it has a menu of the others. Raises UserError if there is none.

        The answer must have been deferred.
        """
        view = await self._view(job_id)
        require_visible(origin_of(interaction), view.job)
        if not view.images:
            raise UserError(NO_IMAGE_YET if view.job.status in UNSHOWN else NO_IMAGE)
        stored = (position for position, image in enumerate(view.images, 1) if image.file is not None)
        await self._panel.open(interaction, ImageReference(job_id, next(stored, 1)))

    async def open_attached(self, interaction: Interaction, message: discord.Message) -> None:
        """Store the pictures of somebody's message, and open the panel, or a menu to pick one. Raises UserError.

        Pictures that cannot be used are left out, unless none can. The answer must have been deferred.
        """
        self._tools.require_allowed(origin_of(interaction), SourceKind.MESSAGE)
        references, problems = await self._received(interaction, message)
        if not references:
            raise UserError(*problems[:1] or [NO_PICTURE_IN_MESSAGE])
        if len(references) == 1:
            await self._panel.open(interaction, next(iter(references)))
            return
        sheet = await self._menu(interaction, references)

        async def send(card: Card, files: list[discord.File]) -> None:
            await interaction.followup.send(view=card, files=files, ephemeral=True)

        await put(send, sheet)

    async def _received(
        self, interaction: Interaction, message: discord.Message
    ) -> tuple[dict[Reference, bool], list[Problem]]:
        """The stored pictures of a message and whether each is a spoiler, and why others cannot be used."""
        origin, author_id = origin_of(interaction), message.author.id
        # A forwarded message does not say whose it was.
        found = [(each, author_id) for each in message.attachments if _is_picture(each)]
        forwarded = (each for snapshot in message.message_snapshots for each in snapshot.attachments)
        every = [*found, *((each, None) for each in forwarded if _is_picture(each))]
        if every:
            self._require_allowed(origin, SourceKind.MESSAGE)
        references: dict[Reference, bool] = {}
        problems: list[Problem] = []
        for attachment, whose in every:
            try:
                incoming: IncomingPicture = self._attachments.incoming(
                    origin, attachment, kind=SourceKind.MESSAGE, author_id=whose
                )
                references[StoredReference((await incoming.receive()).id)] = attachment.is_spoiler()
            except UserError as error:
                problems += error.problems
        return references, problems

    async def _menu(self, interaction: Interaction, references: Mapping[Reference, bool]) -> Sheet:
        """The pictures with a menu to pick one. The menu works after a restart."""
        origin, gallery = origin_of(interaction), ui.MediaGallery[ui.LayoutView]()
        files: list[tuple[str, bytes]] = []
        for number, (reference, spoiler) in enumerate(references.items(), 1):
            drawn = await self._small.of((await self._tools.picture(origin, reference)).file)
            if drawn is not None:
                name = f"picture-{number}.jpg"
                files.append((name, drawn))
                alt = str(IMAGE_NUMBER(number=number))
                gallery.add_item(media=f"attachment://{name}", description=alt, spoiler=spoiler)
        menu = images_menu(SWITCH_PICTURE, list(references), hint=str(EDIT_A_PICTURE))
        parts = [text(heading(WHICH_PICTURE)), *([gallery] if files else []), ui.ActionRow(menu)]
        return Sheet(Card(*parts), tuple(files))


def _is_picture(attachment: discord.Attachment) -> bool:
    if attachment.content_type is not None:
        return attachment.content_type.startswith("image/")
    return PurePath(attachment.filename).suffix.lower() in _SUFFIXES
