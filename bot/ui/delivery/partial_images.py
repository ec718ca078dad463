"""The images of a card that is still worked on: they stand in it one after the other, each sent once."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from bot.jobs.view import JobView
from bot.ui.cards.job import ShownImage
from bot.ui.delivery.attachments import pack
from bot.ui.delivery.images import REQUEST_LIMIT, Upload
from storage.images import ImageFiles


@dataclass(slots=True)
class Growing:
    """Which images stand in a card already, by the ids of their files, which an edit has to name to keep them.

    After a refusal each edit brings all of its images anew; after another the card goes on in words alone, and the
    result brings the images.
    """

    _standing: dict[int, tuple[ShownImage, int]] = field(default_factory=dict)
    _anew: bool = False
    _plain: bool = False

    @property
    def kept(self) -> Collection[int]:
        """The files of the message that are to stay."""
        return [file for _, file in self._standing.values()]

    async def news(self, view: JobView, files: ImageFiles, *, with_text: bool) -> tuple[Upload, ...]:
        """The images that are ready and do not stand in the card yet, if the job is one that has several requests."""
        new = [image for image in view.images if image.id not in self._standing]
        if self._plain or not new or len(view.submissions) == 1:
            return ()
        # All of them together are one message at the end, so none may have more than its share now.
        share = REQUEST_LIMIT // sum(request.images for request in view.requests)
        packed = await pack(
            view,
            files,
            file_limit=min(view.job.file_limit, share),
            with_text=with_text,
            without=self._standing.keys(),
        )
        return packed.ready

    def shown(self, view: JobView, uploads: Iterable[Upload]) -> list[ShownImage]:
        """What the card holds when these have come to it, in the job's order."""
        order = {image.id: place for place, image in enumerate(view.images)}
        every = [shown for shown, _ in self._standing.values()]
        every += [ShownImage(upload.image, upload.name, upload.reencoded) for upload in uploads]
        return sorted(every, key=lambda each: order.get(each.image.id, 0))

    def took(self, standing: Mapping[str, int], uploads: Iterable[Upload]) -> None:
        """The edit was made; ``standing`` are the ids of the message's files by their names."""
        for upload in uploads:
            if upload.name in standing and not self._anew:
                shown = ShownImage(upload.image, upload.name, upload.reencoded)
                self._standing[upload.image.id] = (shown, standing[upload.name])

    def refused(self) -> None:
        """The edit was not made, and its images may be why."""
        self._plain = self._anew or not self._standing
        self._anew = True
        self._standing.clear()
