"""The cards of refusals: a line for each problem, and buttons for what could be made instead or cancelled."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from discord import ui

from bot.domain.alternatives import Changes
from bot.domain.features import Feature, Option
from bot.domain.options import FLAGS, SIZE
from bot.domain.pictures import ImageReference
from bot.domain.values import Value, value_text
from bot.jobs.new_jobs import TooManyJobs
from bot.jobs.refusals import Offer
from bot.jobs.sources import PictureNotYours
from bot.jobs.view import JobView
from bot.providers.loras import Loras
from bot.providers.operations import Fit
from bot.text import Text, listed, message, t
from bot.ui.cards.buttons import CANCEL, EDIT_PICTURE, edit_refused, offer
from bot.ui.cards.delivery_text import jump_url
from bot.ui.cards.job import NOT_CHARGED, SUBMISSION_STATUS
from bot.ui.cards.job_text import prompt_text
from bot.ui.cards.layout import WARM, Card, Words, escaped, facts, quiet, text, within
from bot.ui.cards.picture_buttons import EDIT_A_PICTURE, OPEN_PICTURE, images_menu
from bot.ui.cards.wording import IMAGES, moment, plain, units
from storage.records import ENDED

EDIT_THE_RESULT = message("refused.edit_the_result", "You can go on from the result instead:")
OFFER = message("refused.offer", "{changes}: {price}")

LABEL_AT_MOST = 80
_ENGINE_AT_MOST = 40
_RUNNING_PROMPT_AT_MOST = 80
_TEXT_AT_MOST = 3500
_PROBLEM_AT_MOST = 1500
# The characters of the labels in one row: more do not fit on a phone.
_ROW_AT_MOST = 44


def not_made_card(problems: Iterable[Words], *rows: ui.Item[Any]) -> Card:
    """Why no images were made. The sentences may quote what a person typed, so they are escaped here."""
    every = [escaped(problem, _PROBLEM_AT_MOST) for problem in problems]
    lines = within((f"- {problem}" for problem in every) if len(every) > 1 else every, _TEXT_AT_MOST)
    # In a text of its own: after a list, it would belong to the last problem.
    return Card(text(*lines), text(quiet(NOT_CHARGED)), *rows, accent=WARM)


def refused_card(problems: Iterable[Words], offers: Sequence[Offer], key: str) -> Card:
    """Why a command was refused, with a button for each offer, and Edit. ``key`` identifies the refused command."""
    buttons = [offer(key, number, offer_label(each)) for number, each in enumerate(offers)]
    rows: list[list[ui.Button[Any]]] = [[]]
    for button in [*buttons, edit_refused(key)]:
        if sum(len(each.label or "") for each in [*rows[-1], button]) > _ROW_AT_MOST and rows[-1]:
            rows.append([])
        rows[-1].append(button)
    return not_made_card(problems, *(ui.ActionRow(*row) for row in rows))


def offer_label(offered: Offer) -> str:
    """What an offer changes, and its price: ``Use 1344x768: 5 credits``."""
    changes = ", ".join(map(str, _changed(offered.changes, compared=offered.options.engines is not None)))
    price = str(offered.price)
    room = LABEL_AT_MOST - units(str(OFFER(changes="", price=price)))
    return str(OFFER(changes=plain(changes[:1].upper() + changes[1:], room), price=price))


def _changed(changes: Changes, *, compared: bool) -> Iterable[Words]:
    # First, because a long label is cut at its end: nobody may overlook it.
    if changes.fit is not None:
        yield t("cropped") if changes.fit is Fit.CROP else t("with a border")
    if changes.private is not None:
        yield t("only for you") if changes.private else t("for everyone")
    names = [plain(engine.name, _ENGINE_AT_MOST) for engine in changes.engines]
    # A flag that was misspelt is not mentioned if its option is dropped anyway.
    used = [flag for flag in changes.flags if FLAGS.get(flag.removeprefix("--")) not in changes.dropped]
    used += [] if compared else names
    used += [str(value) for feature, value in changes.values if feature is SIZE]
    if compared and names:
        yield t("only {engines}", engines=names)
    if used:
        yield t("use {things}", things=", ".join(used))
    yield from (_value(feature, value) for feature, value in changes.values if feature is not SIZE)
    if changes.images is not None:
        yield IMAGES(count=changes.images)
    if changes.dropped:
        yield t("without {features}", features=listed(_inside(feature.label) for feature in changes.dropped))


def _value(feature: Feature, value: Value) -> Words:
    if isinstance(feature, Option):
        return feature.text(plain(str(value), _ENGINE_AT_MOST) if isinstance(value, str | Loras) else value)
    return t("{label} up to {value}", label=_inside(feature.label), value=value_text(value))


def _inside(label: Text) -> str:
    """A label within a sentence."""
    words = str(label)
    # Names such as LoRA have capitals everywhere.
    return words[:1].lower() + words[1:] if words[1:].islower() else words


def not_yours_card(error: PictureNotYours) -> Card:
    """Why somebody else's edit cannot be repeated. Buttons offer to go on from its images instead."""
    view = error.view
    if not any(image.file is not None for image in view.images):
        return not_made_card(error.problems)
    if len(view.images) == 1:
        row: ui.ActionRow[Any] = ui.ActionRow(EDIT_PICTURE.on(view.job.id, primary=True))
    else:
        references = [ImageReference(view.job.id, place) for place in range(1, len(view.images) + 1)]
        row = ui.ActionRow(images_menu(OPEN_PICTURE, references, hint=str(EDIT_A_PICTURE)))
    return not_made_card(error.problems, text(EDIT_THE_RESULT), row)


def too_many_jobs_card(error: TooManyJobs) -> Card:
    """The problems, and the running jobs, each with a link and, if it can be cancelled, Cancel."""
    problems = within((escaped(problem, _PROBLEM_AT_MOST) for problem in error.problems), _PROBLEM_AT_MOST)
    parts: list[ui.Item[Any]] = [text(*problems, quiet(NOT_CHARGED))]
    for view in error.running:
        words = text(_prompt(view), quiet(facts(*_stages(view), moment(view.job.created_at))))
        parts.append(ui.Section(words, accessory=CANCEL.on(view.job.id)) if view.can_cancel else words)
    return Card(*parts, accent=WARM)


def _prompt(view: JobView) -> str:
    """The prompt, as a link to the card if it can be linked."""
    url = jump_url(view.job)
    return (
        prompt_text(view, _RUNNING_PROMPT_AT_MOST)
        if url is None
        else f"[{prompt_text(view, _RUNNING_PROMPT_AT_MOST)}]({url})"
    )


def _stages(view: JobView) -> Iterator[Words]:
    """The status of each unfinished request, with its number if there are several."""
    numbers = Counter(each.record.status for each in view.submissions if each.record.status not in ENDED)
    for status, number in numbers.items():
        stage = SUBMISSION_STATUS[status]
        yield stage if number == 1 else t("{status}: {number}", status=stage, number=number)
