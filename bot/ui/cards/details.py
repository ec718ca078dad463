"""The card behind the Details button: everything that is known of a job, for whoever may look at it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from discord import ui

from bot.domain.requests import command_line
from bot.jobs.results import Detailed
from bot.jobs.view import JobView, SubmissionView
from bot.text import Text, credits_text, lasted, t
from bot.ui.cards.job import cost_text
from bot.ui.cards.job_text import label, prompt_text, settings_text
from bot.ui.cards.layout import TEXT_AT_MOST, Card, custom_id, quiet, rule, text, within
from bot.ui.cards.wording import counted, moment, safe, units
from bot.ui.delivery.methods import Step
from storage.jobs import Event, JobStatus, SubmissionStatus
from storage.records import EventReason

LINE_AT_MOST = 1400
"""The longest command line that is shown."""
BUTTONS_AT_MOST = 5

_RENDERING = SubmissionStatus.RENDERING
# What of a provider's handle is the name of something on its side.
_IDS = frozenset({"thread", "request"})
_STATUS = {
    SubmissionStatus.QUEUED: "waiting to be sent",
    SubmissionStatus.SUBMITTING: "sent",
    SubmissionStatus.RENDERING: "rendering",
    SubmissionStatus.DONE: "done",
    SubmissionStatus.FAILED: "failed",
    SubmissionStatus.CANCELLED: "cancelled",
    SubmissionStatus.UNKNOWN: "outcome unknown",
}
# The reasons that every job has: they would only repeat its state.
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
_JOB_STATUS = {
    JobStatus.PROPOSED: "waiting to be confirmed",
    JobStatus.WORKING: "being worked on",
    JobStatus.READY: "about to be shown",
    JobStatus.DELIVERED: "finished and shown",
    JobStatus.KEPT: "finished, could not be shown",
    JobStatus.LAPSED: "never confirmed",
    JobStatus.DELETED: "deleted",
}


def details_card(found: Detailed) -> Card:
    """The prompt, the settings, the cost, each request with its seed, price and times, the line that makes it again,
    every step with its time, and the way to what it was made from and what was made from it.
    """
    view = found.view
    facts = _facts(found)
    line = command_line(view.options).replace("```", "'''")
    again = (
        ["**The line that makes it again**", f"```{line}```"]
        if units(line) <= LINE_AT_MOST
        else [quiet("The line that makes it again is too long to be shown here; Edit has all of it.")]
    )
    # Where the line is shown, it has the prompt too.
    prompt = prompt_text(view, 1200 if units(line) > LINE_AT_MOST else 700)
    requests = within(_requests(found), 900)
    written = [prompt, *facts, *requests, *again]
    room = TEXT_AT_MOST - sum(units(part) + 1 for part in written) - 20
    steps = within([quiet(step) for step in _steps(view, found.events)], max(60, room))
    parts: list[ui.Item[Any]] = [text(prompt), rule(), text(*facts)]
    parts += [rule(), text(*requests)] if requests else []
    parts += [rule(), text(*again), rule(), text(*steps)]
    if row := _kin(found):
        parts.append(row)
    return Card(*parts)


def _facts(found: Detailed) -> list[str]:
    view, job = found.view, found.view.job
    facts = [
        f"**Job {job.id}** · {_JOB_STATUS[job.status]} · asked for by <@{job.user_id}> {moment(job.created_at, 'f')}",
        f"Engine and settings: {settings_text(view)}",
        f"Cost: {cost_text(view)}" + (" (exact)" if view.captured and view.exact and not view.held else ""),
    ]
    # A thread's title can come from a prompt that others may not see.
    if view.thread_title is not None and found.mine:
        facts.append(f"Thread: {safe(view.thread_title, 200)}")
    if job.delivery_note and job.delivery_note != Step.TOKEN.value:
        facts.append(f"{'Not started' if job.status is JobStatus.LAPSED else 'Shown'}: {safe(job.delivery_note, 200)}")
    if job.status is JobStatus.KEPT and any(image.file is not None for image in view.images):
        facts.append(f"Its images are kept until {moment(found.kept_until, 'D')}.")
    if found.hidden:
        facts.append(quiet(f"Related to {counted(found.hidden, 'job')} that you cannot see here."))
    return facts


def _kin(found: Detailed) -> ui.ActionRow[Any] | None:
    """One button up and the latest few down; they change this very card."""
    buttons: list[ui.Button[Any]] = []
    if found.parent is not None:
        buttons.append(ui.Button(label=f"Made from job {found.parent}", custom_id=custom_id("walk", found.parent)))
    latest = found.children[-(BUTTONS_AT_MOST - len(buttons)) :]
    buttons += [ui.Button(label=f"Led to job {child}", custom_id=custom_id("walk", child)) for child in latest]
    return ui.ActionRow(*buttons) if buttons else None


def _requests(found: Detailed) -> Iterator[str]:
    view = found.view
    for number, submission in enumerate(view.submissions, 1):
        seeds = ", ".join(str(image.seed) for image in submission.images if image.seed is not None)
        facts = [
            f"{number}. {_STATUS[submission.record.status]}",
            label(view, submission.request) if len(view.submissions) > 1 else "",
            f"seed {seeds}" if seeds else "",
            _cost(submission),
            _stages(submission, found.events),
        ]
        # The number is not a list item: the card counts by itself.
        yield " · ".join(fact for fact in facts if fact).replace(".", "\\.", 1)
        if ids := _provider_ids(submission):
            yield quiet(ids)


def _stages(submission: SubmissionView, events: Sequence[Event]) -> str:
    """How long it waited, how long the service took, how long its files took to come."""
    record = submission.record
    accepted = next(
        (event.at for event in events if event.submission_id == record.id and event.new_status is _RENDERING), None
    )
    stages = [("waited", record.created_at, record.sent_at), ("accepted after", record.sent_at, accepted)]
    stages.append(("made in", accepted or record.sent_at, record.finished_at))
    stages.append(("fetched in", record.finished_at, record.ended_at))
    return ", ".join(
        f"{what} {_short(to - since)}" for what, since, to in stages if since is not None and to is not None
    )


def _short(milliseconds: int) -> str:
    return lasted(milliseconds / 1000) if milliseconds >= 950 else f"{max(100, milliseconds) / 1000:.1f} s"


def _provider_ids(submission: SubmissionView) -> str:
    """What the provider calls it: the thread and the request, where it has such."""
    handle = submission.record.handle or {}
    ids = [f"{name} {safe(value, 80)}" for name, value in handle.items() if name in _IDS and isinstance(value, str)]
    return f"{safe(submission.record.provider, 40)}: {', '.join(ids)}" if ids else ""


def _cost(submission: SubmissionView) -> str:
    if submission.captured is None:
        return f"{credits_text(submission.held)} held" if submission.held else "not charged"
    return credits_text(submission.captured) + ("" if submission.exact else ", estimated")


def _steps(view: JobView, events: Sequence[Event]) -> list[str]:
    numbers = {each.record.id: number for number, each in enumerate(view.submissions, 1)}
    several = len(numbers) > 1
    return [
        f"{moment(event.at, 'T')} "
        + (f"request {numbers.get(event.submission_id, '?')}: " if several else "")
        + _step(event)
        for event in events
    ] or ["no steps yet"]


def _step(event: Event) -> str:
    """The new state, with the reason where the reason says more."""
    state = _STATUS[event.new_status]
    why = None if event.why in _EXPECTED else _WHY.get(event.why)
    return state if why is None else f"{state}: {why}"
