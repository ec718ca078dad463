"""The card of the Details button: how a job was made, for those who may see it. Its steps are in the log."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from discord import ui

from bot.domain.command_line import command_line
from bot.domain.options import SEED
from bot.jobs.results import JobDetails
from bot.jobs.view import JobView
from bot.text import Text, lasted, message
from bot.ui.cards.buttons import BUTTONS_IN_A_ROW, CHILD, LOG, PARENT, SOURCE, TREE
from bot.ui.cards.delivery_text import delivery_text
from bot.ui.cards.edit_text import source_image
from bot.ui.cards.job import JOB_STATUS, SUBMISSION_STATUS, cost_text, for_author, submission_cost, took
from bot.ui.cards.job_text import edit_line, label, prompt_text, settings_text
from bot.ui.cards.layout import TEXT_AT_MOST, Card, Words, facts, heading, quiet, rule, text, within
from bot.ui.cards.proposal import LAPSED
from bot.ui.cards.wording import moment, safe, units
from storage.records import JobStatus

LINE_AT_MOST = 1400
"""The maximum length of the command line that is shown."""
RELATED_AT_MOST = 5
"""The maximum number of buttons for related jobs."""
_REQUESTS_AT_LEAST, _REQUESTS_AT_MOST = 60, 900

COMMAND = message("details.command", "Command to recreate this")
COMMAND_TOO_LONG = message(
    "details.command_too_long", "The command to recreate this is too long to show here. Edit prompt has all of it."
)
ONLY_FOR_AUTHOR = message(
    "details.only_for_author", "Only {author} can use it, because it starts from a picture of theirs."
)
NUMBER = message("details.number", "job {job:plain}")
SETTINGS = message("details.settings", "**Made with** {settings}")
EDITED = message("details.edited", "**Edit** {edit}")
COST = message("details.cost", "**Cost** {cost}")
TIME = message("details.time", "**Time** {time}")
TIME_AFTER_QUEUE = message("details.time_after_queue", "**Time** {time}, after {waited} in the queue")
SEED_OF_ONE = message("details.seed", "**Seed** {seed:plain}")
SEEDS = message("details.seeds", "**Seeds** {seeds}")
SEED_OF_IMAGE = message("details.seed_of_image", "{number}:\u00a0{seed:plain}")
THREAD = message("details.thread", "**Thread** {title}")
NOT_STARTED = message("details.not_started", "Not started: {reason}")
KEPT_UNTIL = message("details.kept_until", "Its images are kept until {date}.")
HIDDEN = message(
    "details.hidden",
    "Related to {count} job that you cannot see here.",
    "Related to {count} jobs that you cannot see here.",
)


def details_card(found: JobDetails) -> Card:
    """The prompt, who made it and when, the settings, cost, time and seeds, and the command to recreate it.

    Its buttons lead to the log, to the job it was made from, to the one that made its picture, and to those made from
    it.
    """
    view = found.view
    image = source_image(view, to_author=found.mine)
    line = command_line(view.options, image=image).replace("```", "'''")
    fits = units(line) <= LINE_AT_MOST
    again = [heading(COMMAND), f"```{line}```"] if fits else [quiet(COMMAND_TOO_LONG)]
    if view.made_from is not None and image is None and not found.mine:
        again.append(quiet(ONLY_FOR_AUTHOR(author=for_author(view))))
    # The command contains the prompt.
    about = [prompt_text(view, 700 if fits else 1200), quiet(_headline(view))]
    known = _facts(found)
    parts: list[ui.Item[Any]] = [text(*about), rule(), text(*known)]
    if len(view.submissions) > 1:
        room = TEXT_AT_MOST - sum(units(line) + 1 for line in (*about, *known, *again)) - 20
        lines = within(_requests(view), min(_REQUESTS_AT_MOST, max(_REQUESTS_AT_LEAST, room)))
        parts += [rule(), text(*lines)]
    return Card(*parts, rule(), text(*again), *_buttons(found))


def _headline(view: JobView) -> str:
    job = view.job
    return facts(for_author(view), JOB_STATUS[job.status], moment(job.created_at, "f"), NUMBER(job=job.id))


def _facts(found: JobDetails) -> list[str]:
    view, job = found.view, found.view.job
    lines: list[Words] = [SETTINGS(settings=settings_text(view, without=SEED))]
    if edited := edit_line(view, settings=False, to_author=found.mine):
        lines.append(EDITED(edit=edited))
    lines.append(COST(cost=cost_text(view)))
    lines += [line for line in (_time(view), _seeds(view)) if line is not None]
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


def _time(view: JobView) -> Text | None:
    """How long the image services took, and how long the job waited before if that is a second or more."""
    seconds = took(view)
    if seconds is None:
        return None
    sent = min(each.record.sent_at for each in view.submissions if each.record.sent_at is not None)
    waited = (sent - min(each.record.created_at for each in view.submissions)) / 1000
    if waited < 1:
        return TIME(time=lasted(seconds))
    return TIME_AFTER_QUEUE(time=lasted(seconds), waited=lasted(waited))


def _seeds(view: JobView) -> Text | None:
    """The seed of each image by its number, or the seeds of the requests while there are no images."""
    made = [(number, image.seed) for number, image in enumerate(view.images, 1) if image.seed is not None]
    if not made:
        asked = list(dict.fromkeys(request.seed for request in view.requests if request.seed is not None))
        if len(asked) > 1:
            return SEEDS(seeds=", ".join(map(str, asked)))
        return SEED_OF_ONE(seed=asked[0]) if asked else None
    if len(view.images) == 1:
        return SEED_OF_ONE(seed=made[0][1])
    return SEEDS(seeds=facts(*(SEED_OF_IMAGE(number=number, seed=seed) for number, seed in made)))


def _requests(view: JobView) -> Iterator[str]:
    """A line for each of several requests: how it differs, what came of it, its price and its time."""
    for number, submission in enumerate(view.submissions, 1):
        seconds, status = submission.seconds, SUBMISSION_STATUS[submission.record.status]
        # The seeds are listed by image.
        differs = label(view, submission.request, by_seed=False)
        yield facts(
            # Escaped: the number is part of the text, not of a Markdown list.
            f"{number}\\. {differs or status}",
            status if differs else None,
            submission_cost(submission),
            None if seconds is None else lasted(seconds),
        )


def _buttons(found: JobDetails) -> list[ui.ActionRow[Any]]:
    """Buttons to the log, the parent and the latest children; each replaces the content of this card."""
    buttons: list[ui.Button[Any]] = []
    if found.view.submissions:
        buttons.append(LOG.on(found.view.job.id))
    if found.related:
        buttons.append(TREE.on(found.view.job.id))
    above = ((PARENT, found.parent), (SOURCE, found.source))
    buttons += [button.on(job_id, job=job_id) for button, job_id in above if job_id is not None]
    room = RELATED_AT_MOST - sum(job_id is not None for _, job_id in above)
    latest = found.children[-room:]
    buttons += [CHILD.on(child, job=child) for child in latest]
    return [
        ui.ActionRow(*buttons[place : place + BUTTONS_IN_A_ROW]) for place in range(0, len(buttons), BUTTONS_IN_A_ROW)
    ]
