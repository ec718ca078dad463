"""A job's images made ready to be sent: named after their prompts, with their settings in them, fitted to a request."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection
from dataclasses import replace

from bot.jobs.view import JobView
from bot.providers.base import ImageRequest
from bot.ui.delivery import images, parameters_text
from bot.ui.delivery.images import Labelled, Uploads
from storage.images import ImageFiles

FILES_AT_MOST = 10
"""Files that Discord takes in one message."""
STEM_AT_MOST = 40
"""Characters of a file's name that are taken from the prompt."""

_GAPS = re.compile(r"[^a-z0-9]+")


async def pack(
    view: JobView,
    files: ImageFiles,
    *,
    file_limit: int,
    request_limit: int = images.REQUEST_LIMIT,
    with_text: bool = True,
    without: Collection[int] = (),
) -> Uploads:
    """The job's images in order, each within ``file_limit`` and all within ``request_limit``, in bytes.

    ``with_text`` puts prompt and settings into the files; ``without`` are ids of images that are left out.
    """
    wanted = [each for each in labelled(view, with_text=with_text) if each.image.id not in without]
    first, rest = wanted[:FILES_AT_MOST], wanted[FILES_AT_MOST:]
    packed = await images.prepare(first, files, file_limit=file_limit, request_limit=request_limit)
    return replace(packed, unfit=packed.unfit + len(rest)) if rest else packed


def labelled(view: JobView, *, with_text: bool) -> list[Labelled]:
    """Every image of the job with its file's name and, if wanted, the text that it carries."""
    engines = {engine.id: engine for engine in view.engines}
    found = []
    before = 0
    for submission in view.submissions:
        request = submission.request
        for image in submission.images:
            # By its place and not by its turn: a card takes images in as they come, and no two may have one name.
            number = str(before + min(image.position + 1, request.images))
            if image.position >= request.images:
                # More than was asked for: the request arrived twice.
                number += f"-{image.position + 1}"
            text = parameters_text.parameters(request, image, engines.get(request.engine)) if with_text else None
            found.append(Labelled(image, _stem(view.job.id, request, number), text))
        before += request.images
    return found


def _stem(job_id: int, request: ImageRequest, number: str) -> str:
    """Words of the prompt, the job and a number: names that sort, and that any file system takes."""
    words = slug(" ".join(part.text for part in request.prompts if part.weight > 0))
    return f"{words}-{job_id}-{number}"


def slug(text: str) -> str:
    """The first words of a text in small Latin letters and digits; ``easel`` where there are none."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    words = _GAPS.sub("-", plain).strip("-")
    if len(words) > STEM_AT_MOST:
        words = words[: STEM_AT_MOST + 1].rpartition("-")[0] or words[:STEM_AT_MOST]
    return words or "easel"
