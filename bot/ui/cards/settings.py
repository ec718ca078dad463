"""The card of a person's own settings."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping

from bot.people.user_settings import NAMES, Messages, UserSettings
from bot.providers.base import Engine
from bot.text import Text, credits_text
from bot.ui.cards.layout import Card, quiet, rule, text, within
from bot.ui.cards.wording import safe

_TITLES: Mapping[str, str] = {
    "engine": "Engine",
    "size": "Size",
    "style": "Style",
    "images": "Images",
    "private": "Private",
    "text": "Text that is always added",
    "png_text": "Settings written into image files",
    "messages": "Direct messages",
    "ask_above": "Ask first",
}
_UNSET: Mapping[str, str] = {
    "engine": "the one that is used here",
    "size": "the engine's own",
    "style": "none",
    "images": "1",
    "private": "no",
    "text": "none",
    "png_text": "yes",
    "messages": "only private results that came too late to show",
    "ask_above": "only for choices in braces and comparisons",
}
_MESSAGES: Mapping[Messages, str] = {
    Messages.NEVER: "never",
    Messages.LATE_RESULTS: "only private results that came too late to show",
    Messages.LONG_JOBS: "private results that came too late to show, and a link when a long job is done",
}


def settings_card(
    settings: UserSettings,
    *,
    engines: Mapping[str, Engine],
    misfits: Iterable[Text],
    changed: Collection[str],
    mention: Callable[[str], str],
) -> Card:
    """What the person set. ``changed`` names what was just set; ``misfits`` are sentences on what cannot be used.

    ``mention`` turns a command's name into something to click on.
    """
    heading = "**Your settings**" if not changed else "**Your settings were changed**"
    lines = [_line(name, settings, engines, changed=name in changed and len(changed) < len(NAMES)) for name in NAMES]
    remarks = within((safe(str(misfit), 300) for misfit in misfits), 700)
    return Card(
        text(heading),
        rule(),
        text(*lines),
        *([text(*remarks)] if remarks else []),
        rule(),
        text(
            quiet("What you type counts more than these, and these count more than the server's."),
            quiet(f"{mention('settings set')} changes them, {mention('settings reset')} forgets them."),
        ),
    )


def _line(name: str, settings: UserSettings, engines: Mapping[str, Engine], *, changed: bool) -> str:
    said = _said(name, settings, engines)
    value = f"{_UNSET[name]} (not set)" if said is None else f"**{said}**"
    return f"{_TITLES[name]}: {value}" + (" (changed)" if changed else "")


def _said(name: str, settings: UserSettings, engines: Mapping[str, Engine]) -> str | None:
    value = getattr(settings, name)
    if value is None:
        return None
    if name == "engine":
        engine = engines.get(value)
        return safe(engine.name, 100) if engine is not None else f"{safe(value, 100)}, which is not offered any more"
    if name == "ask_above":
        return f"above {credits_text(value)}" if value else "always"
    if isinstance(value, Messages):
        return _MESSAGES[value]
    if isinstance(value, bool):
        return "yes" if value else "no"
    return safe(str(value), 600)
