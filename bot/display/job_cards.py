"""The cards of a job: while it is worked on, when its images are there, and when nothing came of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import discord
from discord import ui

from bot.credits import amount_text, credits_text
from bot.display.cards import WARM, Card, buttons, quiet, rule, text, within
from bot.display.wording import counted, lasted, listed, moment, plain, safe
from bot.generation.views import JobView, Progress, SubmissionView
from bot.providers.base import ImageRequest, WeightedText
from storage.jobs import StoredImage, SubmissionStatus

ALT_AT_MOST = 1024
PROMPT_AT_MOST = 1500
SETTINGS_AT_MOST = 600
NOTES_AT_MOST = 1200
SENTENCE_AT_MOST = 400

_BAR = 12
_NOT_CHARGED = "Nothing was charged."


@dataclass(frozen=True, slots=True)
class ShownImage:
    """An image that comes with a card: its file's name in the message, and whether it was re-encoded to fit."""

    image: StoredImage
    name: str
    reencoded: bool = False


# --- the three faces of a job -------------------------------------------------------------------------------------


def waiting_card(view: JobView) -> Card:
    """What is happening now, what it will cost, and Cancel while something can be cancelled."""
    parts: list[ui.Item[Any]] = [*_heading(view), rule(), text(*_happening(view), quiet(_price(view)))]
    if view.job.resumed_at is not None:
        parts.append(text(quiet("Picked up again after a restart.")))
    if view.can_cancel:
        parts.append(buttons(view.job.id, [("cancel", "Cancel")]))
    return Card(*parts)


def result_card(view: JobView, shown: Sequence[ShownImage], *, notes: Iterable[str] = ()) -> Card:
    """The images with what they are and what they cost. ``notes`` are further sentences of the bot's own."""
    numbers = {image.id: number for number, image in enumerate(view.images, 1)}
    gallery = [
        discord.MediaGalleryItem(
            f"attachment://{each.name}",
            description=alt_text(view, each.image, numbers[each.image.id]),
            spoiler=view.job.spoiler,
        )
        for each in shown
    ]
    parts: list[ui.Item[Any]] = [text(prompt_text(view))]
    if gallery:
        parts.append(ui.MediaGallery(*gallery))
    remarks = within([*notes, *_remarks(view, shown, numbers)], NOTES_AT_MOST)
    if remarks:
        parts.append(text(*remarks))
    parts.append(text(quiet(_outcome(view))))
    parts.append(buttons(view.job.id, _result_buttons(view)))
    return Card(*parts)


def failure_card(view: JobView, *, notes: Iterable[str] = ()) -> Card:
    """What happened, that nothing was charged (or what was), and the job offered again."""
    cancelled = all(each.record.status is SubmissionStatus.CANCELLED for each in view.submissions)
    headline = "**Cancelled.**" if cancelled else "**No image came of this.**"
    sentences = [] if cancelled else [sentence for sentence, _ in _failures(view).most_common()]
    if view.captured:
        sentences.append(f"{credits_text(view.captured)} were charged.")
    elif not any("charged" in sentence for sentence in sentences):
        sentences.append(_NOT_CHARGED)
    happened = within([*notes, *sentences], NOTES_AT_MOST)
    return Card(
        *_heading(view),
        rule(),
        text(headline, *happened, quiet(f"for <@{view.job.user_id}>")),
        buttons(view.job.id, [("again", "Again"), ("details", "Details"), ("delete", "Delete")]),
        accent=WARM,
    )


# --- what was asked for -------------------------------------------------------------------------------------------


def prompt_text(view: JobView, limit: int = PROMPT_AT_MOST) -> str:
    """What was asked for, harmless and bounded; never empty."""
    return safe(_words(view), limit) or "(no words)"


def settings_text(view: JobView) -> str:
    """Everything about the requests except their words, in one line."""
    requests = [each.request for each in view.submissions]
    names = {engine.id: engine.name for engine in view.engines}
    images = sum(request.images for request in requests)
    facts = [
        _either(names.get(request.engine, request.engine) for request in requests),
        _either(str(request.size) for request in requests),
        counted(images, "image") if images > 1 else "",
        _either(request.style for request in requests),
        _either(_steps(request) for request in requests),
        _seeds([request.seed for request in requests if request.seed is not None]),
        _either(f"guidance {request.guidance:g}" for request in requests if request.guidance is not None),
        _either(request.sampler for request in requests),
        _either(f"without {plain(request.negative, 200)}" for request in requests if request.negative),
    ]
    return safe(" · ".join(fact for fact in facts if fact), SETTINGS_AT_MOST)


def alt_text(view: JobView, image: StoredImage, number: int) -> str:
    """What the image shows, in words: the prompt it was made from."""
    request = next(each.request for each in view.submissions if each.record.id == image.submission_id)
    words = _weighted(request.prompts)
    total = len(view.images)
    tail = f" (image {number} of {total})" if total > 1 else ""
    return (plain(words, ALT_AT_MOST - len(tail)) or "An image") + tail


def _heading(view: JobView) -> list[ui.Item[Any]]:
    return [text(prompt_text(view), quiet(settings_text(view)))]


def _words(view: JobView) -> str:
    prompts = {each.request.prompts for each in view.submissions}
    # Several prompts were typed as one; nothing says it better than what was typed.
    return _weighted(prompts.pop()) if len(prompts) == 1 else view.options.prompt


def _weighted(prompts: Iterable[WeightedText]) -> str:
    return ", ".join(part.text if part.weight == 1 else f"{part.text} ({part.weight:g})" for part in prompts)


def _either(values: Iterable[str | None]) -> str:
    """The value that all share, or those there are."""
    return listed(dict.fromkeys(value for value in values if value))


def _steps(request: ImageRequest) -> str:
    return "" if request.steps is None else counted(request.steps, "step")


def _seeds(seeds: Iterable[int]) -> str:
    different = list(dict.fromkeys(seeds))
    if len(different) > 4:
        return f"seeds {different[0]} and {len(different) - 1} more"
    return "" if not different else f"{'seed' if len(different) == 1 else 'seeds'} {listed(map(str, different))}"


# --- what is happening --------------------------------------------------------------------------------------------


def _happening(view: JobView) -> list[str]:
    progress = view.progress
    if len(view.submissions) == 1:
        lines = [f"**{_stage(view.submissions[0], progress)}**{_place(view, progress)}"]
    else:
        lines = [f"**{_done(view)}**{_tally(view)}{_place(view, progress)}"]
    if progress.fetching:
        return lines  # The rendering is over, and so is every guess about it.
    if progress.percent is not None:
        filled = _BAR * max(0, min(100, progress.percent)) // 100
        lines.append(f"{'▰' * filled}{'▱' * (_BAR - filled)} {progress.percent} %")
    if progress.expected_at is not None:
        lines[0] += f" · usually ready {moment(_calm(progress.expected_at))}"
    return lines


def _stage(submission: SubmissionView, progress: Progress) -> str:
    if progress.fetching:
        return "Fetching the images"
    return {
        SubmissionStatus.QUEUED: "Waiting to be sent",
        SubmissionStatus.SUBMITTING: "Sent to the image service",
        SubmissionStatus.RENDERING: "Rendering",
    }.get(submission.record.status, "Finishing")


def _place(view: JobView, progress: Progress) -> str:
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
    """What the job cost, marked where it is an estimate."""
    if not view.captured:
        return "not charged"
    return credits_text(view.captured) if view.exact else f"about {credits_text(view.captured)} (estimate)"


def took(view: JobView) -> float | None:
    """Seconds from the first request that was sent to the last that was answered."""
    sent = [each.record.sent_at for each in view.submissions if each.record.sent_at is not None]
    finished = [each.record.finished_at for each in view.submissions if each.record.finished_at is not None]
    return (max(finished) - min(sent)) / 1000 if sent and finished else None


def _outcome(view: JobView) -> str:
    requests = [each.request for each in view.submissions]
    names = {engine.id: engine.name for engine in view.engines}
    seconds = took(view)
    facts = [
        safe(_either(names.get(request.engine, request.engine) for request in requests), 300),
        _either(f"{image.width}x{image.height}" for image in view.images),
        safe(_either(request.style for request in requests), 200),
        _seeds(image.seed for image in view.images if image.seed is not None),
        lasted(seconds) if seconds is not None else "",
        cost_text(view),
        f"for <@{view.job.user_id}>",
    ]
    return " · ".join(fact for fact in facts if fact)


def _remarks(view: JobView, shown: Sequence[ShownImage], numbers: dict[int, int]) -> list[str]:
    remarks = []
    for sentence, times in _failures(view).most_common():
        free = "" if "charged" in sentence else f" {_NOT_CHARGED}"
        remarks.append(f"{times} of {counted(len(view.submissions), 'request')} failed: {sentence}{free}")
    dropped = sum(each.record.status is SubmissionStatus.CANCELLED for each in view.submissions)
    if dropped:
        remarks.append(f"{dropped} of {counted(len(view.submissions), 'request')} cancelled, not charged.")
    remarks += [
        safe(each.record.error, SENTENCE_AT_MOST)
        for each in view.submissions
        if each.record.status is SubmissionStatus.DONE and each.record.error
    ]
    blurred = [numbers[image.id] for image in view.images if image.filtered]
    if blurred:
        remarks.append(f"The image service blurred or held back {_which(blurred, view)}.")
    reencoded = [numbers[each.image.id] for each in shown if each.reencoded]
    if reencoded:
        remarks.append(f"Re-encoded to fit what can be sent here: {_which(reencoded, view)}. The original is kept.")
    return remarks


def _failures(view: JobView) -> Counter[str]:
    """How many requests failed, by the sentence that says why."""
    failed = (SubmissionStatus.FAILED, SubmissionStatus.UNKNOWN)
    return Counter(
        safe(each.record.error or "The image service did not say why.", SENTENCE_AT_MOST)
        for each in view.submissions
        if each.record.status in failed
    )


def _which(numbers: Sequence[int], view: JobView) -> str:
    if len(view.images) == 1:
        return "the image"
    return f"{'image' if len(numbers) == 1 else 'images'} {listed(map(str, numbers))}"


def _result_buttons(view: JobView) -> list[tuple[str, str]]:
    row = [("again", "Again"), ("details", "Details"), ("delete", "Delete")]
    if any(each.request.seed is not None for each in view.submissions):
        row.insert(1, ("new-seed", "New seed"))
    return row
