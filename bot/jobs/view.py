"""What there is to show of a job: its records, decoded, with what is known of its progress at this moment."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from bot.domain.money import Price, converted, sum_of
from bot.domain.requests import ImagineOptions, decode_request
from bot.jobs.provider_text import as_texts
from bot.providers.base import Engine, ImageRequest, Provider
from bot.text import Text
from storage import jobs as rows
from storage import threads
from storage.database import AsyncConnection
from storage.jobs import ENDED, Costs, Job, JobStatus, StoredImage, Submission, SubmissionStatus

PLANNED = "planned"
"""Where a proposed job keeps its requests, beside the options that were typed."""
CONFIRMABLE = (15 * 60 - 15) * 1000
"""Milliseconds for which a price can be confirmed: as long as the card can still be told that it lapsed."""


@dataclass(frozen=True, slots=True)
class Progress:
    """What is happening now. Each is None where it is not known.

    ``queue_position`` is 1 for the next to be sent; ``expected_at`` is Unix milliseconds, UTC, and so is
    ``outage_until``, before which nothing is sent because of an outage. ``overdue``: it takes longer than usual.
    """

    queue_position: int | None = None
    percent: int | None = None
    expected_at: int | None = None
    fetching: bool = False
    outage_until: int | None = None
    overdue: bool = False

    def expecting(self, at: int | None, *, overdue: bool) -> Progress:
        """The same, probably over at ``at``, or ``overdue``."""
        return replace(self, expected_at=at, overdue=overdue)


@dataclass(frozen=True, slots=True)
class SubmissionView:
    """One paid request with its images. Amounts are millicredits; ``held`` is 0 once the submission has ended."""

    record: Submission
    request: ImageRequest
    images: tuple[StoredImage, ...]
    held: int
    captured: int | None
    exact: bool
    problems: tuple[Text, ...] = ()
    """Why it failed, or what is missing."""
    provider_missing: bool = False
    """Whether it goes on only when its provider is set up again."""

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
    planned: tuple[ImageRequest, ...] = ()
    """What would be sent if it were confirmed: of a job that was only proposed."""
    prices: tuple[Price, ...] = ()
    """What each of the planned requests would cost; nothing where its engine is no longer offered."""

    @property
    def images(self) -> tuple[StoredImage, ...]:
        return tuple(image for submission in self.submissions for image in submission.images)

    @property
    def requests(self) -> tuple[ImageRequest, ...]:
        """Everything that it asks of the engines, sent or only planned."""
        return tuple(submission.request for submission in self.submissions) or self.planned

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
    def price(self) -> Price:
        """What all the planned requests would cost together."""
        return sum_of(self.prices)

    @property
    def lapses_at(self) -> int:
        """Until when it can be confirmed, if it is only proposed: Unix milliseconds."""
        return lapses_at(self.job)

    @property
    def waiting(self) -> bool:
        return self.job.status in (JobStatus.PROPOSED, JobStatus.WORKING)

    @property
    def can_cancel(self) -> bool:
        """Whether something is not on its way."""
        return any(
            submission.provider_missing or submission.record.status is SubmissionStatus.QUEUED
            for submission in self.submissions
        )


async def load(connection: AsyncConnection, job: Job, providers: Mapping[str, Provider], progress: Progress) -> JobView:
    """Read what belongs to the job and decode it."""
    (view,) = await load_all(connection, [job], providers)
    return replace(view, progress=progress)


async def load_all(
    connection: AsyncConnection, jobs: Sequence[Job], providers: Mapping[str, Provider]
) -> list[JobView]:
    """The same of several jobs, in as many queries as of one."""
    submissions: dict[int, list[tuple[Submission, Costs]]] = {job.id: [] for job in jobs}
    for submission, costs in await rows.with_costs(connection, submissions):
        submissions[submission.job_id].append((submission, costs))
    # Images come with the end of their submission, and most often a card is read before it.
    made = [job_id for job_id, its in submissions.items() if any(one.status is SubmissionStatus.DONE for one, _ in its)]
    images: dict[int, list[StoredImage]] = {}
    for image in await rows.images_of(connection, *made) if made else ():
        images.setdefault(image.submission_id, []).append(image)
    titles = await threads.titles(connection, {job.thread_id for job in jobs if job.thread_id is not None})
    return [_view(job, submissions[job.id], images, titles, providers) for job in jobs]


def _view(
    job: Job,
    submissions: Sequence[tuple[Submission, Costs]],
    images: Mapping[int, Sequence[StoredImage]],
    titles: Mapping[int, str],
    providers: Mapping[str, Provider],
) -> JobView:
    views = []
    exactly = True
    for submission, costs in submissions:
        request = decode_request(submission.request)
        views.append(
            SubmissionView(
                record=submission,
                request=request,
                images=tuple(images.get(submission.id, ())),
                held=costs.held,
                captured=costs.captured,
                exact=costs.exact,
                problems=as_texts(submission.problems),
                provider_missing=submission.status not in ENDED and submission.provider not in providers,
            )
        )
        provider = providers.get(submission.provider)
        exactly = exactly and provider is not None and provider.quote(request).exact
    engines = {engine.id: engine for provider in providers.values() for engine in provider.engines}
    planned = () if submissions else planned_requests(job)
    named = dict.fromkeys([*(submission.engine for submission, _ in submissions), *(each.engine for each in planned)])
    return JobView(
        job=job,
        options=ImagineOptions.from_json(job.options),
        engines=tuple(engines[engine] for engine in named if engine in engines),
        submissions=tuple(views),
        thread_title=None if job.thread_id is None else titles.get(job.thread_id),
        progress=Progress(),
        quoted_exactly=exactly,
        planned=planned,
        prices=tuple(price_of((request,), providers) for request in planned),
    )


def planned_requests(job: Job) -> tuple[ImageRequest, ...]:
    """The requests of a job that was proposed and never begun."""
    return tuple(decode_request(request) for request in job.options.get(PLANNED, ()))


def lapses_at(job: Job) -> int:
    """Until when a proposed job can be confirmed: Unix milliseconds."""
    return job.created_at + CONFIRMABLE


def price_of(requests: Iterable[ImageRequest], providers: Mapping[str, Provider]) -> Price:
    """What the requests cost together, in the bot's millicredits; those whose provider is gone count nothing."""
    prices = []
    for request in requests:
        provider = providers.get(request.engine.partition("/")[0])
        if provider is not None:
            quote = provider.quote(request)
            low, high = (converted(amount, provider.credit_value) for amount in (quote.low, quote.high))
            prices.append(Price(low, high, quote.exact))
    return sum_of(prices)
