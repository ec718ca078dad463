"""The cards of a job: while it is worked on, when its images are there, and when nothing came of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import discord
from discord import ui

from bot.jobs.view import JobView, Progress, SubmissionView
from bot.text import amount_text, credits_text, lasted, listed
from bot.ui.cards.comparison import comparison_lines
from bot.ui.cards.job_text import alt_text, either, label, prompt_text, seeds, settings_text
from bot.ui.cards.layout import WARM, Card, buttons, quiet, rule, text, within
from bot.ui.cards.wording import counted, moment, safe
from storage.jobs import StoredImage, SubmissionStatus

NOTES_AT_MOST = 1200
COMPARISON_AT_MOST = 1100
SENTENCE_AT_MOST = 400

_BAR = 12
_BUTTONS_IN_A_ROW = 5
_NOT_CHARGED = "Nothing was charged."
_FAILED = (SubmissionStatus.FAILED, SubmissionStatus.UNKNOWN)


@dataclass(frozen=True, slots=True)
class ShownImage:
    """An image that comes with a card: its file's name in the message, and whether it was re-encoded to fit."""

    image: StoredImage
    name: str
    reencoded: bool = False


# --- the three faces of a job -------------------------------------------------------------------------------------


def waiting_card(view: JobView, shown: Sequence[ShownImage] = (), *, ending: str | None = None) -> Card:
    """What is happening now, what it will cost, the images so far, and Cancel while something can be cancelled.

    ``ending`` is what to say of an interaction's token that is about to be over: it comes with Refresh.
    """
    parts: list[ui.Item[Any]] = heading(view)
    parts += [_gallery(view, shown)] if shown else [rule()]
    parts.append(text(*_happening(view), quiet(_price(view))))
    if view.job.resumed_at is not None:
        parts.append(text(quiet("Picked up again after a restart.")))
    row = [("cancel", "Cancel")] if view.can_cancel else []
    if ending is not None:
        parts.append(text(ending))
        row.append(("refresh", "Refresh"))
    if row:
        parts.append(buttons(view.job.id, row))
    return Card(*parts)


def result_card(
    view: JobView, shown: Sequence[ShownImage], *, notes: Iterable[str] = (), shareable: bool = True
) -> Card:
    """The images with what they are and what they cost. ``notes`` are further sentences of the bot's own.

    Where it is not ``shareable`` nobody else could see it anyway.
    """
    parts: list[ui.Item[Any]] = [text(prompt_text(view))]
    if shown:
        parts.append(_gallery(view, shown))
    compared = view.options.engines is not None
    remarks = within([*notes, *_remarks(view, shown)], NOTES_AT_MOST - (COMPARISON_AT_MOST // 2 if compared else 0))
    if remarks:
        parts.append(text(*remarks))
    if compared:
        parts.append(text(*within(comparison_lines(view), COMPARISON_AT_MOST)))
    parts.append(text(quiet(_outcome(view))))
    parts += [buttons(view.job.id, row) for row in _result_buttons(view, shareable=shareable)]
    return Card(*parts)


def failure_card(view: JobView, *, notes: Iterable[str] = ()) -> Card:
    """What happened, that nothing was charged (or what was), and the job offered again."""
    cancelled = all(each.record.status is SubmissionStatus.CANCELLED for each in view.submissions)
    headline = "**Cancelled.**" if cancelled else "**No image came of this.**"
    sentences = [] if cancelled else [sentence for sentence, _ in _failures(view).most_common()]
    if view.captured:
        sentences.append(f"{credits_text(view.captured)} were charged.")
    else:
        sentences.append(_NOT_CHARGED)
    happened = within([*notes, *sentences], NOTES_AT_MOST)
    return Card(
        *heading(view),
        rule(),
        text(headline, *happened, quiet(f"for <@{view.job.user_id}>")),
        buttons(view.job.id, [("again", "Again"), ("edit", "Edit"), ("details", "Details"), ("delete", "Delete")]),
        accent=WARM,
    )


def elsewhere_card(view: JobView, *, where: str | None, why: str) -> Card:
    """What is left for the job's own card to say of a result that is not in it: where it is, and why.

    ``where`` is how a sentence goes on after "the result"; None: it is kept for its author, who can have it shown.
    """
    headline = f"**The result {where or 'is kept'}.**"
    sentences = [f"It could not be put into this card: {why}."]
    row = [("again", "Again"), ("edit", "Edit"), ("delete", "Delete")]
    if where is None:
        sentences.append("Whoever asked for it can have it shown with Show, here or in /history.")
        row.insert(0, ("show", "Show"))
    return Card(
        *heading(view),
        rule(),
        text(headline, *sentences, quiet(_outcome(view))),
        buttons(view.job.id, row),
        accent=WARM,
    )


def heading(view: JobView) -> list[ui.Item[Any]]:
    """What was asked for, at the top of a card that has no result yet."""
    return [text(prompt_text(view), quiet(settings_text(view)))]


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
    """The number of each image by its id: among those that there are, or that there will be while more are to come."""
    if not view.waiting:
        return {image.id: number for number, image in enumerate(view.images, 1)}
    numbers: dict[int, int] = {}
    before = 1
    for submission in view.submissions:
        numbers |= {image.id: before + place for place, image in enumerate(submission.images)}
        before += submission.request.images
    return numbers


# --- what is happening --------------------------------------------------------------------------------------------


def _happening(view: JobView) -> list[str]:
    progress = view.progress
    if len(view.submissions) == 1:
        lines = [f"**{_stage(view.submissions[0], progress)}**{_place(view, progress)}"]
    else:
        lines = [f"**{_done(view)}**{_tally(view)}{_place(view, progress)}"]
    if view.options.engines is not None:
        lines += within(comparison_lines(view), COMPARISON_AT_MOST)
    missing = dict.fromkeys(each.record.provider for each in view.submissions if each.provider_missing)
    if missing:
        lines.append(
            f"{safe(listed(missing), 100)} is switched off here at the moment. What was sent to it is kept and goes on "
            "as soon as whoever runs the bot switches it on again."
        )
    if progress.fetching:
        return lines  # The rendering is over, and so is every guess about it.
    if progress.percent is not None:
        filled = _BAR * max(0, min(100, progress.percent)) // 100
        lines.append(f"{'▰' * filled}{'▱' * (_BAR - filled)} {progress.percent} %")
    if progress.overdue:
        lines[0] += " · taking longer than usual"
    elif progress.expected_at is not None:
        lines[0] += f" · usually ready {moment(_calm(progress.expected_at))}"
    return lines


def _stage(submission: SubmissionView, progress: Progress) -> str:
    if submission.provider_missing:
        return "Waiting for the image service"
    if progress.fetching:
        return "Fetching the images"
    if submission.record.status is SubmissionStatus.QUEUED and submission.record.sendings:
        return "No answer came; waiting to be sent once more"
    return {
        SubmissionStatus.QUEUED: "Waiting to be sent",
        SubmissionStatus.SUBMITTING: "Sent to the image service",
        SubmissionStatus.RENDERING: "Rendering",
    }.get(submission.record.status, "Finishing")


def _place(view: JobView, progress: Progress) -> str:
    if progress.outage_until is not None:
        return f" · the image service fails again and again, next try {moment(progress.outage_until)}"
    retries = [
        each.record.next_attempt_at
        for each in view.submissions
        if each.record.status is SubmissionStatus.QUEUED and each.record.attempts and each.record.next_attempt_at
    ]
    if retries:
        return f" · the image service is busy or away, next try {moment(min(retries))}"
    position = progress.queue_position
    if position is None:
        return ""
    return " · next in the queue" if position == 1 else f" · number {position} in the queue"


def _done(view: JobView) -> str:
    done = sum(each.record.status is SubmissionStatus.DONE for each in view.submissions)
    return f"{done} of {len(view.submissions)} done"


def _tally(view: JobView) -> str:
    words = {
        SubmissionStatus.RENDERING: "rendering",
        SubmissionStatus.SUBMITTING: "sent",
        SubmissionStatus.QUEUED: "waiting",
        SubmissionStatus.FAILED: "failed (free)",
        SubmissionStatus.UNKNOWN: "lost (free)",
        SubmissionStatus.CANCELLED: "cancelled (free)",
    }
    numbers = Counter(each.record.status for each in view.submissions)
    return "".join(f" · {numbers[status]} {word}" for status, word in words.items() if numbers[status])


def _calm(milliseconds: int) -> int:
    """Rounded to five seconds: a guess that wavers is not worth an edit of the card."""
    return round(milliseconds / 5000) * 5000


def _price(view: JobView) -> str:
    held = f"{credits_text(view.held)} held, {'the exact price' if view.quoted_exactly else 'an estimate'}"
    spent = f"{amount_text(view.captured)} spent, " if view.captured else ""
    return f"{spent}{held} · for <@{view.job.user_id}>"


# --- what came of it ----------------------------------------------------------------------------------------------


def cost_text(view: JobView) -> str:
    """What the job costs, marked where it is an estimate: what was spent on it, and what is still held for it."""
    held = f"{credits_text(view.held)} held" if view.held else ""
    if not view.captured:
        return held or "not charged"
    spent = credits_text(view.captured) if view.exact else f"about {credits_text(view.captured)} (estimate)"
    return f"{spent}, {held}" if held else spent


def took(view: JobView) -> float | None:
    """Seconds from the first request that was sent to the last that was answered."""
    sent = [each.record.sent_at for each in view.submissions if each.record.sent_at is not None]
    finished = [each.record.finished_at for each in view.submissions if each.record.finished_at is not None]
    return (max(finished) - min(sent)) / 1000 if sent and finished else None


def _outcome(view: JobView) -> str:
    requests = view.requests
    names = {engine.id: engine.name for engine in view.engines}
    seconds = took(view)
    if view.options.engines is not None:
        # The lines above say all of this for each engine by itself.
        together = f"{counted(len(requests), 'request')} together: {cost_text(view)}"
        return " · ".join([together, *([lasted(seconds)] if seconds is not None else []), f"for <@{view.job.user_id}>"])
    facts = [
        safe(either(names.get(request.engine, request.engine) for request in requests), 300),
        either(f"{image.width}x{image.height}" for image in view.images),
        safe(either(request.style for request in requests), 200),
        seeds(image.seed for image in view.images if image.seed is not None),
        lasted(seconds) if seconds is not None else "",
        cost_text(view),
        f"for <@{view.job.user_id}>",
    ]
    return " · ".join(fact for fact in facts if fact)


def _remarks(view: JobView, shown: Sequence[ShownImage]) -> list[str]:
    # A comparison says of each of its engines what came of it.
    remarks = [] if view.options.engines is not None else [*_not_made(view)]
    remarks += [
        safe(" ".join(map(str, each.problems)), SENTENCE_AT_MOST)
        for each in view.submissions
        if each.record.status is SubmissionStatus.DONE and each.problems
    ]
    numbers = _numbers(view)
    blurred = [numbers[image.id] for image in view.images if image.filtered]
    if blurred:
        remarks.append(f"The image service blurred or held back {_which(blurred, view)}.")
    reencoded = [numbers[each.image.id] for each in shown if each.reencoded]
    if reencoded:
        remarks.append(f"Re-encoded to fit what can be sent here: {_which(reencoded, view)}. The original is kept.")
    return remarks


def _not_made(view: JobView) -> Iterator[str]:
    """Which requests failed and why, and which were cancelled; each by its name where they have names."""
    of = counted(len(view.submissions), "request")
    for sentence, times in _failures(view).most_common():
        failed = [each for each in view.submissions if each.record.status in _FAILED and _reason(each) == sentence]
        names = _named(view, failed)
        yield f"{times} of {of} failed and {'was' if times == 1 else 'were'} free{names}: {sentence}"
    dropped = [each for each in view.submissions if each.record.status is SubmissionStatus.CANCELLED]
    if dropped:
        yield f"{len(dropped)} of {of} cancelled, not charged{_named(view, dropped)}."


def _named(view: JobView, submissions: Iterable[SubmissionView]) -> str:
    names = dict.fromkeys(name for each in submissions if (name := label(view, each.request)))
    return f" ({'; '.join(names)})" if names else ""


def _failures(view: JobView) -> Counter[str]:
    """How many requests failed, by the sentence that says why."""
    return Counter(_reason(each) for each in view.submissions if each.record.status in _FAILED)


def _reason(submission: SubmissionView) -> str:
    return safe(" ".join(map(str, submission.problems)) or "The image service did not say why.", SENTENCE_AT_MOST)


def _which(numbers: Sequence[int], view: JobView) -> str:
    if len(view.images) == 1:
        return "the image"
    return f"{'image' if len(numbers) == 1 else 'images'} {listed(map(str, numbers))}"


def _result_buttons(view: JobView, *, shareable: bool) -> list[list[tuple[str, str]]]:
    """In one row where they fit, else what makes something new in a row of its own."""
    makes, keeps = [("again", "Again"), ("edit", "Edit")], [("details", "Details"), ("delete", "Delete")]
    if any(request.seed is not None for request in view.requests):
        makes.insert(1, ("new-seed", "New seed"))
    if shareable and view.job.public_in is None and view.job.server_id is not None:
        keeps.insert(0, ("share", "Share"))
    return [[*makes, *keeps]] if len(makes) + len(keeps) <= _BUTTONS_IN_A_ROW else [makes, keeps]
