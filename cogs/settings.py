"""/settings: what one sets for oneself, so that it need not be typed each time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from discord import app_commands
from discord.app_commands import Choice, Range
from discord.ext import commands

from bot.domain.prompt.parser import IMAGES_PER_JOB
from bot.domain.prompt.suffix import ADDED_AT_MOST
from bot.errors import UserError
from bot.jobs.service import JobService
from bot.people.user_settings import NAMES, Messages, Personal, UserSettings
from bot.ui.autocomplete import NAME_AT_MOST, Suggestions, calmly
from bot.ui.cards.settings import settings_card
from bot.ui.client import Interaction
from bot.ui.interactions import tell

PRICE_AT_MOST = 1_000_000


MESSAGES = [
    Choice(name="never", value=Messages.NEVER.value),
    Choice(name="private results that came too late to show (default)", value=Messages.LATE_RESULTS.value),
    Choice(name="those, and a link when a long job is done", value=Messages.LONG_JOBS.value),
]


class Settings(commands.GroupCog, group_name="settings", group_description="Your own defaults"):
    """A person's own defaults."""

    def __init__(
        self, personal: Personal, actions: JobService, suggestions: Suggestions, mention: Callable[[str], str]
    ) -> None:
        self._personal = personal
        self._actions = actions
        self._suggestions = suggestions
        self._mention = mention

    @app_commands.command(description="What you have set")
    async def show(self, interaction: Interaction) -> None:
        await self._tell(interaction, self._personal.of(interaction.user.id))

    @app_commands.command(name="set", description="Set your own defaults; what you type into a command counts more")
    @app_commands.describe(
        engine="The engine that is used where you name none",
        size="The size or the shape where you name none",
        style="The style where you name none",
        images="How many images where you do not say",
        private="Whether only you see your results where you do not say",
        text="Words that are added to each of your prompts",
        png_text="Whether prompt, settings and seed are written into the image files",
        messages="When I may send you a direct message",
        ask_above="Ask first when a job may cost more credits than this",
    )
    @app_commands.choices(messages=MESSAGES)
    async def change(
        self,
        interaction: Interaction,
        engine: Range[str, 1, NAME_AT_MOST] | None = None,
        size: Range[str, 1, 20] | None = None,
        style: Range[str, 1, NAME_AT_MOST] | None = None,
        images: Range[int, 1, IMAGES_PER_JOB] | None = None,
        private: bool | None = None,
        text: Range[str, 1, ADDED_AT_MOST] | None = None,
        png_text: bool | None = None,
        messages: str | None = None,
        ask_above: Range[float, 0, PRICE_AT_MOST] | None = None,
    ) -> None:
        given = {
            "engine": engine,
            "size": size,
            "style": style,
            "images": images,
            "private": private,
            "text": text,
            "png_text": png_text,
            "messages": None if messages is None else Messages(messages),
            "ask_above": None if ask_above is None else round(ask_above * 1000),
        }
        changes = {name: value for name, value in given.items() if value is not None}
        if not changes:
            raise UserError("Say what to set: each option of this command is one of your settings.")
        await interaction.response.defer(ephemeral=True, thinking=True)
        changed = await self._personal.set(interaction.user.id, changes)
        await self._tell(interaction, changed, changed=tuple(changes))

    @app_commands.command(description="Forget what you have set: one setting, or all of them")
    @app_commands.describe(setting="Which one; all of them if left out")
    async def reset(
        self,
        interaction: Interaction,
        setting: Literal["engine", "size", "style", "images", "private", "text", "png_text", "messages", "ask_above"]
        | None = None,
    ) -> None:
        names = NAMES if setting is None else (setting,)
        await interaction.response.defer(ephemeral=True, thinking=True)
        changed = await self._personal.reset(interaction.user.id, names)
        await self._tell(interaction, changed, changed=names)

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
        return self._suggestions.styles(interaction, current)

    async def _tell(self, interaction: Interaction, settings: UserSettings, *, changed: tuple[str, ...] = ()) -> None:
        personal = self._personal
        card = settings_card(
            settings,
            engines=self._actions.engines,
            misfits=personal.misfits(settings),
            changed=changed,
            mention=self._mention,
        )
        await tell(interaction, card)
