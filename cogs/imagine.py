"""/imagine: turns a prompt and its options into a job with a card."""

from __future__ import annotations

import discord
from discord import app_commands
from discord.app_commands import Choice, Range, locale_str
from discord.ext import commands

from bot.domain.features import NAME_AT_MOST, Option
from bot.domain.options import OPTIONS, PROMPT_LIMIT, ImagineOptions
from bot.jobs.service import JobService
from bot.providers.operations import Operation
from bot.ui.autocomplete import Suggestions, calmly
from bot.ui.client import Interaction
from bot.ui.commands import takes
from bot.ui.interactions import origin_of
from bot.ui.job_starter import JobStarter
from bot.ui.pictures import Attachments


class Imagine(commands.Cog):
    """Makes images."""

    def __init__(
        self, service: JobService, starter: JobStarter, suggestions: Suggestions, attachments: Attachments
    ) -> None:
        self._service = service
        self._starter = starter
        self._attachments = attachments
        self.suggestions = suggestions

    @app_commands.command(description=locale_str("Make images from words"))
    @takes(OPTIONS.values(), after="prompt")
    @app_commands.describe(
        prompt=locale_str("What to show. Also: part::2 weights, --no things, --ar 16:9, {red, blue} makes one of each"),
        picture=locale_str("A picture to start from"),
        thread=locale_str("Which of your threads this belongs to; by default your current one"),
        private=locale_str("Only you see it"),
        spoiler=locale_str("Hide the images until somebody clicks on them"),
    )
    async def imagine(
        self,
        interaction: Interaction,
        prompt: Range[str, 1, PROMPT_LIMIT],
        picture: discord.Attachment | None = None,
        thread: Range[str, 1, NAME_AT_MOST] | None = None,
        private: bool | None = None,
        spoiler: bool = False,
        **typed: str | float | None,
    ) -> None:
        options = ImagineOptions(
            prompt=prompt,
            thread=thread,
            private=self._service.private_by_default(origin_of(interaction)) if private is None else private,
            spoiler=spoiler,
            operation=Operation.TEXT_TO_IMAGE if picture is None else Operation.IMAGE_TO_IMAGE,
        )
        incoming = None if picture is None else self._attachments.incoming(origin_of(interaction), picture)
        await self._starter.run(interaction, options.setting(typed), picture=incoming)

    @imagine.autocomplete("engine")
    @calmly
    async def engines(self, interaction: Interaction, current: str) -> list[Choice[str]]:
        return self.suggestions.engines_here(interaction, current)

    @imagine.autocomplete("size")
    @calmly
    async def sizes(self, interaction: Interaction, current: str) -> list[Choice[str]]:
        return self.suggestions.sizes(interaction, current)

    @imagine.autocomplete("thread")
    @calmly
    async def threads(self, interaction: Interaction, current: str) -> list[Choice[str]]:
        return await self.suggestions.threads(interaction, current)


def _suggest_names(option: Option) -> None:
    """Suggest the names that the engine has for this option."""

    async def suggest(cog: Imagine, interaction: Interaction, current: str) -> list[Choice[str]]:
        return cog.suggestions.names(interaction, option, current)

    # The library uses this to tell a method from a function.
    suggest.__qualname__ = f"{Imagine.__name__}.{option.name}"
    Imagine.imagine.autocomplete(option.name)(calmly(suggest))


for _option in OPTIONS.values():
    if _option.has_names:
        _suggest_names(_option)
