"""The card of a job in progress: the current step, the time, the price, and the images so far."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from discord import ui

from bot.jobs.view import JobView, Progress, SubmissionView
from bot.text import Message, Text, message, t
from bot.ui.cards.buttons import CANCEL, REFRESH, job_row
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
    "{providers} is switched off at the moment. What was sent to it continues when the bot's operator switches it on.",
)
OVERDUE = message("card.overdue", "taking longer than usual")
USUALLY_READY = message("card.usually_ready", "usually ready {when}")
PROVIDER_MISSING = message("card.provider_missing", "Waiting for the image service")
FETCHING = message("card.fetching", "Downloading the images")
SENT_AGAIN = message("card.sent_again", "No answer came; waiting to be sent again")
OUTAGE = message("card.outage", "the image service is having trouble, next try {when}")
RETRY = message("card.retry", "the image service is busy or not responding, next try {when}")
NEXT_IN_QUEUE = message("card.next_in_queue", "next in the queue")
IN_QUEUE = message("card.in_queue", "number {position} in the queue")
DONE_OF = message("card.done_of", "{done} of {all} done")
EXACT_HOLD = message("card.exact_hold", "{held:credits} held, the exact price")
ESTIMATED_HOLD = message("card.estimated_hold", "{held:credits} held, an estimate")

_BAR = 12
_FREE = (*FAILED, SubmissionStatus.CANCELLED)


def waiting_card(view: JobView, shown: Sequence[ShownImage] = (), *, ending: Words | None = None) -> Card:
    """The card of a job in progress: progress, price, the images so far, and Cancel while that is possible.

    ``ending`` says that the interaction's token is about to expire; with it, the card offers Refresh.
    """
    parts: list[ui.Item[Any]] = heading(view)
    parts += [gallery(view, shown)] if shown else [rule()]
    parts.append(text(*_happening(view), quiet(_price(view))))
    if view.job.resumed_at is not None:
        parts.append(text(quiet(RESUMED)))
    row = [CANCEL]
    if ending is not None:
        parts.append(text(ending))
        row.append(REFRESH)
    parts += job_row(view, *row)
    return Card(*parts)


def _happening(view: JobView) -> list[str]:
    progress = view.progress
    if len(view.submissions) == 1:
        first = [bold(_stage(view.submissions[0], progress)), _place(view, progress)]
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
            more.append(f"{'▰' * filled}{'▱' * (_BAR - filled)} {progress.percent} %")
        if progress.overdue:
            first.append(OVERDUE)
        elif progress.expected_at is not None:
            first.append(USUALLY_READY(when=moment(_rounded(progress.expected_at))))
    return [facts(*first), *more]


def _stage(submission: SubmissionView, progress: Progress) -> Message:
    if submission.provider_missing:
        return PROVIDER_MISSING
    if progress.fetching:
        return FETCHING
    if submission.record.status is SubmissionStatus.QUEUED and submission.record.sendings:
        return SENT_AGAIN
    return SUBMISSION_STATUS[submission.record.status]


def _place(view: JobView, progress: Progress) -> Words | None:
    """The time of the next retry, or the place in the queue."""
    if progress.outage_until is not None:
        return OUTAGE(when=moment(progress.outage_until))
    retries = [
        each.record.next_attempt_at
        for each in view.submissions
        if each.record.status is SubmissionStatus.QUEUED and each.record.attempts and each.record.next_attempt_at
    ]
    if retries:
        return RETRY(when=moment(min(retries)))
    position = progress.queue_position
    if position is None:
        return None
    return NEXT_IN_QUEUE if position == 1 else IN_QUEUE(position=position)


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


def _rounded(milliseconds: int) -> int:
    """Round to five seconds: a small change of the estimate is not worth an edit of the card."""
    return round(milliseconds / 5000) * 5000


def _price(view: JobView) -> str:
    held = (EXACT_HOLD if view.quoted_exactly else ESTIMATED_HOLD)(held=view.held)
    return facts(t("{spent:amount} spent", spent=view.captured) if view.captured else None, held, for_author(view))
