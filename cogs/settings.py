"""/settings: a person's defaults, so that they need not be typed each time."""

from __future__ import annotations

from discord import app_commands
from discord.app_commands import Choice, Range, locale_str
from discord.ext import commands

from bot.domain.money import millicredits
from bot.domain.options import OPTIONS, STYLE
from bot.domain.prompt.parser import ADDED_AT_MOST
from bot.errors import UserError
from bot.people.user_settings import NAMES, Messages, Notify, UserSettingsStore
from bot.text import message, t
from bot.ui.autocomplete import Suggestions, calmly
from bot.ui.client import Interaction
from bot.ui.commands import takes
from bot.ui.interactions import tell
from bot.ui.settings_panel import SettingsPanel

PRICE_AT_MOST = 1_000_000


MESSAGES = [
    Choice(name=locale_str("never"), value=Messages.NEVER.value),
    Choice(name=locale_str("private ones that are too late to show (default)"), value=Messages.LATE_RESULTS.value),
]
NOTIFY = [
    Choice(name=locale_str("never"), value=Notify.NEVER.value),
    Choice(name=locale_str("in the channel (default)"), value=Notify.CHANNEL.value),
    Choice(name=locale_str("by direct message"), value=Notify.DM.value),
]
NOTHING_TO_SET = message("settings.nothing_to_set", "Pick at least one setting to change.")


class Settings(commands.GroupCog, group_name="settings", group_description=locale_str("Your own defaults")):
    """A person's own defaults."""

    def __init__(self, personal: UserSettingsStore, panel: SettingsPanel, suggestions: Suggestions) -> None:
        self._personal = personal
        self._panel = panel
        self._suggestions = suggestions

    @app_commands.command(description=locale_str("Show your settings, with menus to change them"))
    async def show(self, interaction: Interaction) -> None:
        await tell(interaction, self._panel.card(interaction))

    @app_commands.command(
        name="set", description=locale_str("Set your own defaults; the options of a command override them")
    )
    @takes(
        [option for option in OPTIONS.values() if option.has_default],
        engine=t("The engine to use by default"),
        size=t("The size or the shape to use by default"),
        style=t("The style to use by default"),
        images=t("How many images to make by default"),
    )
    @app_commands.describe(
        private=locale_str("Whether only you see your results by default"),
        text=locale_str("Words to add to each of your prompts"),
        png_text=locale_str("Whether to write prompt, settings and seed into the image files"),
        messages=locale_str("Which results I may send you as a direct message"),
        notify=locale_str("How I tell you that a job is done if it takes more than a minute"),
        ask_above=locale_str("Ask first when a job may cost more credits than this"),
    )
    @app_commands.choices(messages=MESSAGES, notify=NOTIFY)
    async def change(
        self,
        interaction: Interaction,
        private: bool | None = None,
        text: Range[str, 1, ADDED_AT_MOST] | None = None,
        png_text: bool | None = None,
        messages: str | None = None,
        notify: str | None = None,
        ask_above: Range[float, 0, PRICE_AT_MOST] | None = None,
        **typed: str | float | None,
    ) -> None:
        given = {
            **typed,
            "private": private,
            "text": text,
            "png_text": png_text,
            "messages": None if messages is None else Messages(messages),
            "notify": None if notify is None else Notify(notify),
            "ask_above": None if ask_above is None else millicredits(ask_above),
        }
        changes = {name: value for name, value in given.items() if value is not None}
        if not changes:
            raise UserError(NOTHING_TO_SET)
        await interaction.response.defer(ephemeral=True, thinking=True)
        await self._personal.set(interaction.user.id, changes)
        await tell(interaction, self._panel.card(interaction, changed=tuple(changes)))

    @app_commands.command(description=locale_str("Clear one of your settings, or all of them"))
    @app_commands.describe(setting=locale_str("Which one; by default all of them"))
    @app_commands.choices(setting=[Choice(name=name, value=name) for name in NAMES])
    async def reset(self, interaction: Interaction, setting: str | None = None) -> None:
        names = NAMES if setting is None else (setting,)
        await interaction.response.defer(ephemeral=True, thinking=True)
        await self._personal.reset(interaction.user.id, names)
        await tell(interaction, self._panel.card(interaction, changed=names))

    @change.autocomplete("engine")
    @calmly
    async def engines(self, interaction: Interaction, current: str) -> list[Choice[str]]:
        return self._suggestions.engines(current)

    @change.autocomplete("size")
    @calmly
    async def sizes(self, interaction: Interaction, current: str) -> list[Choice[str]]:
        return self._suggestions.sizes(interaction, current)

    @change.autocomplete("style")
    @calmly
    async def styles(self, interaction: Interaction, current: str) -> list[Choice[str]]:
        return self._suggestions.names(interaction, STYLE, current)
