"""What there is to show of a job: its records, decoded, with what is known of its progress at this moment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from bot.generation.requests import ImagineOptions, decode_request
from bot.providers.base import Engine, ImageRequest, Provider
from storage import jobs as rows
from storage import ledger, threads
from storage.database import AsyncConnection
from storage.jobs import ENDED, Job, JobStatus, StoredImage, Submission, SubmissionStatus


@dataclass(frozen=True, slots=True)
class Progress:
    """What is happening now. Each is None where it is not known.

    ``queue_position`` is 1 for the next to be sent; ``expected_at`` is Unix milliseconds, UTC.
    """

    queue_position: int | None = None
    percent: int | None = None
    expected_at: int | None = None
    fetching: bool = False

    def expecting(self, at: int | None) -> Progress:
        """The same, probably over at ``at``."""
        return replace(self, expected_at=at)


@dataclass(frozen=True, slots=True)
class SubmissionView:
    """One paid request with its images. Amounts are millicredits; ``held`` is 0 once the submission has ended."""

    record: Submission
    request: ImageRequest
    images: tuple[StoredImage, ...]
    held: int
    captured: int | None
    exact: bool

    @property
    def ended(self) -> bool:
        return self.record.status in ENDED

    @property
    def seconds(self) -> float | None:
        """From sending to the finished answer."""
        sent, finished = self.record.sent_at, self.record.finished_at
        return (finished - sent) / 1000 if sent is not None and finished is not None else None


@dataclass(frozen=True, slots=True)
class JobView:
    """One card."""

    job: Job
    options: ImagineOptions
    engines: tuple[Engine, ...]
    """The engines of its submissions, as far as they are still offered."""
    submissions: tuple[SubmissionView, ...]
    thread_title: str | None
    progress: Progress
    quoted_exactly: bool = True
    """Whether the held price is what it will cost, or the most that it may."""

    @property
    def images(self) -> tuple[StoredImage, ...]:
        return tuple(image for submission in self.submissions for image in submission.images)

    @property
    def held(self) -> int:
        return sum(submission.held for submission in self.submissions)

    @property
    def captured(self) -> int:
        return sum(submission.captured or 0 for submission in self.submissions)

    @property
    def exact(self) -> bool:
        """Whether everything captured so far is exact."""
        return all(submission.exact for submission in self.submissions if submission.captured)

    @property
    def waiting(self) -> bool:
        return self.job.status in (JobStatus.PROPOSED, JobStatus.WORKING)

    @property
    def can_cancel(self) -> bool:
        """Whether something has not been sent yet."""
        return any(submission.record.status is SubmissionStatus.QUEUED for submission in self.submissions)


async def load(connection: AsyncConnection, job: Job, providers: Mapping[str, Provider], progress: Progress) -> JobView:
    """Read what belongs to the job and decode it."""
    submissions = await rows.submissions_of(connection, job.id)
    images = await rows.images_of(connection, job.id)
    costs = await ledger.costs_of(connection, job.id)
    thread = await threads.get_thread(connection, job.thread_id, job.user_id) if job.thread_id is not None else None
    views = []
    exactly = True
    for submission in submissions:
        request = decode_request(submission.request)
        entries = costs.get(submission.id, [])
        captures = [entry for entry in entries if entry.kind == "capture"]
        views.append(
            SubmissionView(
                record=submission,
                request=request,
                images=tuple(image for image in images if image.submission_id == submission.id),
                held=sum(entry.amount for entry in entries if entry.kind in ("hold", "release")),
                captured=sum(entry.amount for entry in captures) if captures else None,
                exact=all(entry.exact for entry in captures),
            )
        )
        provider = providers.get(submission.provider)
        exactly = exactly and provider is not None and provider.quote(request).exact
    engines = {engine.id: engine for provider in providers.values() for engine in provider.engines}
    return JobView(
        job=job,
        options=ImagineOptions.from_json(job.options),
        engines=tuple(engines[engine] for engine in dict.fromkeys(s.engine for s in submissions) if engine in engines),
        submissions=tuple(views),
        thread_title=thread.title if thread is not None else None,
        progress=progress,
        quoted_exactly=exactly,
    )
