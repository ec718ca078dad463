"""The cards of a new server: the welcome, the panel of /setup, what it saved, and the checklist of its test image."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeVar

import discord
from discord import ui

from bot.domain.money import Price
from bot.domain.rules import PicturesAllowed, Privacy
from bot.servers.access import Access
from bot.servers.setup import STARTER_WORDS, Limit, SetupDraft, Suggestion
from bot.text import Message, Text, amount_text, credits_text, message, plural, t
from bot.ui.cards.access import CHANNEL_FINE, I_MAY, I_MAY_NOT, NO, YES, quoted
from bot.ui.cards.buttons import (
    CHANGE_SETUP,
    OTHER_AMOUNTS,
    OWN_WORDS,
    SAVE_SETUP,
    SET_UP,
    TEST_IMAGE,
    TRY_IT,
    server_id,
)
from bot.ui.cards.help import Mention
from bot.ui.cards.layout import Card, Words, heading, quiet, rule, text, warning, within
from bot.ui.cards.wording import safe

MENU_AT_MOST = 25
"""Discord's limit on the choices of a menu."""
NO_LIMIT = "none"
"""The value of a menu's choice for no limit."""

PANEL = message("setup.panel", "**Set up Easel in this server**")
NOTHING_YET = message("setup.nothing_yet", "Choose what fits. Nothing changes until you press Save.")
SAVED = message("setup.saved", "**Saved**")
NOTHING_CHANGED = message("setup.nothing_changed", "Nothing was changed: it's all set like this already.")
TRY_NOW = message("setup.try_now", "Make a test image to see that it all works. It costs what any image costs.")
OPERATOR_TOO = message("setup.operator_too", "The bot operator's own limits also apply.")
ONE_COSTS = message("setup.one_costs", "An image by {engine} costs {price:credits} at most.")
ONE_IS_FREE = message("setup.one_is_free", "Images by {engine} are free, so no limit is needed.")

E = TypeVar("E", bound=StrEnum)

_PRIVACY_NAMES: dict[Privacy, Message] = {
    Privacy.FREE: message("setup.each_decides", "Each member decides"),
    Privacy.FORCED: message("setup.always_private", "Always private"),
    Privacy.FORBIDDEN: message("setup.never_private", "Never private"),
}
_PRIVACY_TEXTS: dict[Privacy, Message] = {
    Privacy.FREE: message("setup.privacy_free", "Results are public unless a member chooses private"),
    Privacy.FORCED: message("setup.privacy_forced", "Only the author sees a result, and it can't be shared"),
    Privacy.FORBIDDEN: message("setup.privacy_forbidden", "Everyone in the channel sees each result"),
}
_PICTURES_NAMES: dict[PicturesAllowed, Message] = {
    PicturesAllowed.NOBODYS: message("setup.nobodys_pictures", "Nobody's"),
    PicturesAllowed.RESULTS: message("setup.only_results", "Only images that I made"),
    PicturesAllowed.ANYBODYS: message("setup.anybodys_pictures", "Anybody's"),
}
_PICTURES_TEXTS: dict[PicturesAllowed, Message] = {
    PicturesAllowed.NOBODYS: message("setup.pictures_nobodys", "Images are made from words only"),
    PicturesAllowed.RESULTS: message("setup.pictures_results", "Members change results, and bring no pictures"),
    PicturesAllowed.ANYBODYS: message(
        "setup.pictures_anybodys", "Members can bring pictures, and use those in messages"
    ),
}
_CHANNELS = [discord.ChannelType.text, discord.ChannelType.news, discord.ChannelType.forum, discord.ChannelType.voice]

WELCOME = message("welcome.title", "**Hi, I'm Easel. I make images from words and pictures.**")
HOW = message(
    "welcome.how",
    "Type {imagine} and describe an image, for example *a lighthouse on a cliff, storm*. You'll see the progress, then "
    "your image.",
)
COSTS = message("welcome.costs", "An image by {engine} costs {price}. {help} explains the rest.")
FREE = message("welcome.free", "Images by {engine} are free. {help} explains the rest.")
REST = message("welcome.rest", "{help} explains the rest.")
FOR_MANAGERS = message("welcome.for_managers", "**For server managers**")

WAITING, CAREFUL, SKIPPED = "⏳", "⚠️", "▫️"

CHANNEL = message("setup_check.channel", "Channel: not allowed")
ENGINE_WORKS = message("setup_check.engine_works", "Engine: {engine} is making the image")
ENGINE_DONE = message("setup_check.engine_done", "Engine: {engine} made the image")
ENGINE_FAILED = message("setup_check.engine_failed", "Engine: {engine} made no image")
ENGINE_REFUSED = message("setup_check.engine_refused", "Engine: {engine} can't be used")
NOT_CONFIRMED = message("setup_check.not_confirmed", "Engine: confirm the price to start")
NOT_TRIED = message("setup_check.engine_not_tried", "Engine: not tried yet")
NOT_DELIVERED_YET = message("setup_check.delivery_not_tried", "Delivery: not tried yet")
DELIVERY_WAITS = message("setup_check.delivery_waits", "Delivery: waits for the image")
DELIVERED = message("setup_check.delivered", "Delivery: in this channel")
DELIVERED_PRIVATELY = message("setup_check.delivered_privately", "Delivery: only you see it")
NOT_DELIVERED = message("setup_check.not_delivered", "Delivery: the image isn't where it should be")
LIMITED = message("setup_check.limited", "Limits: set, and this image fits")
NOT_LIMITED = message("setup_check.not_limited", "Limits: none. Set one with /setup")
OVER_LIMIT = message("setup_check.over_limit", "Limits: this image would go beyond a limit")
ALL_FINE = message("setup_check.all_fine", "Everything works. Members can make images with /imagine.")
MAKE_ELSEWHERE = message("setup_check.make_elsewhere", "Run /setup where images can be made, and test it there.")


def setup_card(
    draft: SetupDraft,
    *,
    engine: str,
    image_price: int,
    person: Sequence[Suggestion],
    server: Sequence[Suggestion],
    exists: Callable[[int], bool],
    operator_limits: bool,
    problems: Iterable[Words] = (),
) -> Card:
    """The panel with the choices of the draft.

    ``image_price`` is the price of one image by ``engine`` in millicredits. ``person`` and ``server`` are suggested
    limits. ``exists`` says whether a channel or role exists: Discord refuses others. ``problems`` are shown on top.
    """
    name = safe(engine, 80)
    costs = ONE_COSTS(engine=name, price=image_price) if image_price else ONE_IS_FREE(engine=name)
    return Card(
        text(PANEL, NOTHING_YET, *map(warning, problems)),
        rule(),
        text(heading(t("Where")), quiet(t("Channels where images can be made. None chosen: everywhere."))),
        ui.ActionRow(_channels(draft.channels, exists)),
        text(heading(t("Who")), quiet(t("Roles that can make images. None chosen: everyone."))),
        ui.ActionRow(_roles(draft.roles, exists)),
        text(heading(member_period(draft)), quiet(t("The most that one member can spend.")), quiet(costs)),
        ui.ActionRow(_amounts("person", draft.person, person)),
        text(
            heading(server_period(draft)),
            quiet(t("When it's used up, nobody can make images until it resets.")),
            *([quiet(OPERATOR_TOO)] if operator_limits else []),
        ),
        ui.ActionRow(_amounts("server", draft.server, server)),
        text(heading(t("Private or not")), quiet(t("Who sees a result."))),
        ui.ActionRow(_privacy(draft.privacy)),
        text(heading(t("Pictures to start from")), quiet(t("Whose pictures images can be made from."))),
        ui.ActionRow(_pictures(draft.pictures)),
        text(heading(t("Refused words")), quiet(t("Prompts with these words are refused.")), quiet(_own(draft.words))),
        ui.ActionRow(_starter(starter=draft.starter)),
        ui.ActionRow(SAVE_SETUP.button(), OTHER_AMOUNTS.button(), OWN_WORDS.button()),
    )


def member_period(draft: SetupDraft) -> Text:
    """The title of the limit of one member."""
    return t("One member, {period}", period=draft.person.period.each)


def server_period(draft: SetupDraft) -> Text:
    """The title of the limit of the whole server."""
    return t("All members together, {period}", period=draft.server.period.each)


def saved_card(changes: Sequence[Words], problems: Sequence[Words]) -> Card:
    """What was saved, what is still missing, and the next step."""
    parts: list[ui.Item[Any]] = [text(SAVED, *within(map(str, changes or [NOTHING_CHANGED]), 2000))]
    if problems:
        parts += [rule(), text(*within(map(warning, problems), 1200))]
    return Card(*parts, rule(), text(quiet(TRY_NOW)), ui.ActionRow(TEST_IMAGE.button(), CHANGE_SETUP.button()))


def _channels(chosen: Sequence[int], exists: Callable[[int], bool]) -> ui.ChannelSelect[Any]:
    return ui.ChannelSelect(
        custom_id=server_id("channels"),
        channel_types=_CHANNELS,
        placeholder=str(t("Everywhere")),
        min_values=0,
        max_values=MENU_AT_MOST,
        default_values=_selected(chosen, discord.SelectDefaultValueType.channel, exists),
    )


def _roles(chosen: Sequence[int], exists: Callable[[int], bool]) -> ui.RoleSelect[Any]:
    return ui.RoleSelect(
        custom_id=server_id("roles"),
        placeholder=str(t("Everyone")),
        min_values=0,
        max_values=MENU_AT_MOST,
        default_values=_selected(chosen, discord.SelectDefaultValueType.role, exists),
    )


def _selected(
    chosen: Sequence[int], type_: discord.SelectDefaultValueType, exists: Callable[[int], bool]
) -> list[discord.SelectDefaultValue]:
    return [discord.SelectDefaultValue(id=each, type=type_) for each in chosen if exists(each)][:MENU_AT_MOST]


def _amounts(name: str, chosen: Limit, suggested: Sequence[Suggestion]) -> ui.Select[Any]:
    offered: dict[int, Text | None] = {
        each.amount: plural("at least {count} image", "at least {count} images", each.images) for each in suggested
    }
    if chosen.amount is not None:
        offered.setdefault(chosen.amount, None)
    options = [
        discord.SelectOption(
            label=credits_text(amount),
            value=str(amount),
            description=None if about is None else str(about),
            default=amount == chosen.amount,
        )
        for amount, about in sorted(offered.items())
    ]
    none = discord.SelectOption(label=str(t("No limit")), value=NO_LIMIT, default=chosen.amount is None)
    return ui.Select(custom_id=server_id(name), options=[*options, none])


def _privacy(chosen: Privacy) -> ui.Select[Any]:
    return _described("privacy", _PRIVACY_NAMES, _PRIVACY_TEXTS, chosen)


def _pictures(chosen: PicturesAllowed) -> ui.Select[Any]:
    return _described("pictures", _PICTURES_NAMES, _PICTURES_TEXTS, chosen)


def _described(name: str, names: Mapping[E, Message], texts: Mapping[E, Message], chosen: E) -> ui.Select[Any]:
    """A menu of the values of a rule, each with what it means."""
    return ui.Select(
        custom_id=server_id(name),
        options=[
            discord.SelectOption(
                label=str(label),
                value=each.value,
                description=str(texts[each])[:100],
                default=each is chosen,
            )
            for each, label in names.items()
        ],
    )


def _starter(*, starter: bool) -> ui.Select[Any]:
    return ui.Select(
        custom_id=server_id("starter"),
        options=[
            discord.SelectOption(label=str(t("Without the starter list")), value="0", default=not starter),
            discord.SelectOption(
                label=str(t("With the starter list")),
                value="1",
                description=", ".join(STARTER_WORDS)[:100],
                default=starter,
            ),
        ],
    )


def _own(words: Sequence[str]) -> Text:
    if not words:
        return t("Own words: none")
    return t("Own words: {words}", words=safe(", ".join(words), 300))


def typed_amount(limit: Limit) -> str | None:
    """A limit as a person would type it; None for no limit."""
    return None if limit.amount is None else amount_text(limit.amount).replace(",", "")


def welcome_card(mention: Mention, *, engine: str | None, price: Price | None, missing: Sequence[Words]) -> Card:
    """What the bot does, how to try it, and what is ``missing`` in this server.

    ``engine`` is the name of the default one and ``price`` that of its image; None while there is none.
    """
    if engine is None or price is None:
        about = REST(help=mention("help"))
    elif price.high:
        about = COSTS(engine=engine, price=price.text, help=mention("help"))
    else:
        about = FREE(engine=engine, help=mention("help"))
    parts: list[ui.Item[ui.LayoutView]] = [text(WELCOME, HOW(imagine=mention("imagine"))), text(about)]
    if missing:
        parts += [rule(), text(FOR_MANAGERS, *within(map(warning, missing), 1500))]
    return Card(*parts, ui.ActionRow(TRY_IT.button(), SET_UP.button()))


@dataclass(frozen=True, slots=True)
class Step:
    """One line of the checklist, with what to do about it."""

    mark: str
    words: Words
    todo: Sequence[Words] = field(default=())


def engine_step(mark: str, words: Message, engine: str, todo: Sequence[Words] = ()) -> Step:
    """A step about the engine with this name."""
    return Step(mark, words(engine=safe(engine, 80)), todo)


def steps_before(access: Access, lacks: Sequence[Message], *, limited: bool) -> tuple[Step, Step, Step]:
    """The steps that are known before the image: the channel, the bot's permissions, and the limits.

    ``lacks`` are missing permissions; ``limited`` says whether spending is limited.
    """
    channel = Step(YES, CHANNEL_FINE)
    if access.place:
        channel = Step(NO, CHANNEL, (*access.place, MAKE_ELSEWHERE))
    permissions = Step(NO, I_MAY_NOT(permissions=list(lacks))) if lacks else Step(YES, I_MAY)
    beyond = (*access.limits, *access.operators)
    limits = Step(YES, LIMITED) if limited else Step(CAREFUL, NOT_LIMITED)
    if beyond:
        limits = Step(NO, OVER_LIMIT, beyond)
    return channel, permissions, limits


def checklist(steps: Sequence[Step]) -> Card:
    """The steps of the test, in their order."""
    lines: list[str] = []
    for step in steps:
        lines.append(str(t("{mark} {words}", mark=step.mark, words=step.words)))
        lines += quoted(step.todo)
    if all(step.mark in {YES, CAREFUL} for step in steps):
        lines.append(quiet(ALL_FINE))
    return Card(text(heading(t("Test image"))), text(*within(lines, 3600)))
