"""Texts of a job: its prompt, its settings, its alt texts, and a label for each of several requests."""

from __future__ import annotations

import re
from collections.abc import Iterable

from bot.domain.characters import typed
from bot.domain.features import Option
from bot.domain.options import ENGINE, IMAGES, OPTIONS, SEED, SIZE, STRENGTH, STYLE, features
from bot.jobs.view import JobView
from bot.providers.base import ImageRequest, WeightedText
from bot.providers.loras import Loras
from bot.providers.operations import Operation
from bot.text import Text, listed, message, plural, t
from bot.ui.cards.edit_text import alt_words, edit_facts, edit_name, source_text
from bot.ui.cards.layout import facts
from bot.ui.cards.wording import plain, safe
from storage.records import StoredImage

CHOSEN = message("card.chosen_engine", "{engine}, because {other} doesn't take {features:or}")

ALT_AT_MOST = 1024
PROMPT_AT_MOST = 1500
SETTINGS_AT_MOST = 600
LABEL_AT_MOST = 80
_VALUE_AT_MOST = 200
_SEEDS_AT_MOST = 4

TRY_EDIT = message("hint.try_edit", "What next? Press Edit prompt to change it.")
TRY_STYLE = message(
    "hint.try_style", "What next? Press Edit prompt to change it, or add `--style {style}` to your prompt."
)
TRY_PICTURE = message("hint.try_picture", "What next? Press Edit picture to go on from this one.")

_WELL_KNOWN = "anime"
_ONE_WORD = re.compile(r"[a-z0-9-]{1,40}")


def prompt_text(view: JobView, limit: int = PROMPT_AT_MOST) -> str:
    """The prompt, escaped and bounded. If there is none, it is what is done to the picture."""
    return safe(words(view), limit) or str(edit_name(view) if view.operation.has_source else t("(no words)"))


def edit_line(view: JobView, *, settings: bool = True, to_author: bool | None = None) -> str:
    """What is done to the picture and whose it is, in one line; empty for a job that was made from words.

    ``settings`` False omits what :func:`settings_text` contains. ``to_author``: see :func:`source_text`.
    """
    if not view.operation.has_source:
        return ""
    strengths = [request.strength for request in view.requests if request.strength is not None]
    line = facts(
        edit_name(view) if words(view) else None,
        *edit_facts(view),
        either(str(STRENGTH.text(strength)) for strength in strengths) or None if settings else None,
        source_text(view, to_author=to_author),
    )
    return line[:1].upper() + line[1:]


def settings_text(view: JobView, *, without: Option | None = None) -> str:
    """The options of all requests except their prompts and ``without``, in one line."""
    requests = view.requests
    # Settings that can be long come last.
    wanted = [option for option in OPTIONS.values() if option is not without]
    settings = [_setting(view, option, requests) for option in sorted(wanted, key=lambda row: row.several_words)]
    return safe(" · ".join(each for each in settings if each), SETTINGS_AT_MOST)


def choice_text(view: JobView) -> Text | None:
    """Why the engine is not the default one, if the bot chose it because of the other options."""
    chosen = view.options.chosen
    if chosen is None:
        return None
    nouns = {feature.name: feature.noun for feature in features()}
    lacking = [nouns[name] for name in chosen.lacking if name in nouns]
    engine = either(_name(view, request.engine) for request in view.requests)
    return CHOSEN(engine=safe(engine, LABEL_AT_MOST), other=safe(chosen.instead_of, LABEL_AT_MOST), features=lacking)


def _setting(view: JobView, option: Option, requests: Iterable[ImageRequest]) -> str:
    """One option of the requests, or an empty string if it is not set."""
    values = [value for request in requests if (value := getattr(request, option.name)) is not None]
    if option is ENGINE:
        return either(_name(view, engine) for engine in values)
    if option is IMAGES:
        return str(option.text(sum(values))) if sum(values) > 1 else ""
    if option is SIZE:
        return either(map(str, values))
    if option is SEED:
        return seeds(values)
    return either(
        str(option.text(plain(str(value), _VALUE_AT_MOST) if isinstance(value, str | Loras) else value))
        for value in values
        if value != ""
    )


def alt_text(view: JobView, image: StoredImage, number: int) -> str:
    """The alt text of an image: its prompt, or what was done to the picture."""
    request = next(each.request for each in view.submissions if each.record.id == image.submission_id)
    # While the job is in progress, more images follow.
    total = sum(each.images for each in view.requests) if view.waiting else len(view.images)
    tail = str(t(" (image {number} of {total})", number=number, total=total)) if total > 1 else ""
    if view.options.engines is not None:
        tail = str(t(" by {engine}", engine=plain(_name(view, request.engine), LABEL_AT_MOST))) + tail
    return plain(str(alt_words(request, weighted(request.prompts))), ALT_AT_MOST - len(tail)) + tail


def words(view: JobView) -> str:
    """The prompt of the job, after what it replaces in the picture."""
    replaced = typed(view.options.search) if view.operation is Operation.SEARCH_AND_REPLACE else None
    return _prompt(view) if replaced is None else f"{replaced} → {_prompt(view)}"


def _prompt(view: JobView) -> str:
    prompts = {request.prompts for request in view.requests}
    if len(prompts) == 1:
        return weighted(prompts.pop())
    # The prompts differ by choices. Show the choices as they were typed.
    prompt, added = view.options.prompt, view.options.added
    return prompt if added is None else str(t("{prompt} (plus “{added}”)", prompt=prompt, added=added))


def weighted(prompts: Iterable[WeightedText]) -> str:
    """The parts of a prompt in one line, each with its weight unless that is 1."""
    return ", ".join(part.text if part.weight == 1 else f"{part.text} ({part.weight:g})" for part in prompts)


def either(values: Iterable[str | None]) -> str:
    """The common value, or a list of the different values."""
    return listed(dict.fromkeys(value for value in values if value))


def seeds(numbers: Iterable[int]) -> str:
    """Seeds in words: ``seed 7``, ``seeds 7 and 8``, or an empty string."""
    different = list(dict.fromkeys(numbers))
    if len(different) > _SEEDS_AT_MOST:
        return str(t("seeds {first:plain} and {more} more", first=different[0], more=len(different) - 1))
    if not different:
        return ""
    return str(plural("seed {numbers}", "seeds {numbers}", len(different), numbers=[str(each) for each in different]))


def engine_name(view: JobView, engine_id: str) -> str:
    """The engine's name, or its id if it is no longer offered; escaped and bounded."""
    return safe(_name(view, engine_id), LABEL_AT_MOST)


def _name(view: JobView, engine_id: str) -> str:
    return next((engine.name for engine in view.engines if engine.id == engine_id), engine_id)


def label(view: JobView, request: ImageRequest, *, by_seed: bool = True) -> str:
    """How this request differs from the others of its job: by engine, prompt or seed. Empty if it does not differ."""
    requests = view.requests
    parts = []
    if len({each.engine for each in requests}) > 1:
        parts.append(engine_name(view, request.engine))
    if len({each.prompts for each in requests}) > 1:
        parts.append(safe(weighted(request.prompts), LABEL_AT_MOST))
    if by_seed and not parts and request.seed is not None and len({each.seed for each in requests}) > 1:
        parts.append(str(SEED.text(request.seed)))
    return ": ".join(parts)


def what_next(view: JobView) -> Text:
    """What to try after a first result. A style of its engine is suggested if none was used."""
    if view.operation.has_source:
        return TRY_PICTURE()
    styled = any(request.style for request in view.requests)
    styles = () if styled or not view.engines else STYLE.names(view.engines[0])
    fit = [style for style in styles if _ONE_WORD.fullmatch(style)]
    return TRY_STYLE(style=_WELL_KNOWN if _WELL_KNOWN in fit else fit[0]) if fit else TRY_EDIT()
