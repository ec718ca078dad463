"""The card of a person's own settings."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass

from bot.people.user_settings import NAMES, Messages, Notify, UserSettings
from bot.providers.base import Engine
from bot.text import Text, message, t
from bot.ui.cards.layout import Card, Words, heading, quiet, rule, text, within
from bot.ui.cards.wording import safe

NOT_SET = message("settings.not_set", "{title}: {default} (not set)")
SET = message("settings.set", "{title}: **{value}**")
CHANGED = message("settings.changed", "{title}: **{value}** (changed)")
RESET = message("settings.reset", "{title}: {default} (reset)")
ABOVE = message("settings.ask_above", "above {price:credits}")
YES = message("settings.yes", "yes")
NO = message("settings.no", "no")


@dataclass(frozen=True, slots=True)
class Row:
    """A setting on the card: its title, and what applies while it is not set."""

    title: Text
    default: Text | str


ROWS: Mapping[str, Row] = {
    "engine": Row(t("Engine"), t("server default")),
    "size": Row(t("Size"), t("the engine's default")),
    "style": Row(t("Style"), t("none")),
    "images": Row(t("Images"), "1"),
    "private": Row(t("Private"), NO()),
    "text": Row(t("Text added to every prompt"), t("none")),
    "png_text": Row(t("Settings written into image files"), YES()),
    "messages": Row(t("Results by direct message"), t("private ones that are too late to show")),
    "notify": Row(t("Notify me when a long job is done"), t("in the channel")),
    "ask_above": Row(t("Ask first"), t("only for choices in braces and comparisons")),
}
_CHOICES: Mapping[str, Text] = {
    "never": t("never"),
    Messages.LATE_RESULTS: t("private ones that are too late to show"),
    Notify.CHANNEL: t("in the channel"),
    Notify.DM: t("by direct message"),
}


def settings_card(
    settings: UserSettings,
    *,
    engines: Mapping[str, Engine],
    misfits: Iterable[Words],
    changed: Collection[str],
    mention: Callable[[str], str],
) -> Card:
    """A person's settings. ``changed`` names those just set; ``misfits`` say which settings have no effect.

    ``mention`` turns the name of a command into a clickable mention.
    """
    title = t("Your settings were changed") if changed else t("Your settings")
    lines = [line(name, settings, engines, changed=name in changed and len(changed) < len(NAMES)) for name in NAMES]
    remarks = within((safe(str(sentence), 300) for sentence in misfits), 700)
    commands = {"change": mention("settings set"), "reset": mention("settings reset")}
    return Card(
        text(heading(title)),
        rule(),
        text(*lines),
        *([text(*remarks)] if remarks else []),
        rule(),
        text(
            quiet(t("Command options override these; these override server defaults.")),
            quiet(t("{change} changes them, {reset} resets them.", **commands)),
        ),
    )


def line(name: str, settings: UserSettings, engines: Mapping[str, Engine], *, changed: bool = False) -> Text:
    """One setting with its value, or with what applies while it is not set."""
    row = ROWS[name]
    value = _value(name, settings, engines)
    if value is None:
        return (RESET if changed else NOT_SET)(title=row.title, default=row.default)
    return (CHANGED if changed else SET)(title=row.title, value=value)


def _value(name: str, settings: UserSettings, engines: Mapping[str, Engine]) -> Text | str | None:
    value = getattr(settings, name)
    if value is None:
        return None
    if name == "engine":
        engine = engines.get(value)
        return safe(engine.name, 100) if engine is not None else t("{id}, no longer available", id=safe(value, 100))
    if name == "ask_above":
        return ABOVE(price=value) if value else t("always")
    if isinstance(value, Messages | Notify):
        return _CHOICES[value]
    if isinstance(value, bool):
        return YES() if value else NO()
    return safe(str(value), 600)
