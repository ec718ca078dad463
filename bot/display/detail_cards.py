"""The card behind the Details button: everything that is known of a job, for whoever may look at it."""

from __future__ import annotations

from collections.abc import Sequence

from bot.credits import credits_text
from bot.display.cards import TEXT_AT_MOST, Card, quiet, rule, text, within
from bot.display.job_cards import cost_text, prompt_text, settings_text
from bot.display.ladder import Step
from bot.display.wording import lasted, moment, safe, units
from bot.generation.views import JobView, SubmissionView
from storage.jobs import Event, JobStatus, SubmissionStatus

_STATUS = {
    SubmissionStatus.QUEUED: "waiting to be sent",
    SubmissionStatus.SUBMITTING: "sent",
    SubmissionStatus.RENDERING: "rendering",
    SubmissionStatus.DONE: "done",
    SubmissionStatus.FAILED: "failed",
    SubmissionStatus.CANCELLED: "cancelled",
    SubmissionStatus.UNKNOWN: "outcome unknown",
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


def details_card(view: JobView, events: Sequence[Event]) -> Card:
    """The prompt, the settings, the cost, each request with its seed and price, and every step with its time."""
    job = view.job
    facts = [
        f"**Job {job.id}** · {_JOB_STATUS[job.status]} · asked for by <@{job.user_id}> {moment(job.created_at, 'f')}",
        f"Engine and settings: {settings_text(view)}",
        f"Cost: {cost_text(view)}" + (f", {credits_text(view.held)} held" if view.held else ""),
    ]
    if view.thread_title is not None:
        facts.append(f"Thread: {safe(view.thread_title, 200)}")
    if job.parent_id is not None:
        facts.append(f"Made from job {job.parent_id}")
    if job.delivery_note and job.delivery_note != Step.TOKEN.value:
        facts.append(f"Shown: {safe(job.delivery_note, 200)}")
    prompt = prompt_text(view, 1200)
    requests = within([_request(number, each) for number, each in enumerate(view.submissions, 1)], 900)
    room = TEXT_AT_MOST - units(prompt) - sum(units(line) + 1 for line in [*facts, *requests]) - 20
    steps = within([quiet(line) for line in _steps(view, events)], max(0, room))
    return Card(text(prompt), rule(), text(*facts), text(*requests), rule(), text(*steps))


def _request(number: int, submission: SubmissionView) -> str:
    seeds = ", ".join(str(image.seed) for image in submission.images if image.seed is not None)
    seconds = submission.seconds
    facts = [
        f"{number}. {_STATUS[submission.record.status]}",
        f"seed {seeds}" if seeds else "",
        _cost(submission),
        f"answered after {lasted(seconds)}" if seconds is not None else "",
    ]
    # The number is not a list item: the card counts by itself.
    return " · ".join(fact for fact in facts if fact).replace(".", "\\.", 1)


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
        + f"{_STATUS[event.new_status]} · {safe(event.why, 120)}"
        for event in events
    ] or ["no steps yet"]
