"""The card of the Log button: every step of a job with its time, for those who may see its details."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from discord import ui

from bot.jobs.results import JobDetails
from bot.jobs.view import JobView, SubmissionView
from bot.text import Text, lasted, message, t
from bot.ui.cards.buttons import BACK_TO_DETAILS
from bot.ui.cards.job import SUBMISSION_STATUS
from bot.ui.cards.job_text import label
from bot.ui.cards.layout import Card, Words, facts, heading, quiet, rule, text, within
from bot.ui.cards.wording import moment, safe
from storage.records import Event, EventReason, SubmissionStatus

_REQUESTS_AT_MOST = 1400
_STEPS_AT_MOST = 2300
_RENDERING = SubmissionStatus.RENDERING
# The keys of a provider's handle that are ids of the provider.
_IDS = frozenset({"thread", "request"})
# Reasons that occur in every job and only repeat its status.
_EXPECTED = frozenset(
    {
        EventReason.ASKED,
        EventReason.SENT,
        EventReason.ACCEPTED,
        EventReason.FINISHED,
        EventReason.CANCELLED,
        EventReason.FAILED,
        EventReason.OTHER,
    }
)
_WHY: Mapping[str, Text] = {
    EventReason.FOUND: t("the image service has it"),
    EventReason.BUSY: t("the image service is busy"),
    EventReason.UNREACHABLE: t("the image service can't be reached"),
    EventReason.TOO_LARGE: t("the picture was too large; a smaller one is sent"),
    EventReason.NOT_FOUND: t("the image service doesn't offer this at the moment"),
    EventReason.NOT_ARRIVED: t("it did not arrive"),
    EventReason.REFUSED: t("refused by the image service"),
    EventReason.QUEUED_TOO_LONG: t("waited too long"),
    EventReason.NOT_SENT_AGAIN: t("sent, and could not be sent again"),
    EventReason.NO_ANSWER: t("sent, and no answer came"),
    EventReason.NOT_LOOKED_FOR: t("sent, and could not be looked up"),
    EventReason.LOST_TWICE: t("sent twice, and not seen at the image service"),
    EventReason.GONE: t("the image service no longer knows it"),
    EventReason.TIMED_OUT: t("took too long"),
    EventReason.NOTHING_MADE: t("charged by the image service, and nothing was made"),
    EventReason.NO_IMAGES: t("no image could be downloaded"),
    EventReason.CRASHED: t("an error of ours"),
    EventReason.PROVIDER_REMOVED: t("the image service is no longer set up"),
    EventReason.RESTORED: t("restored from a backup"),
    EventReason.REOPENED: t("reopened by the bot's operator"),
}

TITLE = message("log.title", "Log of job {job:plain}")
WAITED = message("details.waited", "waited {time}")
ACCEPTED = message("details.accepted", "accepted after {time}")
MADE = message("details.made", "made in {time}")
DOWNLOADED = message("details.downloaded", "downloaded in {time}")
NO_STEPS = message("details.no_steps", "No steps yet")


def log_card(found: JobDetails) -> Card:
    """The time of each stage and the service's ids for each request, then every step with its time."""
    view = found.view
    requests = within(_requests(found), _REQUESTS_AT_MOST)
    return Card(
        text(heading(TITLE(job=view.job.id)), *requests),
        rule(),
        text(*within([quiet(step) for step in _steps(view, found.events)], _STEPS_AT_MOST)),
        ui.ActionRow(BACK_TO_DETAILS.on(view.job.id)),
    )


def _requests(found: JobDetails) -> Iterator[str]:
    view = found.view
    for number, submission in enumerate(view.submissions, 1):
        status = SUBMISSION_STATUS[submission.record.status]
        yield facts(
            # Escaped: the number is part of the text, not of a Markdown list.
            f"{number}\\. {status}" if len(view.submissions) > 1 else status,
            (label(view, submission.request) if len(view.submissions) > 1 else None) or None,
            ", ".join(_stages(submission, found.events)) or None,
        )
        if ids := _provider_ids(submission):
            yield quiet(ids)


def _stages(submission: SubmissionView, events: Sequence[Event]) -> Iterator[str]:
    """The time in the queue, the time of the service, and the time of the downloads."""
    record = submission.record
    accepted = next(
        (event.at for event in events if event.submission_id == record.id and event.new_status is _RENDERING), None
    )
    for stage, since, to in (
        (WAITED, record.created_at, record.sent_at),
        (ACCEPTED, record.sent_at, accepted),
        (MADE, accepted or record.sent_at, record.finished_at),
        (DOWNLOADED, record.finished_at, record.ended_at),
    ):
        if since is not None and to is not None:
            yield str(stage(time=_short(to - since)))


def _short(milliseconds: int) -> str:
    return lasted(milliseconds / 1000) if milliseconds >= 950 else f"{max(100, milliseconds) / 1000:.1f} s"


def _provider_ids(submission: SubmissionView) -> str:
    """The provider's ids for the request and its thread, if there are any."""
    handle = submission.record.handle or {}
    ids = [f"{name} {safe(value, 80)}" for name, value in handle.items() if name in _IDS and isinstance(value, str)]
    return f"{safe(submission.record.provider, 40)}: {', '.join(ids)}" if ids else ""


def _steps(view: JobView, events: Sequence[Event]) -> list[str]:
    numbers = {each.record.id: number for number, each in enumerate(view.submissions, 1)}
    lines = []
    for event in events:
        step = _step(event)
        if len(numbers) > 1:
            step = f"{numbers.get(event.submission_id, '?')}\\. {step}"
        lines.append(f"{moment(event.at, 'T')} {step}")
    return lines or [str(NO_STEPS)]


def _step(event: Event) -> Words:
    """The new status, with the reason if it adds information."""
    status = SUBMISSION_STATUS[event.new_status]
    why = None if event.why in _EXPECTED else _WHY.get(event.why)
    return status if why is None else f"{status}: {why}"
