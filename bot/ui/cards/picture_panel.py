"""The private panel of a picture: the picture, what it is, and the ways to go on from it with their prices."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from discord import ui

from bot.domain.pictures import SourceKind
from bot.jobs.picture_tools import EditedPicture, Offer
from bot.text import Text, message, t
from bot.ui.attached_files import Sheet
from bot.ui.cards.edit_text import source_text
from bot.ui.cards.job_text import engine_name, weighted
from bot.ui.cards.layout import WARM, Card, Words, facts, heading, quiet, rule, text
from bot.ui.cards.picture_buttons import (
    BACK_TO_PICTURE,
    FINISH,
    IMAGE_NUMBER,
    ORIGINAL,
    PICTURE_BUTTONS,
    SWITCH_PICTURE,
    images_menu,
)
from bot.ui.cards.wording import plain, price_text, safe

NO_TOOLS = message("panel.no_tools", "No engine here can change pictures right now. {engines} lists what each can do.")
HOW_TO_EXTEND = message("panel.how_to_extend", "How should the picture grow?")
PRICES = message("panel.prices", "Prices are in credits.")
FINISHING = message("panel.finishing", "Like it? Make a finer version. This one cost {cost:amount}.")
FINISHING_FREE = message("panel.finishing_free", "Like it? Make a finer version. This one was free.")

PICTURE = "picture.jpg"
"""The name of the small picture's file."""
_WORDS_AT_MOST = 300
_ALT_AT_MOST = 500
_NAME_AT_MOST, _LABEL_AT_MOST = 40, 80
_PAIR = 2

_BUTTONS = {button.name: button for button in PICTURE_BUTTONS}


def panel_sheet(
    picture: EditedPicture,
    small: bytes | None,
    offers: Iterable[Offer],
    finish: Offer | None,
    *,
    mention: Callable[[str], str],
) -> Sheet:
    """The panel. ``small`` is the picture as JPEG, or None if it cannot be drawn; ``mention`` mentions a command."""
    shown = list(offers)
    parts = [*_about(picture, small)]
    if len(picture.siblings) > 1:
        parts.append(ui.ActionRow(images_menu(SWITCH_PICTURE, picture.siblings, chosen=picture.reference)))
    parts.append(rule())
    if not shown:
        parts.append(text(NO_TOOLS(engines=mention("engines"))))
    elif any(offer.price.high for offer in shown):
        parts.append(text(quiet(PRICES)))
    parts += _rows([*(tool_button(picture, offer) for offer in shown), ORIGINAL.on(picture.reference)])
    if finish is not None:
        parts.append(text(quiet(FINISHING(cost=picture.cost) if picture.cost else FINISHING_FREE)))
        label = FINISH.label(engine=plain(finish.engine.name, _NAME_AT_MOST))
        parts.append(ui.ActionRow(tool_button(picture, finish, label=label)))
    return Sheet(Card(*parts) if shown else Card(*parts, accent=WARM), _files(small))


def extend_sheet(picture: EditedPicture, small: bytes | None, choices: Iterable[Offer]) -> Sheet:
    """The choices of Extend, in place of the panel."""
    rows = _rows([*(tool_button(picture, offer) for offer in choices), BACK_TO_PICTURE.on(picture.reference)])
    return Sheet(Card(*_about(picture, small), rule(), text(HOW_TO_EXTEND), *rows), _files(small))


def original_card(picture: EditedPicture, name: str) -> Card:
    """The message with the original file of this name."""
    file: ui.File[Any] = ui.File(f"attachment://{name}", spoiler=picture.spoiler)
    return Card(text(heading(title(picture)), quiet(str(picture.source.size))), file)


def tool_button(picture: EditedPicture, offer: Offer, *, label: Words | None = None) -> ui.Button[Any]:
    """The button of a tool with its price: ``Vary a little · 6``."""
    button = _BUTTONS[offer.tool.name]
    priced = facts(label or button.label, price_text(offer.price))
    return button.on(picture.reference, offer.price.high, plain(priced, _LABEL_AT_MOST))


def title(picture: EditedPicture) -> Text:
    """What a picture is called: ``Image 2 of job 812``."""
    source, view = picture.source, picture.view
    if view is not None:
        place = picture.siblings.index(picture.reference) + 1
        if len(picture.siblings) == 1:
            return t("The image of job {job:plain}", job=view.job.id)
        return t("{image} of job {job:plain}", image=IMAGE_NUMBER(number=place), job=view.job.id)
    if source.kind is SourceKind.ATTACHED:
        return t("A picture you attached")
    return t("A picture from a message")


def _about(picture: EditedPicture, small: bytes | None) -> list[ui.Item[Any]]:
    """The picture and what is known of it."""
    lines: list[Words] = [heading(title(picture))]
    if picture.described is not None:
        lines.append(safe(weighted(picture.described.prompts), _WORDS_AT_MOST))
    lines.append(quiet(_facts(picture)))
    words = text(*lines)
    if small is None:
        return [words]
    thumbnail: ui.Thumbnail[Any] = ui.Thumbnail(
        f"attachment://{PICTURE}", description=_alt_text(picture), spoiler=picture.spoiler
    )
    return [ui.Section(words, accessory=thumbnail)]


def _facts(picture: EditedPicture) -> str:
    made_by, author = picture.made_by, picture.source.author_id
    engine = None if picture.view is None or made_by is None else engine_name(picture.view, made_by.engine)
    made_from = None if picture.view is None else source_text(picture.view)
    return facts(None if author is None else f"<@{author}>", engine, str(picture.source.size), made_from)


def _alt_text(picture: EditedPicture) -> str:
    described = picture.described
    return plain("" if described is None else weighted(described.prompts), _ALT_AT_MOST) or str(title(picture))


def _rows(buttons: Sequence[ui.Button[Any]]) -> list[ui.ActionRow[Any]]:
    """The buttons in pairs, because labels with prices are long. Apps wrap a pair that is too wide."""
    return [ui.ActionRow(*buttons[place : place + _PAIR]) for place in range(0, len(buttons), _PAIR)]


def _files(small: bytes | None) -> tuple[tuple[str, bytes], ...]:
    return () if small is None else ((PICTURE, small),)
