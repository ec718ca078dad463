"""The picture that a job started from, as cards name it: whose it is, and the job that made it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from bot.domain.options import ImagineOptions
from bot.domain.pictures import SourceKind
from storage import images, jobs, sources
from storage.database import AsyncConnection
from storage.records import Job, StoredSource


@dataclass(frozen=True, slots=True)
class MadeFrom:
    """The picture that a job started from.

    ``author_id`` is the person whose picture it is, if it is somebody's. ``job`` made it, and ``number`` is the place
    of the image among its images, from 1; both are None for a picture that the bot did not make or that is deleted.
    ``images`` is the number of images of that job.
    """

    kind: SourceKind
    author_id: int | None = None
    job: Job | None = None
    number: int | None = None
    images: int = 0


async def made_from(
    connection: AsyncConnection, jobs_of_pictures: Iterable[tuple[Job, ImagineOptions]]
) -> Mapping[int, MadeFrom]:
    """Return what these jobs started from, by job id. Jobs that started from words are left out."""
    started = [(job, options) for job, options in jobs_of_pictures if options.source is not None]
    if not started:
        return {}
    stored = await sources.get_all(connection, {job.source_id for job, _ in started if job.source_id is not None})
    makers = {source.job_id for source in stored.values() if source.job_id is not None}
    known = {job.id: job for job in await jobs.get_jobs(connection, makers)} if makers else {}
    places = await images.places(connection, makers) if makers else {}
    return {job.id: _of(options, stored.get(job.source_id or 0), known, places) for job, options in started}


def _of(
    options: ImagineOptions,
    source: StoredSource | None,
    known: Mapping[int, Job],
    places: Mapping[int, Mapping[int, int]],
) -> MadeFrom:
    """``places`` are the places of images by job and image."""
    if source is None:
        # The record is gone. The options say what it was.
        picture = options.source
        kind = SourceKind.ATTACHED if picture is None else picture.kind
        return MadeFrom(kind, None if picture is None else picture.author_id)
    number = places.get(source.job_id or 0, {}).get(source.image_id or 0)
    job = None if number is None else known.get(source.job_id or 0)
    siblings = len(places.get(source.job_id or 0, {}))
    return MadeFrom(source.kind, source.author_id, job, number, siblings)
