"""The cards of a job: while it is in progress, with its images, and when nothing was made."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import discord
from discord import ui

from bot.domain.comparison import left_out
from bot.domain.money import FREE
from bot.domain.pictures import ImageReference
from bot.jobs.view import JobView, SubmissionView
from bot.text import Message, Text, credits_text, lasted, message, plural, t
from bot.ui.cards.buttons import AGAIN, DELETE, DETAILS, EDIT_PICTURE, NEW_SEED, SHARE, SHOW, edit_button, job_rows
from bot.ui.cards.delivery_text import reasons_text
from bot.ui.cards.job_text import (
    alt_text,
    choice_text,
    edit_line,
    either,
    engine_name,
    label,
    prompt_text,
    settings_text,
)
from bot.ui.cards.layout import RESULT, WARM, Card, Words, facts, quiet, rule, text, within
from bot.ui.cards.layout import heading as bold
from bot.ui.cards.picture_buttons import EDIT_A_PICTURE, OPEN_PICTURE, images_menu
from bot.ui.cards.wording import safe
from storage.records import DeliveryMethod, DeliveryReason, JobStatus, StoredImage, SubmissionStatus

NOTES_AT_MOST = 1200
COMPARISON_AT_MOST = 1100
SENTENCE_AT_MOST = 400

JOB_STATUS: Mapping[JobStatus, Message] = {
    JobStatus.PROPOSED: message("job.status.proposed", "Waiting for confirmation"),
    JobStatus.WORKING: message("job.status.working", "In progress"),
    JobStatus.READY: message("job.status.ready", "Done, about to be shown"),
    JobStatus.DELIVERED: message("job.status.delivered", "Done"),
    JobStatus.UNDELIVERED: message("job.status.undelivered", "Done, not shown yet"),
    JobStatus.LAPSED: message("job.status.lapsed", "Not started"),
    JobStatus.DELETED: message("job.status.deleted", "Deleted"),
}
SUBMISSION_STATUS: Mapping[SubmissionStatus, Message] = {
    SubmissionStatus.QUEUED: message("submission.status.queued", "Waiting"),
    SubmissionStatus.SUBMITTING: message("submission.status.submitting", "Sent"),
    SubmissionStatus.RENDERING: message("submission.status.rendering", "Rendering"),
    SubmissionStatus.DONE: message("submission.status.done", "Done"),
    SubmissionStatus.FAILED: message("submission.status.failed", "Failed"),
    SubmissionStatus.CANCELLED: message("submission.status.cancelled", "Cancelled"),
    SubmissionStatus.UNKNOWN: message("submission.status.unknown", "Outcome unknown"),
}

CANCELLED = message("card.cancelled", "Cancelled.")
NOT_MADE = message("card.not_made", "Couldn't make this image.")
NOT_CHARGED = message("card.not_charged", "Nothing was charged.")
CHARGED = message("card.charged", "This cost {price:credits}.")
NO_REASON = message("card.no_reason", "The image service gave no reason.")
SOME_FAILED = message("card.some_failed", "{number} of {all} failed, free of charge: {reason}")
SOME_FAILED_NAMED = message("card.some_failed_named", "{number} of {all} failed, free of charge ({names}): {reason}")
SOME_CANCELLED = message("card.some_cancelled", "{number} of {all} cancelled, free of charge.")
SOME_CANCELLED_NAMED = message("card.some_cancelled_named", "{number} of {all} cancelled, free of charge ({names}).")
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
IGNORED = message("card.ignored", "Not supported, so ignored: {options}")
FREE_FAILURE = message("card.free_failure", "Not made, not charged: {reason}")

FAILED = (SubmissionStatus.FAILED, SubmissionStatus.UNKNOWN)


@dataclass(frozen=True, slots=True)
class ShownImage:
    """An image of a card: the name of its file in the message, and whether it was re-encoded to fit."""

    image: StoredImage
    name: str
    reencoded: bool = False


# --- the cards ----------------------------------------------------------------------------------------------------


def result_card(
    view: JobView,
    shown: Sequence[ShownImage],
    *,
    notes: Iterable[Words] = (),
    shareable: bool = True,
    hint: Words | None = None,
) -> Card:
    """The card of a result: the images, ``notes``, and one line of who, how, for how much and how long.

    ``shareable`` False omits Share. ``hint`` is a line in small print about what to try next. Seeds and all settings
    are in Details.
    """
    parts: list[ui.Item[Any]] = [text(prompt_text(view))]
    if shown:
        parts.append(gallery(view, shown))
    compared = view.options.engines is not None
    room = NOTES_AT_MOST - (COMPARISON_AT_MOST // 2 if compared else 0)
    remarks = within(map(str, [*notes, *_remarks(view, shown)]), room)
    if remarks:
        parts.append(text(*remarks))
    if compared:
        parts.append(text(*within(comparison_lines(view), COMPARISON_AT_MOST)))
    edited = edit_line(view)
    lines = [edited] if edited else []
    parts.append(text(*map(quiet, [*lines, _outcome(view), *([] if hint is None else [hint])])))
    # With a fixed seed, Again would make the same image.
    primary = NEW_SEED if NEW_SEED.shown(view) else AGAIN
    sharing = (SHARE,) if shareable else ()
    if len(view.images) > 1:
        references = [ImageReference(view.job.id, place) for place in range(1, len(view.images) + 1)]
        parts.append(ui.ActionRow(images_menu(OPEN_PICTURE, references, hint=str(EDIT_A_PICTURE))))
    parts += job_rows(
        view, EDIT_PICTURE, edit_button(view), AGAIN, NEW_SEED, *sharing, DETAILS, DELETE, primary=primary
    )
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
        *job_rows(view, AGAIN, edit_button(view), DETAILS, DELETE, primary=AGAIN),
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
        headline: Words = t("**Couldn't show the result here.**")
    elif sent is DeliveryMethod.DIRECT_MESSAGE:
        headline = t("**<@{user:plain}> has the result in a direct message:** {url}", user=job.user_id, url=url or "")
    else:
        headline = t("**The result is in a new message:** {url}", url=url or "")
    lines: list[Words] = [headline]
    if reasons:
        lines.append(t("It couldn't be added here, because {reasons}.", reasons=reasons_text(reasons)))
    row = [AGAIN, edit_button(view), DELETE]
    if sent is None:
        lines.append(t("<@{user:plain}>, press Show to see it, here or in /history.", user=job.user_id))
        row.insert(0, SHOW)
    buttons = job_rows(view, *row, primary=row[0])
    return Card(*heading(view), rule(), text(*lines, quiet(_outcome(view))), *buttons, accent=WARM)


def heading(view: JobView) -> list[ui.Item[Any]]:
    """The prompt and the settings, for the top of a card without a result."""
    choice, edited = choice_text(view), edit_line(view, settings=False)
    small: list[Words] = [edited] if edited else []
    small += [settings_text(view), *(() if choice is None else (choice,))]
    return [text(prompt_text(view), *map(quiet, small))]


def for_author(view: JobView) -> str:
    """A mention of the job's author."""
    return f"<@{view.job.user_id}>"


def gallery(view: JobView, shown: Sequence[ShownImage]) -> ui.MediaGallery[Any]:
    """The images of a card, each with its alt text."""
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


# --- the result ---------------------------------------------------------------------------------------------------


def cost_text(view: JobView) -> str:
    """The cost of the job: the amount spent, marked if it is an estimate, and the amount still held."""
    held = t("{held:credits} on hold", held=view.held) if view.held else None
    if not view.captured:
        return str(held or (FREE if view.free else t("not charged")))
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
        cost = FREE if view.free else t("{cost} altogether", cost=cost_text(view))
        return facts(for_author(view), cost, duration)
    return facts(
        for_author(view),
        safe(either(names.get(request.engine, request.engine) for request in requests), 300) or None,
        either(f"{image.width}x{image.height}" for image in view.images) or None,
        cost_text(view),
        duration,
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
    every = len(view.submissions)
    for reason, times in _failures(view).most_common():
        failed = [each for each in view.submissions if each.record.status in FAILED and _reason(each) == reason]
        names = _names(view, failed)
        form = SOME_FAILED_NAMED if names else SOME_FAILED
        yield form(number=times, all=every, names=names, reason=reason)
    dropped = [each for each in view.submissions if each.record.status is SubmissionStatus.CANCELLED]
    if dropped:
        names = _names(view, dropped)
        form = SOME_CANCELLED_NAMED if names else SOME_CANCELLED
        yield form(number=len(dropped), all=every, names=names)


def _names(view: JobView, submissions: Iterable[SubmissionView]) -> str:
    return "; ".join(dict.fromkeys(name for each in submissions if (name := label(view, each.request))))


def _failures(view: JobView) -> Counter[str]:
    """The number of failed requests for each reason."""
    return Counter(_reason(each) for each in view.submissions if each.record.status in FAILED)


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
    if status in FAILED:
        return FREE_FAILURE(reason=safe(" ".join(map(str, submission.problems)) or str(NO_REASON), 300))
    if status is not SubmissionStatus.DONE:
        return SUBMISSION_STATUS[status]
    seconds = submission.seconds
    return facts(
        f"{submission.images[0].width}x{submission.images[0].height}" if submission.images else None,
        submission_cost(submission),
        None if seconds is None else lasted(seconds),
    )


def submission_cost(submission: SubmissionView) -> Words:
    """The cost of one request: the amount spent, marked if it is an estimate, or the amount held."""
    if not submission.charges:
        return FREE
    price = submission.captured
    if not price:
        return t("{held:credits} on hold", held=submission.held) if submission.held else t("not charged")
    return credits_text(price) if submission.exact else t("about {price:credits}", price=price)
