"""The panel of a person's own settings: a menu for each, which shows its value and changes it."""

from __future__ import annotations

import types
import typing
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeAlias

import discord
from discord import ui

from bot.domain.engines import takes_shape
from bot.domain.options import IMAGES_PER_JOB, STYLE
from bot.domain.sizes import SHAPES
from bot.errors import UserError
from bot.people.user_settings import NAMES, Messages, Notify, UserSettings
from bot.providers.base import Engine
from bot.text import Text, message, plural, t
from bot.ui.cards.buttons import (
    KEEP_SETTINGS,
    OLD_LIST,
    OPTIONS_IN_A_MENU,
    RESET_FOR_GOOD,
    RESET_SETTINGS,
    SETTING,
    SETTINGS_TEXT,
)
from bot.ui.cards.layout import WARM, Card, Words, heading, quiet, rule, text, within
from bot.ui.cards.wording import plain, safe, style_name

SET = message("settings.set", "{title}: **{value}**")
CHANGED = message("settings.changed", "{title}: **{value}** (changed)")
RESET = message("settings.reset", "{title} was reset: {default}")
ALL_RESET = message("settings.all_reset", "All settings are back to their defaults.")
ABOVE = message("settings.ask_above", "Above {price:credits}")
YES = message("settings.yes", "Yes")
NO = message("settings.no", "No")
RESET_QUESTION = message("settings.reset_question", "Reset all your settings?")
RESET_EFFECT = message(
    "settings.reset_effect", "All of them go back to their defaults. Images and history stay as they are."
)

DEFAULT = "-"
"""The value in a menu that clears the setting."""
_PRICES = (1000, 5000, 10_000, 25_000, 50_000, 100_000)
_RATIOS = ("5:4", "4:3", "2:1", "21:9", "4:5", "3:4", "1:2", "9:21")
"""Further shapes, besides those that have a name."""


@dataclass(frozen=True, slots=True)
class SettingsView:
    """The data of the panel.

    ``engine`` is used by default; None while there is none. ``changed`` names the settings just changed;
    ``misfits`` say which have no effect.
    """

    settings: UserSettings
    engines: Mapping[str, Engine]
    engine: Engine | None
    misfits: tuple[Text, ...] = ()
    changed: Collection[str] = ()


Choice: TypeAlias = tuple[Any, Words]
"""A value of a setting, and its label."""


@dataclass(frozen=True, slots=True)
class Row:
    """A setting in the panel: its title, and the label while it is not set.

    ``choices`` are the values in its menu. None: all values of its type, or a form if they are typed.
    """

    title: Text
    default: Text
    choices: Callable[[SettingsView], Iterable[Choice]] | None = None


def _engines(view: SettingsView) -> Iterator[Choice]:
    for engine in view.engines.values():
        yield engine.id, engine.name


def _sizes(view: SettingsView) -> Iterator[Choice]:
    words = {
        "square": t("Square"),
        "landscape": t("Landscape"),
        "wide": t("Wide"),
        "portrait": t("Portrait"),
        "phone": t("Phone"),
    }
    for word, title in words.items():
        if view.engine is None or takes_shape(view.engine, word):
            yield word, t("{shape} ({ratio})", shape=title, ratio=str(SHAPES[word]))
    for ratio in _RATIOS:
        if view.engine is None or takes_shape(view.engine, ratio):
            yield ratio, ratio


def _styles(view: SettingsView) -> Iterator[Choice]:
    first = () if view.engine is None else STYLE.names(view.engine)
    named = first or {style: None for engine in view.engines.values() for style in STYLE.names(engine)}
    for style in named:
        yield style, style_name(style)


def _images(_: SettingsView) -> Iterator[Choice]:
    for count in range(1, IMAGES_PER_JOB + 1):
        yield count, plural("{count} image", "{count} images", count)


def _prices(_: SettingsView) -> Iterator[Choice]:
    yield 0, t("Always")
    for price in _PRICES:
        yield price, ABOVE(price=price)


ROWS: Mapping[str, Row] = {
    "engine": Row(t("Engine"), t("Default"), _engines),
    "size": Row(t("Size"), t("Default"), _sizes),
    "style": Row(t("Style"), t("None"), _styles),
    "images": Row(t("Images"), t("1 image (default)"), _images),
    "private": Row(t("Private results"), t("No (default)")),
    "text": Row(t("Text for every prompt"), t("none")),
    "png_text": Row(t("Settings inside image files"), t("Yes (default)")),
    "messages": Row(t("Direct messages"), t("Private results that are late (default)")),
    "notify": Row(t("When a long job is done"), t("Mention me in the channel (default)")),
    "ask_above": Row(t("Ask before spending"), t("Several prompts or engines (default)"), _prices),
}
_WORDS: Mapping[str, Text] = {
    Messages.NEVER: t("Never"),
    Messages.LATE_RESULTS: t("Private results that are late"),
    Notify.CHANNEL: t("In the channel"),
    Notify.DM: t("By direct message"),
}
"""The labels of settings that are enumerations, by value."""
_TYPES = typing.get_type_hints(UserSettings)


def settings_card(view: SettingsView) -> Card:
    """The panel: what was just changed, a menu for each setting, and the buttons for the rest."""
    parts: list[ui.Item[Any]] = [text(heading(t("Your settings")), *_news(view))]
    typed = []
    for name in NAMES:
        offered = menu(name, view)
        if offered is None:
            typed.append(name)
        else:
            parts += [text(heading(ROWS[name].title)), ui.ActionRow(SETTING.of(offered, name))]
    parts += [rule(), text(*(SET(title=ROWS[name].title, value=safe(str(label(name, view)), 600)) for name in typed))]
    buttons: list[ui.Button[Any]] = [SETTINGS_TEXT.to()]
    if view.settings != UserSettings():
        buttons.append(RESET_SETTINGS.to())
    parts.append(ui.ActionRow(*buttons))
    parts.append(text(quiet(t("Command options override these; these override server defaults."))))
    return Card(*parts)


def reset_question() -> Card:
    """The question before all settings are reset."""
    return Card(
        text(heading(RESET_QUESTION), RESET_EFFECT), ui.ActionRow(RESET_FOR_GOOD.to(), KEEP_SETTINGS.to()), accent=WARM
    )


def menu(name: str, view: SettingsView) -> list[discord.SelectOption] | None:
    """The options of a setting's menu, the current one selected; None for a setting that is typed."""
    known = _choices(name, view)
    if known is None:
        return None
    value = getattr(view.settings, name)
    default = _default(name, view)
    return [
        discord.SelectOption(label=plain(str(default), 100), value=DEFAULT, default=value is None),
        *(
            discord.SelectOption(label=plain(str(words), 100) or each, value=each, default=each == str(value))
            for each, words in ((str(choice), words) for choice, words in known)
        ),
    ]


def chosen_value(name: str, view: SettingsView, chosen: str) -> Any:
    """The value of a setting that was chosen from its menu; None clears it. Raises UserError if it is not offered."""
    if chosen == DEFAULT:
        return None
    for value, _ in _choices(name, view) or ():
        if str(value) == chosen:
            return value
    raise UserError(OLD_LIST)


def label(name: str, view: SettingsView) -> Words:
    """The value of a setting in words, or what applies while it is not set."""
    value = getattr(view.settings, name)
    if value is None:
        return _default(name, view)
    return next((words for choice, words in _choices(name, view) or () if choice == value), str(value))


def _news(view: SettingsView) -> Iterator[Words]:
    """What was just changed, and which settings have no effect."""
    if len(view.changed) == len(NAMES):
        yield ALL_RESET
    elif view.changed:
        for name in view.changed:
            title, value = ROWS[name].title, safe(str(label(name, view)), 600)
            reset = getattr(view.settings, name) is None
            yield RESET(title=title, default=value) if reset else CHANGED(title=title, value=value)
    else:
        yield quiet(t("Choose from the menus. Changes apply at once."))
    yield from within((safe(str(sentence), 300) for sentence in view.misfits), 700)


def _default(name: str, view: SettingsView) -> Text:
    if name == "engine" and view.settings.engine is None and view.engine is not None:
        return t("{engine} (default)", engine=plain(view.engine.name, 60))
    return ROWS[name].default


def _choices(name: str, view: SettingsView) -> list[Choice] | None:
    """The values in a setting's menu, with the current one; None for a setting that is typed."""
    choices = ROWS[name].choices
    every = _of_type(_TYPES[name]) if choices is None else list(choices(view))
    if every is None:
        return None
    value = getattr(view.settings, name)
    # As many as fit besides the default.
    most = OPTIONS_IN_A_MENU - 1
    current = [choice for choice in every if choice[0] == value]
    if value is not None and not current:
        current = [(value, _unlisted(name, value))]
    if current and current[0] not in every[:most]:
        every = [*current, *(choice for choice in every if choice != current[0])]
    return every[:most]


def _unlisted(name: str, value: Any) -> Words:
    """The label of a current value that the menu does not offer by itself."""
    if name == "engine":
        return t("{id}, no longer available", id=plain(value, 60))
    return ABOVE(price=value) if name == "ask_above" else str(value)


def _of_type(hint: Any) -> list[Choice] | None:
    """All values of a type; None if there are too many."""
    kinds = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    if bool in kinds:
        return [(True, YES), (False, NO)]
    enum = next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, StrEnum)), None)
    return None if enum is None else [(member, _WORDS[member]) for member in enum]
