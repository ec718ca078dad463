"""What was asked for, in words: the prompt, the settings, and how one request of several is told from the others."""

from __future__ import annotations

from collections.abc import Iterable

from bot.jobs.view import JobView
from bot.providers.base import ImageRequest, WeightedText
from bot.text import listed
from bot.ui.cards.wording import counted, plain, safe
from storage.records import StoredImage

ALT_AT_MOST = 1024
PROMPT_AT_MOST = 1500
SETTINGS_AT_MOST = 600
LABEL_AT_MOST = 80


def prompt_text(view: JobView, limit: int = PROMPT_AT_MOST) -> str:
    """What was asked for, harmless and bounded; never empty."""
    return safe(words(view), limit) or "(no words)"


def settings_text(view: JobView) -> str:
    """Everything about the requests except their words, in one line."""
    requests = view.requests
    names = {engine.id: engine.name for engine in view.engines}
    images = sum(request.images for request in requests)
    facts = [
        either(names.get(request.engine, request.engine) for request in requests),
        either(str(request.size) for request in requests),
        counted(images, "image") if images > 1 else "",
        either(request.style for request in requests),
        either(_steps(request) for request in requests),
        seeds(request.seed for request in requests if request.seed is not None),
        either(f"guidance {request.guidance:g}" for request in requests if request.guidance is not None),
        either(request.sampler for request in requests),
        either(f"without {plain(request.negative, 200)}" for request in requests if request.negative),
    ]
    return safe(" · ".join(fact for fact in facts if fact), SETTINGS_AT_MOST)


def alt_text(view: JobView, image: StoredImage, number: int) -> str:
    """What the image shows, in words: the prompt it was made from."""
    request = next(each.request for each in view.submissions if each.record.id == image.submission_id)
    # While it is worked on more are to come.
    total = sum(each.images for each in view.requests) if view.waiting else len(view.images)
    tail = f" (image {number} of {total})" if total > 1 else ""
    if view.options.engines is not None:
        tail = f" by {plain(_name(view, request.engine), LABEL_AT_MOST)}{tail}"
    return (plain(weighted(request.prompts), ALT_AT_MOST - len(tail)) or "An image") + tail


def words(view: JobView) -> str:
    """What was asked for, as it came from people."""
    prompts = {request.prompts for request in view.requests}
    # Several prompts were typed as one; nothing says it better than what was typed.
    return weighted(prompts.pop()) if len(prompts) == 1 else view.options.prompt


def weighted(prompts: Iterable[WeightedText]) -> str:
    """The parts of a prompt in one line, each with its weight where it has one."""
    return ", ".join(part.text if part.weight == 1 else f"{part.text} ({part.weight:g})" for part in prompts)


def either(values: Iterable[str | None]) -> str:
    """The value that all share, or those there are."""
    return listed(dict.fromkeys(value for value in values if value))


def _steps(request: ImageRequest) -> str:
    return "" if request.steps is None else counted(request.steps, "step")


def seeds(numbers: Iterable[int]) -> str:
    """``seed 7``, ``seeds 7 and 8``, or nothing."""
    different = list(dict.fromkeys(numbers))
    if len(different) > 4:
        return f"seeds {different[0]} and {len(different) - 1} more"
    return "" if not different else f"{'seed' if len(different) == 1 else 'seeds'} {listed(map(str, different))}"


def engine_name(view: JobView, engine_id: str) -> str:
    """The engine's name, or its id where it is no longer offered; harmless and bounded."""
    return safe(_name(view, engine_id), LABEL_AT_MOST)


def _name(view: JobView, engine_id: str) -> str:
    return next((engine.name for engine in view.engines if engine.id == engine_id), engine_id)


def label(view: JobView, request: ImageRequest) -> str:
    """What tells this request from the others of its job: its engine, its words, its seed; nothing if nothing does."""
    requests = view.requests
    parts = []
    if len({each.engine for each in requests}) > 1:
        parts.append(engine_name(view, request.engine))
    if len({each.prompts for each in requests}) > 1:
        parts.append(safe(weighted(request.prompts), LABEL_AT_MOST))
    if not parts and request.seed is not None and len({each.seed for each in requests}) > 1:
        parts.append(f"seed {request.seed}")
    return ": ".join(parts)
