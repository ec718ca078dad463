"""The images in the card of an unfinished job: those that are ready, and a preview of the next one."""

from __future__ import annotations

import io
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import discord
import structlog

from bot.jobs.view import JobView
from bot.pictures import decoding
from bot.pictures.grids import panel_picture
from bot.ui.cards.job import ShownImage
from bot.ui.delivery.attachments import REQUEST_LIMIT, Attachment, Upload, pack
from storage.images import ImageFiles

log = structlog.get_logger(__name__)

PREVIEW_AT_MOST = 1 << 20
"""The size limit of a preview in bytes. A larger one is made smaller."""
_STARTS = {"jpg": b"\xff\xd8\xff", "png": b"\x89PNG\r\n\x1a\n", "webp": b"RIFF"}


@dataclass(frozen=True, slots=True)
class LivePreview:
    """An unfinished image as it is attached to a card."""

    name: str
    data: bytes = field(repr=False)

    def file(self) -> discord.File:
        """A new ``discord.File``, which can be sent once."""
        return discord.File(io.BytesIO(self.data), filename=self.name)


@dataclass(slots=True)
class PartialImages:
    """The images that a waiting card shows already. Each edit must retain the ids of their attachments.

    After one refused edit, every edit uploads all images again. After a second one, the card shows only text until the
    result is delivered.
    """

    _shown: dict[int, tuple[ShownImage, int]] = field(default_factory=dict)
    _upload_all: bool = False
    _text_only: bool = False
    _no_preview: bool = False
    _drawn: tuple[bytes, LivePreview | None] = (b"", None)

    @property
    def retained(self) -> Collection[int]:
        """The ids of the message's attachments that must remain."""
        return [attachment for _, attachment in self._shown.values()]

    async def new(self, view: JobView, files: ImageFiles, *, with_text: bool) -> tuple[Upload, ...]:
        """The images that are ready and not in the card yet. Empty for a job with a single request."""
        new = [image for image in view.images if image.id not in self._shown]
        if self._text_only or not new or len(view.submissions) == 1:
            return ()
        # At the end one message contains all images, so each is limited to its share.
        share = REQUEST_LIMIT // sum(request.images for request in view.requests)
        packed = await pack(
            view,
            files,
            file_limit=min(view.job.file_limit, share),
            with_text=with_text,
            without=self._shown.keys(),
        )
        return packed.ready

    def shown(self, view: JobView, uploads: Iterable[Upload]) -> list[ShownImage]:
        """The card's images including these uploads, in the job's order."""
        order = {image.id: place for place, image in enumerate(view.images)}
        every: list[ShownImage] = [shown for shown, _ in self._shown.values()]
        return sorted([*every, *uploads], key=lambda each: order.get(each.image.id, 0))

    async def preview(self, data: bytes | None, files: ImageFiles) -> LivePreview | None:
        """The preview for this data; None if it is not an image, or if Discord refused one before."""
        if self._no_preview or data is None:
            return None
        if self._drawn[0] is not data:
            small = data if len(data) <= PREVIEW_AT_MOST else await _made_smaller(data, files)
            kind = None if small is None else _kind(small)
            preview = LivePreview(f"preview.{kind}", small) if small is not None and kind is not None else None
            self._drawn = data, preview
        return self._drawn[1]

    def add(self, attachments: Mapping[str, int], uploads: Iterable[Attachment]) -> None:
        """Record a successful edit. ``attachments`` are the ids of the message's attachments by their names."""
        for upload in uploads:
            if isinstance(upload, Upload) and upload.name in attachments and not self._upload_all:
                # Do not keep the bytes in memory.
                shown = ShownImage(upload.image, upload.name, upload.reencoded)
                self._shown[upload.image.id] = (shown, attachments[upload.name])

    def refused(self, *, preview: bool) -> None:
        """Record a refused edit. If it had a ``preview``, that may be the reason, otherwise the images."""
        if preview:
            self._no_preview = True
            return
        self._text_only = self._upload_all or not self._shown
        self._upload_all = True
        self._shown.clear()


def _kind(data: bytes) -> str | None:
    """The extension of this image. None if it is none."""
    return next((kind for kind, start in _STARTS.items() if data.startswith(start)), None)


async def _made_smaller(data: bytes, files: ImageFiles) -> bytes | None:
    """Draw the image in fewer pixels, as a JPEG, in threads. None if it is not an image, or if that fails."""
    if _kind(data) is None:
        return None
    aside = files.aside("preview")
    try:
        await files.pools.files.run(aside.write_bytes, data)
        return await decoding.drawn(files.pools, panel_picture, aside)
    except OSError as error:
        log.info("preview.not_made", kind=type(error).__name__)
        return None
    finally:
        await files.pools.files.run(_remove, aside)


def _remove(file: Path) -> None:
    with suppress(OSError):
        file.unlink(missing_ok=True)
