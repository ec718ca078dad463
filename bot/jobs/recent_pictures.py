"""The pictures that a person may want to go on from: the images they made, and the pictures they brought."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from bot.clock import Clock
from bot.domain.pictures import ImageReference, Reference, SourceKind, StoredReference
from bot.domain.place import Origin
from bot.domain.prompt.parser import ParsedPrompt
from bot.domain.requests import title_of
from bot.jobs.sources import Sources
from bot.jobs.store import JobStore
from bot.jobs.view import JobView, load_all, may_see
from bot.providers.operations import Operation
from storage import jobs
from storage.jobs import JobFilter

_DAY = 24 * 60 * 60 * 1000
# The beginning of the name of an image: the job, and perhaps the place of the image in it.
_NAMED = re.compile(r"(?P<job>[0-9]{1,18})(?:-[0-9]{0,2})?", re.ASCII)


@dataclass(frozen=True, slots=True)
class RecentPicture:
    """A picture to suggest. ``at`` is when it was made, or brought or used last, in Unix milliseconds (UTC).

    ``days`` is how many days ago that was. ``operation`` is what made an image, and ``words`` is its prompt, which may
    be empty. Both are empty for a picture that the person brought.
    """

    reference: Reference
    kind: SourceKind
    at: int
    days: int
    operation: Operation | None = None
    words: str = ""


class RecentPictures:
    """Finds a person's pictures. Does not check that their files can be read."""

    def __init__(self, store: JobStore, sources: Sources, clock: Clock) -> None:
        self._store = store
        self._sources = sources
        self._clock = clock

    async def images(self, origin: Origin, text: str, *, limit: int) -> list[RecentPicture]:
        """Return images that the person made, the latest job first, those of the same job in their order.

        The prompt contains the ``text``, or the text is the beginning of a reference. Images of the job that it names
        come first, also those of another person's job that is public in this channel.
        """
        named = _NAMED.fullmatch(text.strip())
        async with self._store.database.read() as connection:
            found = await jobs.jobs_of(connection, origin.user_id, JobFilter(words=text or None), limit=limit)
            first = None if named is None else await jobs.get_job(connection, int(named["job"]))
            if first is not None and may_see(origin, first):
                found = [first, *(job for job in found if job.id != first.id)]
            views = await load_all(connection, found, self._store.providers)
        images = [image for view in views for image in self._images(view)]
        if named is not None:
            begun = text.strip()
            images.sort(key=lambda image: not str(image.reference).startswith(begun))
        return images[:limit]

    async def brought(self, origin: Origin, *, limit: int) -> list[RecentPicture]:
        """Return the pictures that the person attached or took from a message, the latest first."""
        stored = await self._sources.recent(origin.user_id, limit=limit)
        return [
            RecentPicture(StoredReference(each.id), each.kind, at, self._days_ago(at))
            for each in stored
            if each.kind is not SourceKind.RESULT
            for at in (max(each.created_at, each.used_at or 0),)
        ]

    def _images(self, view: JobView) -> Iterator[RecentPicture]:
        made = ((each.request, image) for each in view.submissions for image in each.images)
        for position, (request, image) in enumerate(made, 1):
            if image.file is not None:
                reference, words = ImageReference(view.job.id, position), title_of(ParsedPrompt(request.prompts))
                at = view.job.created_at
                yield RecentPicture(reference, SourceKind.RESULT, at, self._days_ago(at), request.operation, words)

    def _days_ago(self, at: int) -> int:
        return max(0, self._clock.now() // _DAY - at // _DAY)
