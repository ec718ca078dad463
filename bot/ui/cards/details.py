"""The card of the Details button: everything about a job, for people who may see it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from discord import ui

from bot.domain.requests import command_line
from bot.jobs.results import JobDetails
from bot.jobs.view import JobView, SubmissionView
from bot.text import Text, credits_text, lasted, message, t
from bot.ui.cards.buttons import CHILD, PARENT
from bot.ui.cards.delivery_text import delivery_text
from bot.ui.cards.job import JOB_STATUS, SUBMISSION_STATUS, cost_text
from bot.ui.cards.job_text import label, prompt_text, seeds, settings_text
from bot.ui.cards.layout import TEXT_AT_MOST, Card, Words, facts, heading, quiet, rule, text, within
from bot.ui.cards.proposal import LAPSED
from bot.ui.cards.wording import moment, safe, units
from storage.records import Event, EventReason, JobStatus, SubmissionStatus

LINE_AT_MOST = 1400
"""The maximum length of the command line that is shown."""
BUTTONS_AT_MOST = 5

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

COMMAND = message("details.command", "Command to recreate this")
COMMAND_TOO_LONG = message(
    "details.command_too_long", "The command to recreate this is too long to show here. Edit has all of it."
)
HEADLINE = message("details.headline", "**Job {job:plain}** · {status} · by {person} {when}")
SETTINGS = message("details.settings", "Engine and settings: {settings}")
COST = message("details.cost", "Cost: {cost}")
EXACT_COST = message("details.exact_cost", "Cost: {cost} (exact)")
THREAD = message("details.thread", "Thread: {title}")
NOT_STARTED = message("details.not_started", "Not started: {reason}")
KEPT_UNTIL = message("details.kept_until", "Its images are kept until {date}.")
HIDDEN = message(
    "details.hidden",
    "Related to {count} job that you cannot see here.",
    "Related to {count} jobs that you cannot see here.",
)
WAITED = message("details.waited", "waited {time}")
ACCEPTED = message("details.accepted", "accepted after {time}")
MADE = message("details.made", "made in {time}")
DOWNLOADED = message("details.downloaded", "downloaded in {time}")
NO_STEPS = message("details.no_steps", "No steps yet")


def details_card(found: JobDetails) -> Card:
    """The prompt, the settings, the cost, each request with its seeds, price and times, the command to recreate it,
    every step with its time, and buttons to the job it was made from and to those made from it.
    """
    view = found.view
    about = _facts(found)
    line = command_line(view.options).replace("```", "'''")
    fits = units(line) <= LINE_AT_MOST
    again = [heading(COMMAND), f"```{line}```"] if fits else [quiet(COMMAND_TOO_LONG)]
    # The command contains the prompt.
    prompt = prompt_text(view, 700 if fits else 1200)
    requests = within(_requests(found), 900)
    written = [prompt, *about, *requests, *again]
    room = TEXT_AT_MOST - sum(units(part) + 1 for part in written) - 20
    steps = within([quiet(step) for step in _steps(view, found.events)], max(60, room))
    parts: list[ui.Item[Any]] = [text(prompt), rule(), text(*about)]
    parts += [rule(), text(*requests)] if requests else []
    parts += [rule(), text(*again), rule(), text(*steps)]
    if row := _related(found):
        parts.append(row)
    return Card(*parts)


def _facts(found: JobDetails) -> list[str]:
    view, job = found.view, found.view.job
    exact = view.captured and view.exact and not view.held
    status, person, when = JOB_STATUS[job.status], f"<@{job.user_id}>", moment(job.created_at, "f")
    lines: list[Words] = [
        HEADLINE(job=job.id, status=status, person=person, when=when),
        SETTINGS(settings=settings_text(view)),
        (EXACT_COST if exact else COST)(cost=cost_text(view)),
    ]
    # A thread's title may be taken from a prompt that others may not see.
    if view.thread_title is not None and found.mine:
        lines.append(THREAD(title=safe(view.thread_title, 200)))
    if job.lapse_reason is not None:
        lines.append(NOT_STARTED(reason=LAPSED[job.lapse_reason]))
    elif (delivery := delivery_text(job)) is not None:
        lines.append(delivery)
    if job.status is JobStatus.UNDELIVERED and any(image.file is not None for image in view.images):
        lines.append(KEPT_UNTIL(date=moment(found.kept_until, "D")))
    if found.hidden:
        lines.append(quiet(HIDDEN(count=found.hidden)))
    return [str(line) for line in lines]


def _related(found: JobDetails) -> ui.ActionRow[Any] | None:
    """Buttons for the parent and the latest children; they replace the content of this card."""
    buttons: list[ui.Button[Any]] = []
    if found.parent is not None:
        buttons.append(PARENT.on(found.parent, job=found.parent))
    latest = found.children[-(BUTTONS_AT_MOST - len(buttons)) :]
    buttons += [CHILD.on(child, job=child) for child in latest]
    return ui.ActionRow(*buttons) if buttons else None


def _requests(found: JobDetails) -> Iterator[str]:
    view = found.view
    for number, submission in enumerate(view.submissions, 1):
        # Escaped: the number is part of the text, not of a Markdown list.
        yield facts(
            f"{number}\\. {SUBMISSION_STATUS[submission.record.status]}",
            (label(view, submission.request) if len(view.submissions) > 1 else None) or None,
            seeds(image.seed for image in submission.images if image.seed is not None) or None,
            _cost(submission),
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


def _cost(submission: SubmissionView) -> Words:
    if submission.captured is None:
        return t("{held:credits} held", held=submission.held) if submission.held else t("not charged")
    price = submission.captured
    return credits_text(price) if submission.exact else t("{price:credits}, estimated", price=price)


def _steps(view: JobView, events: Sequence[Event]) -> list[str]:
    numbers = {each.record.id: number for number, each in enumerate(view.submissions, 1)}
    lines = []
    for event in events:
        step: Words = _step(event)
        if len(numbers) > 1:
            step = t("request {number}: {step}", number=str(numbers.get(event.submission_id, "?")), step=str(step))
        lines.append(f"{moment(event.at, 'T')} {step}")
    return lines or [str(NO_STEPS)]


def _step(event: Event) -> str:
    """The new status, with the reason if it adds information."""
    status = SUBMISSION_STATUS[event.new_status]
    why = None if event.why in _EXPECTED else _WHY.get(event.why)
    return str(status) if why is None else f"{status}: {why}"
