"""A comparison in lines: for each engine how it stands, how long it took, what it cost, what it was not sent."""

from __future__ import annotations

from collections.abc import Iterator

from bot.domain.comparison import left_out
from bot.jobs.view import JobView, SubmissionView
from bot.providers.base import Engine
from bot.text import credits_text, lasted, listed
from bot.ui.cards.job_text import engine_name, seeds
from bot.ui.cards.layout import quiet
from bot.ui.cards.wording import safe
from storage.jobs import SubmissionStatus

_STANDS = {
    SubmissionStatus.QUEUED: "waiting",
    SubmissionStatus.SUBMITTING: "sent",
    SubmissionStatus.RENDERING: "rendering",
    SubmissionStatus.CANCELLED: "cancelled, not charged",
}


def comparison_lines(view: JobView) -> Iterator[str]:
    """One line for each request, and a quiet one for what its engine does not take."""
    engines = {engine.id: engine for engine in view.engines}
    made = 0
    for submission in view.submissions:
        engine_id = submission.request.engine
        numbers = range(made + 1, made + len(submission.images) + 1)
        # While it is worked on, the gaps that others will fill are counted too.
        made += submission.request.images if view.waiting else len(numbers)
        which = f"{_images(numbers)} · " if numbers else ""
        yield f"{which}**{engine_name(view, engine_id)}** · {_stands(submission)}"
        if engine_id in engines and (missing := not_sent(view, engines[engine_id])):
            yield quiet(missing)


def not_sent(view: JobView, engine: Engine) -> str:
    """What of the comparison this engine does not take, in a sentence, or nothing."""
    missing = left_out(view.options, engine)
    return f"not sent, since it does not take it: {safe(listed(missing), 300)}" if missing else ""


def _images(numbers: range) -> str:
    return f"{'Image' if len(numbers) == 1 else 'Images'} {listed(map(str, numbers))}"


def _stands(submission: SubmissionView) -> str:
    status = submission.record.status
    if status is SubmissionStatus.DONE:
        facts = [
            f"{submission.images[0].width}x{submission.images[0].height}" if submission.images else "",
            seeds(image.seed for image in submission.images if image.seed is not None),
            lasted(submission.seconds) if submission.seconds is not None else "",
            _cost(submission),
        ]
        return " · ".join(fact for fact in facts if fact)
    if status in _STANDS:
        return _STANDS[status]
    why = " ".join(map(str, submission.problems)) or "the image service did not say why."
    return f"not made, not charged: {safe(why, 300)}"


def _cost(submission: SubmissionView) -> str:
    if not submission.captured:
        return "not charged"
    return f"{'' if submission.exact else 'about '}{credits_text(submission.captured)}"
