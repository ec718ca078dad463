"""The data that cards show of a job: decoded records and progress. Also who may see and manage a job."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from bot.domain.money import Price, converted, sum_of
from bot.domain.options import ImagineOptions
from bot.domain.place import Origin
from bot.domain.requests import decode_request
from bot.errors import UserError
from bot.jobs.made_from import MadeFrom, made_from
from bot.jobs.provider_text import as_texts
from bot.providers.base import Engine, ImageRequest, Provider
from bot.providers.operations import Operation
from bot.text import Text, message
from storage import hints, threads
from storage import images as image_rows
from storage import submissions as submission_rows
from storage.database import AsyncConnection
from storage.records import (
    ENDED,
    ON_THEIR_WAY,
    Costs,
    Job,
    JobStatus,
    ShareState,
    StoredImage,
    Submission,
    SubmissionStatus,
)

PLANNED = "planned"
"""The key under which a proposed job stores its requests, next to the typed options."""
REPEATS = "repeats"
"""The key under which a proposed job stores whether it would make images that exist."""
ASKED_PRICE = "asked_price"
"""The key under which a proposed job stores the highest price that its card has named, in millicredits."""
CONFIRMABLE = (15 * 60 - 15) * 1000
"""Milliseconds for which a price can be confirmed. After that, the card could not be edited when it lapses."""

PRIVATE_JOB = message("jobs.private", "This is somebody else's private job.")
OTHER_CHANNEL = message("jobs.other_channel", "This job belongs to another channel.")
LOST_IN_RESTORE = message(
    "submission.restored",
    "The bot's database had to be restored from a backup made before your images were finished, so we can't tell what "
    "became of them. Press Again to make them once more.",
)
"""The message for authors of unfinished jobs after a restore. It is here because the running bot needs it."""


@dataclass(frozen=True, slots=True)
class Page:
    """A page of a list: its number, counted from 1, and the number of pages."""

    number: int
    pages: int

    @classmethod
    def of(cls, wanted: int, *, things: int, at_once: int) -> Page:
        """Return the wanted page, or the nearest one that exists."""
        pages = max(1, -(-things // at_once))
        return cls(min(max(1, wanted), pages), pages)

    def offset(self, at_once: int) -> int:
        """Return the number of items before this page."""
        return (self.number - 1) * at_once


@dataclass(frozen=True, slots=True)
class PreviewedImage:
    """An image with its small preview. It is None if neither the preview nor the image's file exists any more."""

    image: StoredImage
    preview: bytes | None


@dataclass(frozen=True, slots=True)
class Progress:
    """The progress of a job at the time ``at``. All times are Unix milliseconds (UTC). None: unknown.

    ``queue_position`` is 1 for the next submission to be sent, and ``service_position`` for the next one that the
    service makes; it expects that to take ``seconds_left``. ``unserved``: none of its machines can make it now. Nothing
    is sent before ``outage_until``. The submissions on their way were sent from ``started_at`` on; they usually take
    ``usual_seconds`` altogether, and longer than usual from ``overdue_at`` on.
    """

    queue_position: int | None = None
    percent: int | None = None
    service_position: int | None = None
    seconds_left: float | None = None
    unserved: bool = False
    fetching: bool = False
    outage_until: int | None = None
    at: int = 0
    started_at: int | None = None
    usual_seconds: float | None = None
    overdue_at: int | None = None

    @property
    def overdue(self) -> bool:
        """Whether the job takes longer than usual."""
        return self.overdue_at is not None and self.overdue_at <= self.at


@dataclass(frozen=True, slots=True)
class SubmissionView:
    """A submission with its images. Amounts are millicredits; ``held`` is 0 after its end."""

    record: Submission
    request: ImageRequest
    images: tuple[StoredImage, ...]
    held: int
    captured: int | None
    exact: bool
    problems: tuple[Text, ...] = ()
    """The reasons why it failed, or what is missing."""
    provider_missing: bool = False
    """Whether it waits for its provider to be configured again."""
    charges: bool = True
    """Whether it costs anything."""
    stoppable: bool = False
    """Whether it was sent to a provider that can stop it."""

    @property
    def seconds(self) -> float | None:
        """The seconds from sending to the finished response."""
        sent, finished = self.record.sent_at, self.record.finished_at
        return (finished - sent) / 1000 if sent is not None and finished is not None else None


@dataclass(frozen=True, slots=True)
class JobView:
    """The data of one card."""

    job: Job
    options: ImagineOptions
    engines: tuple[Engine, ...]
    """The engines of its requests, if they are still offered."""
    submissions: tuple[SubmissionView, ...]
    thread_title: str | None
    progress: Progress
    quoted_exactly: bool = True
    """Whether the held price is exact. Otherwise it is an upper bound."""
    planned: tuple[ImageRequest, ...] = ()
    """The requests of a proposed job. They are sent when it is confirmed."""
    prices: tuple[Price, ...] = ()
    """The price of each planned request; 0 if its engine is no longer offered."""
    first_result: bool = False
    """Whether it is about to be delivered and its author has not seen the hint for a first result yet."""
    made_from: MadeFrom | None = None
    """The picture that it started from, if any."""

    @property
    def images(self) -> tuple[StoredImage, ...]:
        return tuple(image for submission in self.submissions for image in submission.images)

    @property
    def requests(self) -> tuple[ImageRequest, ...]:
        """All requests of the job, sent or planned."""
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
        """The total price of all planned requests."""
        return sum_of(self.prices)

    @property
    def repeats(self) -> bool:
        """Whether a proposed job would make images that exist, because its seeds are fixed."""
        return bool(self.job.options.get(REPEATS))

    @property
    def asked_in_place(self) -> bool:
        """Whether the card that asks to confirm the price becomes the job's card.

        It does for a private job, and in direct messages with the bot, because only the author sees it. Otherwise the
        job's card is posted when the price is confirmed.
        """
        return asks_in_place(private=self.job.private, server_id=self.job.server_id, bot_present=self.job.bot_present)

    @property
    def lapses_at(self) -> int:
        """The time until which a proposed job can be confirmed, in Unix milliseconds."""
        return self.job.created_at + CONFIRMABLE

    @property
    def operation(self) -> Operation:
        return self.options.operation

    @property
    def waiting(self) -> bool:
        return self.job.status in (JobStatus.PROPOSED, JobStatus.WORKING)

    @property
    def can_cancel(self) -> bool:
        """Whether any of its submissions is unsent, can be stopped, or waits for a provider that is not configured."""
        return any(
            each.provider_missing or each.stoppable or each.record.status is SubmissionStatus.QUEUED
            for each in self.submissions
        )

    @property
    def free(self) -> bool:
        """Whether none of its requests costs anything."""
        return bool(self.submissions) and not any(each.charges for each in self.submissions)


async def load(connection: AsyncConnection, job: Job, providers: Mapping[str, Provider], progress: Progress) -> JobView:
    """Read everything that belongs to the job."""
    (view,) = await load_all(connection, [job], providers)
    first = (
        job.status is JobStatus.READY
        and len(view.images) > 0
        and not await hints.was_shown(connection, job.user_id, hints.Hint.FIRST_RESULT)
    )
    return replace(view, progress=progress, first_result=first)


async def load_all(
    connection: AsyncConnection, jobs: Sequence[Job], providers: Mapping[str, Provider]
) -> list[JobView]:
    """Load several jobs, with as many queries as for one."""
    submissions: dict[int, list[tuple[Submission, Costs]]] = {job.id: [] for job in jobs}
    for submission, costs in await submission_rows.with_costs(connection, submissions):
        submissions[submission.job_id].append((submission, costs))
    # Images are stored when their submission ends; most views are read before that, so the query is skipped.
    made = [job_id for job_id, its in submissions.items() if any(_may_have_images(one) for one, _ in its)]
    images: dict[int, list[StoredImage]] = {}
    for image in await image_rows.images_of(connection, *made) if made else ():
        images.setdefault(image.submission_id, []).append(image)
    titles = await threads.titles(connection, {job.thread_id for job in jobs if job.thread_id is not None})
    views = [_view(job, submissions[job.id], images, titles, providers) for job in jobs]
    pictures = await made_from(connection, [(view.job, view.options) for view in views])
    return [replace(view, made_from=pictures.get(view.job.id)) if pictures else view for view in views]


def _may_have_images(submission: Submission) -> bool:
    return submission.status is SubmissionStatus.DONE or submission.reopened_at is not None


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
        provider = providers.get(submission.provider)
        quote = None if provider is None else provider.quote(request)
        views.append(
            SubmissionView(
                record=submission,
                request=request,
                images=tuple(images.get(submission.id, ())),
                held=costs.held,
                captured=costs.captured,
                exact=costs.exact,
                problems=as_texts(submission.problems),
                provider_missing=submission.status not in ENDED and provider is None,
                charges=quote is None or quote.high > 0 or bool(costs.captured or costs.held),
                stoppable=submission.status in ON_THEIR_WAY and provider is not None and provider.cancels,
            )
        )
        exactly = exactly and quote is not None and quote.exact
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


def available_engines(providers: Mapping[str, Provider]) -> dict[str, Engine]:
    """Return the engines that their services still have, by id, each for its first operation."""
    return {
        engine.id: engine
        for provider in providers.values()
        for engine in provider.engines
        if engine.id not in provider.retired
    }


def asks_in_place(*, private: bool, server_id: int | None, bot_present: bool) -> bool:
    """See :attr:`JobView.asked_in_place`."""
    return private or (server_id is None and bot_present)


def planned_requests(job: Job) -> tuple[ImageRequest, ...]:
    """Decode the requests of a proposed job."""
    return tuple(decode_request(request) for request in job.options.get(PLANNED, ()))


def price_of(requests: Iterable[ImageRequest], providers: Mapping[str, Provider]) -> Price:
    """Add up the price of the requests, in the bot's millicredits; 0 for those whose provider is gone."""
    prices = []
    for request in requests:
        provider = providers.get(request.engine.partition("/")[0])
        if provider is not None:
            quote = provider.quote(request)
            low, high = (converted(amount, provider.credit_value) for amount in (quote.low, quote.high))
            prices.append(Price(low, high, quote.exact))
    return sum_of(prices)


def may_see(origin: Origin, job: Job) -> bool:
    """Return whether this person may see the job: it is their own, or public in this channel."""
    if job.status is JobStatus.DELETED:
        return False
    return job.user_id == origin.user_id or job.public_in == origin.channel_id


def require_visible(origin: Origin, job: Job) -> None:
    """Raise UserError if this person may not see the job."""
    if not may_see(origin, job):
        raise UserError(PRIVATE_JOB if job.public_in is None else OTHER_CHANNEL)


def may_manage(origin: Origin, job: Job) -> bool:
    """Whether this person may cancel or delete the job: its author, or a moderator of the server where it is public."""
    if origin.user_id == job.user_id:
        return True
    server_id = job.share_server_id if job.share_state is ShareState.POSTED else job.server_id
    moderates = origin.manage_messages and origin.server_id is not None and origin.server_id == server_id
    return job.public_in is not None and moderates
