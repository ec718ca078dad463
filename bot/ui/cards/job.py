"""The cards of a job: while it is in progress, with its images, and when nothing was made."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import discord
from discord import ui

from bot.domain.requests import left_out
from bot.jobs.view import JobView, Progress, SubmissionView
from bot.text import Message, Text, credits_text, lasted, message, plural, t
from bot.ui.cards.buttons import AGAIN, CANCEL, DELETE, DETAILS, EDIT, NEW_SEED, REFRESH, SHARE, SHOW, job_row, job_rows
from bot.ui.cards.delivery_text import reasons_text
from bot.ui.cards.job_text import alt_text, choice_text, either, engine_name, label, prompt_text, seeds, settings_text
from bot.ui.cards.layout import RESULT, WARM, Card, Words, facts, quiet, rule, text, within
from bot.ui.cards.layout import heading as bold
from bot.ui.cards.wording import REQUESTS, moment, safe
from storage.records import DeliveryMethod, DeliveryReason, JobStatus, StoredImage, SubmissionStatus

NOTES_AT_MOST = 1200
COMPARISON_AT_MOST = 1100
SENTENCE_AT_MOST = 400

JOB_STATUS: Mapping[JobStatus, Message] = {
    JobStatus.PROPOSED: message("job.status.proposed", "Waiting for confirmation"),
    JobStatus.WORKING: message("job.status.working", "In progress"),
    JobStatus.READY: message("job.status.ready", "About to be shown"),
    JobStatus.DELIVERED: message("job.status.delivered", "Done"),
    JobStatus.UNDELIVERED: message("job.status.undelivered", "Done, not shown yet"),
    JobStatus.LAPSED: message("job.status.lapsed", "Never started"),
    JobStatus.DELETED: message("job.status.deleted", "Deleted"),
}
SUBMISSION_STATUS: Mapping[SubmissionStatus, Message] = {
    SubmissionStatus.QUEUED: message("submission.status.queued", "Waiting to be sent"),
    SubmissionStatus.SUBMITTING: message("submission.status.submitting", "Sent"),
    SubmissionStatus.RENDERING: message("submission.status.rendering", "Rendering"),
    SubmissionStatus.DONE: message("submission.status.done", "Done"),
    SubmissionStatus.FAILED: message("submission.status.failed", "Failed"),
    SubmissionStatus.CANCELLED: message("submission.status.cancelled", "Cancelled"),
    SubmissionStatus.UNKNOWN: message("submission.status.unknown", "Outcome unknown"),
}

RESUMED = message("card.resumed", "Resumed after a restart.")
CANCELLED = message("card.cancelled", "Cancelled.")
NOT_MADE = message("card.not_made", "Couldn't make this image.")
NOT_CHARGED = message("card.not_charged", "Nothing was charged.")
CHARGED = message("card.charged", "This cost {price:credits}.")
NO_REASON = message("card.no_reason", "The image service gave no reason.")
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
SOME_FAILED = message("card.some_failed", "{number} of {requests} failed, free of charge: {reason}")
SOME_FAILED_NAMED = message(
    "card.some_failed_named", "{number} of {requests} failed, free of charge ({names}): {reason}"
)
SOME_CANCELLED = message("card.some_cancelled", "{number} of {requests} cancelled, not charged.")
SOME_CANCELLED_NAMED = message("card.some_cancelled_named", "{number} of {requests} cancelled, not charged ({names}).")
FILTERED = message(
    "card.filtered",
    "The image service blurred or withheld image {numbers}.",
    "The image service blurred or withheld images {numbers}.",
)
FILTERED_ONLY = message("card.filtered_only", "The image service blurred or withheld the image.")
REENCODED = message(
    "card.reencoded",
    "Image {numbers} was compressed to fit Discord's limit. The original is kept.",
    "Images {numbers} were compressed to fit Discord's limit. The originals are kept.",
)
REENCODED_ONLY = message(
    "card.reencoded_only", "The image was compressed to fit Discord's limit. The original is kept."
)
IGNORED = message("card.ignored", "Ignored, not supported by this engine: {options}")
FREE_FAILURE = message("card.free_failure", "Not made, not charged: {reason}")
FOR = message("card.for", "for {person}")

_BAR = 12
_FAILED = (SubmissionStatus.FAILED, SubmissionStatus.UNKNOWN)
_FREE = (*_FAILED, SubmissionStatus.CANCELLED)


@dataclass(frozen=True, slots=True)
class ShownImage:
    """An image of a card: the name of its file in the message, and whether it was re-encoded to fit."""

    image: StoredImage
    name: str
    reencoded: bool = False


# --- the cards ----------------------------------------------------------------------------------------------------


def waiting_card(view: JobView, shown: Sequence[ShownImage] = (), *, ending: Words | None = None) -> Card:
    """The card of a job in progress: progress, price, the images so far, and Cancel while that is possible.

    ``ending`` says that the interaction's token is about to expire; with it, the card offers Refresh.
    """
    parts: list[ui.Item[Any]] = heading(view)
    parts += [_gallery(view, shown)] if shown else [rule()]
    parts.append(text(*_happening(view), quiet(_price(view))))
    if view.job.resumed_at is not None:
        parts.append(text(quiet(RESUMED)))
    row = [CANCEL]
    if ending is not None:
        parts.append(text(ending))
        row.append(REFRESH)
    parts += job_row(view, *row)
    return Card(*parts)


def result_card(
    view: JobView,
    shown: Sequence[ShownImage],
    *,
    notes: Iterable[Words] = (),
    shareable: bool = True,
    hint: Words | None = None,
) -> Card:
    """The card of a result: ``notes``, then the images with settings and cost. ``shareable`` False omits Share.

    ``hint`` is a line in small print about what to try next.
    """
    parts: list[ui.Item[Any]] = [text(prompt_text(view))]
    if shown:
        parts.append(_gallery(view, shown))
    compared = view.options.engines is not None
    room = NOTES_AT_MOST - (COMPARISON_AT_MOST // 2 if compared else 0)
    remarks = within(map(str, [*notes, *_remarks(view, shown)]), room)
    if remarks:
        parts.append(text(*remarks))
    if compared:
        parts.append(text(*within(comparison_lines(view), COMPARISON_AT_MOST)))
    parts.append(text(quiet(_outcome(view)), *([] if hint is None else [quiet(hint)])))
    parts += job_rows(view, (AGAIN, NEW_SEED, EDIT), (*((SHARE,) if shareable else ()), DETAILS, DELETE))
    return Card(*parts, mark=RESULT)


def failure_card(view: JobView, *, notes: Iterable[Words] = ()) -> Card:
    """The card of a job without images: what happened, the cost, and a button to repeat the job."""
    cancelled = all(each.record.status is SubmissionStatus.CANCELLED for each in view.submissions)
    reasons = [] if cancelled else [reason for reason, _ in _failures(view).most_common()]
    charged = CHARGED(price=view.captured) if view.captured else NOT_CHARGED()
    happened = within(map(str, [*notes, *reasons, charged]), NOTES_AT_MOST)
    return Card(
        *heading(view),
        rule(),
        text(bold(CANCELLED if cancelled else NOT_MADE), *happened, quiet(for_author(view))),
        *job_row(view, AGAIN, EDIT, DETAILS, DELETE),
        accent=WARM,
        mark=RESULT,
    )


def elsewhere_card(
    view: JobView, *, sent: DeliveryMethod | None, url: str | None, reasons: Sequence[DeliveryReason]
) -> Card:
    """The job's own card if it does not contain the result: where the result was sent, and why.

    ``sent`` is None if the result is undelivered. Its author can then have it shown.
    """
    job = view.job
    if sent is None:
        headline: Words = t("**The result could not be shown here.**")
    elif sent is DeliveryMethod.DIRECT_MESSAGE:
        headline = t(
            "**The result was sent to <@{user:plain}> as a direct message:** {url}", user=job.user_id, url=url or ""
        )
    else:
        headline = t("**The result is in a new message:** {url}", url=url or "")
    lines: list[Words] = [headline]
    if reasons:
        lines.append(t("It could not be put into this card, because {reasons}.", reasons=reasons_text(reasons)))
    row = [AGAIN, EDIT, DELETE]
    if sent is None:
        lines.append(t("<@{user:plain}> can see it with Show, here or in /history.", user=job.user_id))
        row.insert(0, SHOW)
    return Card(*heading(view), rule(), text(*lines, quiet(_outcome(view))), *job_row(view, *row), accent=WARM)


def heading(view: JobView) -> list[ui.Item[Any]]:
    """The prompt and the settings, for the top of a card without a result."""
    choice = choice_text(view)
    return [text(prompt_text(view), quiet(settings_text(view)), *(() if choice is None else (quiet(choice),)))]


def for_author(view: JobView) -> Text:
    """A text that names the job's author."""
    return FOR(person=f"<@{view.job.user_id}>")


def _gallery(view: JobView, shown: Sequence[ShownImage]) -> ui.MediaGallery[Any]:
    numbers = _numbers(view)
    return ui.MediaGallery(
        *(
            discord.MediaGalleryItem(
                f"attachment://{each.name}",
                description=alt_text(view, each.image, numbers[each.image.id]),
                spoiler=view.job.spoiler,
            )
            for each in shown
        )
    )


def _numbers(view: JobView) -> dict[int, int]:
    """The number of each image by its id. While more images are expected, their places are counted too."""
    if not view.waiting:
        return {image.id: number for number, image in enumerate(view.images, 1)}
    numbers: dict[int, int] = {}
    before = 1
    for submission in view.submissions:
        numbers |= {image.id: before + place for place, image in enumerate(submission.images)}
        before += submission.request.images
    return numbers


# --- progress -----------------------------------------------------------------------------------------------------


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


# --- the result ---------------------------------------------------------------------------------------------------


def cost_text(view: JobView) -> str:
    """The cost of the job: the amount spent, marked if it is an estimate, and the amount still held."""
    held = t("{held:credits} held", held=view.held) if view.held else None
    if not view.captured:
        return str(held or t("not charged"))
    estimate = t("about {spent:credits} (estimate)", spent=view.captured)
    spent = credits_text(view.captured) if view.exact else str(estimate)
    return f"{spent}, {held}" if held else spent


def took(view: JobView) -> float | None:
    """Seconds from the first request to the last response."""
    sent = [each.record.sent_at for each in view.submissions if each.record.sent_at is not None]
    finished = [each.record.finished_at for each in view.submissions if each.record.finished_at is not None]
    return (max(finished) - min(sent)) / 1000 if sent and finished else None


def _outcome(view: JobView) -> str:
    requests = view.requests
    names = {engine.id: engine.name for engine in view.engines}
    seconds = took(view)
    duration = None if seconds is None else lasted(seconds)
    if view.options.engines is not None:
        # The lines above give the rest for each engine.
        total = t("{requests} together: {cost}", requests=REQUESTS(count=len(requests)), cost=cost_text(view))
        return facts(total, duration, for_author(view))
    return facts(
        safe(either(names.get(request.engine, request.engine) for request in requests), 300) or None,
        either(f"{image.width}x{image.height}" for image in view.images) or None,
        safe(either(request.style for request in requests), 200) or None,
        seeds(image.seed for image in view.images if image.seed is not None) or None,
        duration,
        cost_text(view),
        for_author(view),
    )


def _remarks(view: JobView, shown: Sequence[ShownImage]) -> Iterator[Words]:
    if (choice := choice_text(view)) is not None:
        yield quiet(choice)
    if view.options.engines is None:  # A comparison has a line for each of its requests.
        yield from _not_made(view)
    for each in view.submissions:
        if each.record.status is SubmissionStatus.DONE and each.problems:
            yield safe(" ".join(map(str, each.problems)), SENTENCE_AT_MOST)
    numbers = _numbers(view)
    filtered = [numbers[image.id] for image in view.images if image.filtered]
    reencoded = [numbers[each.image.id] for each in shown if each.reencoded]
    for which, some, only in ((filtered, FILTERED, FILTERED_ONLY), (reencoded, REENCODED, REENCODED_ONLY)):
        if which:
            yield only if len(view.images) == 1 else some(count=len(which), numbers=[str(number) for number in which])


def _not_made(view: JobView) -> Iterator[Text]:
    """The failed requests with their reasons and the cancelled ones, each with its label."""
    requests = REQUESTS(count=len(view.submissions))
    for reason, times in _failures(view).most_common():
        failed = [each for each in view.submissions if each.record.status in _FAILED and _reason(each) == reason]
        names = _names(view, failed)
        form = SOME_FAILED_NAMED if names else SOME_FAILED
        yield form(number=times, requests=requests, names=names, reason=reason)
    dropped = [each for each in view.submissions if each.record.status is SubmissionStatus.CANCELLED]
    if dropped:
        names = _names(view, dropped)
        form = SOME_CANCELLED_NAMED if names else SOME_CANCELLED
        yield form(number=len(dropped), requests=requests, names=names)


def _names(view: JobView, submissions: Iterable[SubmissionView]) -> str:
    return "; ".join(dict.fromkeys(name for each in submissions if (name := label(view, each.request))))


def _failures(view: JobView) -> Counter[str]:
    """The number of failed requests for each reason."""
    return Counter(_reason(each) for each in view.submissions if each.record.status in _FAILED)


def _reason(submission: SubmissionView) -> str:
    return safe(" ".join(map(str, submission.problems)) or str(NO_REASON), SENTENCE_AT_MOST)


# --- comparisons --------------------------------------------------------------------------------------------------


def comparison_lines(view: JobView) -> Iterator[str]:
    """A line for each request, and a line in small print for options that its engine does not support."""
    ignored = ignored_texts(view)
    made = 0
    for submission in view.submissions:
        engine_id = submission.request.engine
        numbers = range(made + 1, made + len(submission.images) + 1)
        # While the job is in progress, expected images are counted too.
        made += submission.request.images if view.waiting else len(numbers)
        which = [str(number) for number in numbers]
        images = plural("Image {numbers}", "Images {numbers}", len(which), numbers=which) if which else None
        yield facts(images, bold(engine_name(view, engine_id)), _compared(submission))
        if engine_id in ignored:
            yield quiet(ignored[engine_id])


def ignored_texts(view: JobView) -> dict[str, Text]:
    """For each engine of a comparison that does not support all of its options: which it does not, by its id."""
    return {
        engine_id: IGNORED(options=[safe(str(option), 300) for option in options])
        for engine_id, options in left_out(view.options, view.engines).items()
        if options
    }


def _compared(submission: SubmissionView) -> Words:
    status = submission.record.status
    if status in _FAILED:
        return FREE_FAILURE(reason=safe(" ".join(map(str, submission.problems)) or str(NO_REASON), 300))
    if status is not SubmissionStatus.DONE:
        return SUBMISSION_STATUS[status]
    seconds = submission.seconds
    return facts(
        f"{submission.images[0].width}x{submission.images[0].height}" if submission.images else None,
        seeds(image.seed for image in submission.images if image.seed is not None) or None,
        None if seconds is None else lasted(seconds),
        _submission_cost(submission),
    )


def _submission_cost(submission: SubmissionView) -> Words:
    if not submission.captured:
        return t("not charged")
    price = submission.captured
    return credits_text(price) if submission.exact else t("about {price:credits}", price=price)
