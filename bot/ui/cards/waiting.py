"""The card of a job in progress: the current step, the time, the price, and the images so far.

The card never names a time in the past as if it were still to come. It shows the start and the usual duration, which
stay true without an edit. Before the time of a retry has passed, the card is edited: see ``changes_at``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from discord import ui

from bot.domain.money import FREE
from bot.jobs.view import JobView, Progress, SubmissionView
from bot.text import Message, Text, message, t
from bot.ui.cards.buttons import CANCEL, REFRESH, job_rows
from bot.ui.cards.job import (
    COMPARISON_AT_MOST,
    FAILED,
    SUBMISSION_STATUS,
    ShownImage,
    comparison_lines,
    for_author,
    gallery,
    heading,
)
from bot.ui.cards.layout import Card, Words, facts, quiet, rule, text, within
from bot.ui.cards.layout import heading as bold
from bot.ui.cards.wording import moment, safe
from storage.records import SubmissionStatus

RESUMED = message("card.resumed", "Resumed after a restart.")
PROVIDER_OFF = message(
    "card.provider_off",
    "{providers} is switched off at the moment. Your job goes on when the bot's operator switches it back on.",
)
OVERDUE = message("card.overdue", "taking longer than usual")
STARTED = message("card.started", "started {when}")
USUALLY = message("card.usually", "usually takes {time:duration}")
PROVIDER_MISSING = message("card.provider_missing", "Waiting for the image service")
FETCHING = message("card.fetching", "Downloading the images")
SENT_AGAIN = message("card.sent_again", "No answer so far")
OUTAGE = message("card.outage", "the image service is having trouble, next try {when}")
OUTAGE_OVER = message("card.outage_over", "the image service is having trouble, retrying now")
RETRY = message("card.retry", "the image service is busy or not responding, next try {when}")
RETRY_NOW = message("card.retry_now", "the image service is busy or not responding, retrying now")
NEXT_IN_QUEUE = message("card.next_in_queue", "next in the queue")
IN_QUEUE = message("card.in_queue", "number {position} in the queue")
UNFINISHED = message("card.unfinished", "The image so far, still being made")
NEXT_AT_SERVICE = message("card.next_at_service", "next at the image service")
QUEUED_AT_SERVICE = message("card.queued_at_service", "number {position} in the image service's queue")
UNSERVED = message("card.unserved", "waiting for a machine that can make this")
LEFT = message("card.left", "about {time:duration} left")
DONE_OF = message("card.done_of", "{done} of {all} done")
EXACT_HOLD = message("card.exact_hold", "{held:credits} on hold")
ESTIMATED_HOLD = message("card.estimated_hold", "up to {held:credits} on hold")

NOW = 5000
"""Milliseconds before a retry from which the card says that it happens now. An edit may take this long."""

_BAR = 12
_FREE = (*FAILED, SubmissionStatus.CANCELLED)


def waiting_card(
    view: JobView, shown: Sequence[ShownImage] = (), *, ending: Words | None = None, preview: str | None = None
) -> Card:
    """The card of a job in progress: progress, price, the images so far, and Cancel while that is possible.

    ``ending`` says that the interaction's token is about to expire; with it, the card offers Refresh. ``preview`` is
    the name of an attached file with the unfinished image.
    """
    parts: list[ui.Item[Any]] = heading(view)
    pictures = gallery(view, shown)
    if preview is not None:
        pictures.add_item(media=f"attachment://{preview}", description=str(UNFINISHED), spoiler=view.job.spoiler)
    parts += [pictures] if pictures.items else [rule()]
    parts.append(text(*_happening(view, previewed=preview is not None), quiet(_price(view))))
    if view.job.resumed_at is not None:
        parts.append(text(quiet(RESUMED)))
    row = [CANCEL]
    if ending is not None:
        parts.append(text(ending))
        row.append(REFRESH)
    parts += job_rows(view, *row)
    return Card(*parts)


def _happening(view: JobView, *, previewed: bool) -> list[str]:
    progress = view.progress
    if len(view.submissions) == 1:
        first = [bold(_stage(view.submissions[0], progress, previewed=previewed)), _place(view, progress)]
    else:
        first = [bold(_done(view)), *_tally(view), _place(view, progress)]
    more: list[str] = []
    if view.options.engines is not None:
        more += within(comparison_lines(view), COMPARISON_AT_MOST)
    missing = dict.fromkeys(each.record.provider for each in view.submissions if each.provider_missing)
    if missing:
        more.append(str(PROVIDER_OFF(providers=[safe(name, 100) for name in missing])))
    if not progress.fetching:  # After rendering, its progress and its estimate no longer apply.
        if progress.percent is not None:
            filled = _BAR * max(0, min(100, progress.percent)) // 100
            more.append(f"{'▰' * filled}{'▱' * (_BAR - filled)} {progress.percent}%")
        first += _times(progress)
    return [facts(*first), *more]


def _times(progress: Progress) -> Iterator[Words]:
    """Since when the job is on its way, and how long such jobs take."""
    if progress.started_at is not None:
        yield STARTED(when=moment(progress.started_at))
    if progress.seconds_left:
        yield LEFT(time=_rounded(progress.seconds_left))
    elif progress.overdue:
        yield OVERDUE
    elif progress.usual_seconds is not None:
        yield USUALLY(time=_rounded(progress.usual_seconds))


def changes_at(view: JobView) -> int | None:
    """The next time, in Unix milliseconds, at which the card changes only because time passes."""
    progress = view.progress
    times = [None if progress.fetching else progress.overdue_at]
    times += [None if at is None else at - NOW for at in (progress.outage_until, _retry_at(view))]
    return min((at for at in times if at is not None and at > progress.at), default=None)


def _stage(submission: SubmissionView, progress: Progress, *, previewed: bool) -> Message:
    if submission.provider_missing:
        return PROVIDER_MISSING
    if progress.fetching:
        return FETCHING
    if submission.record.status is SubmissionStatus.QUEUED and submission.record.sendings:
        return SENT_AGAIN
    if submission.record.status is SubmissionStatus.SUBMITTING and (previewed or progress.percent is not None):
        return SUBMISSION_STATUS[SubmissionStatus.RENDERING]  # The service answers only when the images are made.
    return SUBMISSION_STATUS[submission.record.status]


def _place(view: JobView, progress: Progress) -> Words | None:
    """The time of the next retry, or the place in the queue."""
    soon = progress.at + NOW
    if progress.outage_until is not None:
        return OUTAGE(when=moment(progress.outage_until)) if progress.outage_until > soon else OUTAGE_OVER
    retry_at = _retry_at(view)
    if retry_at is not None:
        return RETRY(when=moment(retry_at)) if retry_at > soon else RETRY_NOW
    if progress.unserved:
        return UNSERVED
    position = progress.queue_position
    if position is None and progress.service_position is not None:
        at = progress.service_position
        return NEXT_AT_SERVICE if at == 1 else QUEUED_AT_SERVICE(position=at)
    if position is None:
        return None
    return NEXT_IN_QUEUE if position == 1 else IN_QUEUE(position=position)


def _retry_at(view: JobView) -> int | None:
    """The time of the first retry, in Unix milliseconds; None if no submission waits for one."""
    retries = (
        each.record.next_attempt_at
        for each in view.submissions
        if each.record.status is SubmissionStatus.QUEUED and each.record.attempts
    )
    return min((at for at in retries if at is not None), default=None)


def _done(view: JobView) -> Text:
    done = sum(each.record.status is SubmissionStatus.DONE for each in view.submissions)
    return DONE_OF(done=done, all=len(view.submissions))


def _tally(view: JobView) -> Iterator[Text]:
    """The number of submissions in each status but done. Submissions that ended otherwise are free."""
    numbers = Counter(each.record.status for each in view.submissions)
    for status, words in SUBMISSION_STATUS.items():
        if numbers[status] and status is not SubmissionStatus.DONE:
            number = numbers[status]
            free = t("{status}: {number} (free)", status=words, number=number)
            yield free if status in _FREE else t("{status}: {number}", status=words, number=number)


def _rounded(seconds: float) -> int:
    """Round to five seconds from ten on: a small change of the estimate is not worth an edit of the card."""
    return round(seconds / 5) * 5 if seconds >= 10 else max(1, round(seconds))


def _price(view: JobView) -> str:
    if view.free:
        return facts(for_author(view), FREE)
    held = (EXACT_HOLD if view.quoted_exactly else ESTIMATED_HOLD)(held=view.held)
    return facts(for_author(view), t("{spent:amount} spent", spent=view.captured) if view.captured else None, held)
