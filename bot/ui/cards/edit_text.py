"""Texts of jobs that start from a picture: what is done to it, and whose picture it is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from bot.domain.areas import Area
from bot.domain.edits import NAMES
from bot.domain.pictures import ImageReference, SourceKind
from bot.jobs.made_from import MadeFrom
from bot.jobs.view import JobView
from bot.providers.base import ImageRequest
from bot.providers.operations import Margins, Operation
from bot.text import Message, Text, message, t
from bot.ui.cards.delivery_text import jump_url
from bot.ui.cards.layout import Words
from bot.ui.cards.wording import plain
from storage.records import DeliveryMethod, Job, JobStatus

VARIED = message("edit.varied", "Varied")
PART_CHANGED = message("edit.part_changed", "Changed a part")
PART_ERASED = message("edit.part_erased", "Erased a part")
EXTENDED = message("edit.extended", "Extended")
WORDS_CHANGED = message("edit.words_changed", "Changed by words")
FROM_SKETCH = message("edit.from_sketch", "From a sketch")
STRUCTURE_KEPT = message("edit.structure_kept", "Kept the structure")
UPSCALED = message("edit.upscaled", "Upscaled")
FACES_RESTORED = message("edit.faces_restored", "Restored faces")
BACKGROUND_REMOVED = message("edit.background_removed", "Removed the background")
DONE: Mapping[Operation, Message] = {
    Operation.IMAGE_TO_IMAGE: VARIED,
    Operation.INPAINT: PART_CHANGED,
    Operation.ERASE: PART_ERASED,
    Operation.OUTPAINT: EXTENDED,
    Operation.SEARCH_AND_REPLACE: WORDS_CHANGED,
    Operation.SKETCH: FROM_SKETCH,
    Operation.STRUCTURE: STRUCTURE_KEPT,
    Operation.UPSCALE: UPSCALED,
    Operation.RESTORE_FACES: FACES_RESTORED,
    Operation.REMOVE_BACKGROUND: BACKGROUND_REMOVED,
}
"""What was done, once there are images."""

CELLS = message("edit.cells", "{count} of {all} cells", "{count} of {all} cells")
BY_MASK = message("edit.by_mask", "marked by a mask")
TIMES = message("edit.times", "{scale} times larger")
EACH_SIDE = message("edit.each_side", "{pixels} px on each side")
BOTH_SIDES: Mapping[tuple[str, str], Message] = {
    ("left", "right"): message("edit.left_and_right", "{pixels} px left and right"),
    ("up", "down"): message("edit.up_and_down", "{pixels} px up and down"),
}
SIDES: Mapping[str, Message] = {
    "left": message("edit.left", "{pixels} px left"),
    "right": message("edit.right", "{pixels} px right"),
    "up": message("edit.up", "{pixels} px up"),
    "down": message("edit.down", "{pixels} px down"),
}

IMAGE_OF_JOB = message("edit.image_of_job", "image {number} of job {job:plain}")
ONLY_IMAGE = message("edit.only_image", "job {job:plain}")
FROM_IMAGE = message("edit.from_image", "made from {image}")
FROM_IMAGE_BY = message("edit.from_image_by", "made from {image} by {author}")
FROM_SOMEBODYS_IMAGE = message("edit.from_somebodys_image", "made from {author}’s image")
FROM_EARLIER_IMAGE = message("edit.from_earlier_image", "made from an earlier image")
FROM_YOUR_ATTACHMENT = message("edit.from_your_attachment", "made from a picture you attached")
FROM_ATTACHMENT = message("edit.from_attachment", "made from an attached picture")
FROM_SOMEBODYS_PICTURE = message("edit.from_somebodys_picture", "made from {author}’s picture")
FROM_POSTED_PICTURE = message("edit.from_posted_picture", "made from a picture in a message")

ALT_IN_PLACE = message("edit.alt_in_place", "{words} in place of {search}")
ALT_PART = message("edit.alt_part", "A picture with a changed part: {words}")
ALT_ERASED = message("edit.alt_erased", "A picture from which a part was erased")
ALT_EXTENDED = message("edit.alt_extended", "A picture that was extended")
ALT_UPSCALED = message("edit.alt_upscaled", "A picture that was upscaled")
ALT_FACES = message("edit.alt_faces", "A picture whose faces were restored")
ALT_NO_BACKGROUND = message("edit.alt_no_background", "A picture whose background was removed")
ALT_EXTENDED_WITH = message("edit.alt_extended_with", "A picture that was extended: {words}")

_SEARCH_AT_MOST = 100


# --- what is done -------------------------------------------------------------------------------------------------


def edit_name(view: JobView) -> Words:
    """What is done to the picture, or was done if there are images: ``Erased a part``."""
    return DONE[view.operation] if view.images and view.operation in DONE else NAMES[view.operation]


def edit_facts(view: JobView) -> Iterator[Words]:
    """The marked part, the pixels by which the picture is extended, or how many times larger it becomes."""
    request = next(iter(view.requests), None)
    if request is None:
        return
    if request.mask is not None:
        yield BY_MASK
    elif request.area is not None:
        yield area_text(request.area)
    if request.margins is not None:
        yield from margins_text(request.margins)
    if request.scale is not None:
        yield TIMES(scale=request.scale)


def area_text(area: str) -> Text:
    """An area in words: ``6 of 16 cells``."""
    marked = Area.parse(area)
    return CELLS(count=len(marked.cells), all=marked.side * marked.side)


def margins_text(margins: Margins) -> Iterator[Text]:
    """An extension in words: ``256 px left and right``, ``128 px up``."""
    if margins.largest == margins.smallest:
        yield EACH_SIDE(pixels=str(margins.largest))
        return
    for sides, words in BOTH_SIDES.items():
        first, second = (getattr(margins, side) for side in sides)
        if first and first == second:
            yield words(pixels=str(first))
            continue
        for side, pixels in zip(sides, (first, second), strict=True):
            if pixels:
                yield SIDES[side](pixels=str(pixels))


# --- the picture --------------------------------------------------------------------------------------------------


def source_text(view: JobView, *, to_author: bool | None = None) -> Text | None:
    """Whose picture it was made from, with a link if the readers may see it. None if it was made from words.

    ``to_author``: only the job's author reads it. By default, that follows from the job.
    """
    made = view.made_from
    if made is None:
        return None
    alone = view.job.public_in is None if to_author is None else to_author
    own = made.author_id in (None, view.job.user_id)
    author = f"<@{made.author_id}>"
    if made.kind in (SourceKind.ATTACHED, SourceKind.MASK):
        return FROM_YOUR_ATTACHMENT() if alone else FROM_ATTACHMENT()
    if made.kind is SourceKind.MESSAGE:
        return FROM_POSTED_PICTURE() if own else FROM_SOMEBODYS_PICTURE(author=author)
    if made.job is None or not _readable(made.job, view.job, to_author=alone):
        return FROM_EARLIER_IMAGE() if own else FROM_SOMEBODYS_IMAGE(author=author)
    url = jump_url(made.job)
    image = _image(made, made.job) if url is None else t("[{image}]({url})", image=_image(made, made.job), url=url)
    return FROM_IMAGE(image=image) if own else FROM_IMAGE_BY(image=image, author=author)


def source_image(view: JobView, *, to_author: bool) -> ImageReference | None:
    """The image that it was made from, if all readers may see it. ``to_author``: only the job's author reads it."""
    made = view.made_from
    if made is None or made.job is None or made.number is None:
        return None
    return ImageReference(made.job.id, made.number) if _readable(made.job, view.job, to_author=to_author) else None


def _image(made: MadeFrom, job: Job) -> Text:
    if made.images == 1:
        return ONLY_IMAGE(job=job.id)
    return IMAGE_OF_JOB(number=made.number or 1, job=job.id)


def _readable(source: Job, job: Job, *, to_author: bool) -> bool:
    """Whether all readers of the job's card may see the job from which its picture comes."""
    if source.status is JobStatus.DELETED:
        return False
    if to_author and source.user_id == job.user_id:
        return True
    if source.delivered_by is DeliveryMethod.DIRECT_MESSAGE:
        return False
    return source.public_in is not None and source.public_in == (job.public_in or job.channel_id)


# --- alt texts ----------------------------------------------------------------------------------------------------


def alt_words(request: ImageRequest, words: str) -> Words:
    """What an image shows, from the words of its request. They may be empty, or be about a part of the image only."""
    match request.operation:
        case Operation.SEARCH_AND_REPLACE:
            return ALT_IN_PLACE(words=words, search=plain(request.search or "", _SEARCH_AT_MOST))
        case Operation.INPAINT:
            return ALT_PART(words=words)
        case Operation.ERASE:
            return ALT_ERASED()
        case Operation.OUTPAINT:
            return ALT_EXTENDED_WITH(words=words) if words else ALT_EXTENDED()
        case Operation.UPSCALE:
            return ALT_UPSCALED()
        case Operation.RESTORE_FACES:
            return ALT_FACES()
        case Operation.REMOVE_BACKGROUND:
            return ALT_NO_BACKGROUND()
        case _:
            return words or t("An image")
