"""/compare: one prompt on several engines, side by side in one card."""

from __future__ import annotations

from discord import app_commands
from discord.app_commands import Choice, Range, locale_str
from discord.ext import commands

from bot.domain.options import NAME_AT_MOST, PROMPT_LIMIT, SEED, SIZE, ImagineOptions
from bot.domain.requests import engines_named
from bot.domain.sizes import ratio_name
from bot.jobs.service import JobService
from bot.text import t
from bot.ui.autocomplete import CHOICES_AT_MOST, Suggestions, calmly
from bot.ui.client import Interaction
from bot.ui.interactions import origin_of
from bot.ui.job_starter import JobStarter
from bot.ui.option_parameters import takes

ENGINES_AT_MOST = 600


class Compare(commands.Cog):
    """The command that compares engines."""

    def __init__(self, service: JobService, starter: JobStarter, suggestions: Suggestions) -> None:
        self._service = service
        self._starter = starter
        self._suggestions = suggestions

    @app_commands.command(
        description=locale_str("The same prompt on several engines side by side; you confirm the price first")
    )
    @takes(
        [SEED, SIZE],
        after="prompt",
        seed=t("A number for the engines that take one"),
        size=t("Width x height in pixels, or a shape such as 16:9; by default each engine's own"),
    )
    @app_commands.describe(
        prompt=locale_str("What to show. The card names what an engine doesn't take"),
        engines=locale_str("Which engines, separated by commas; by default all of them"),
        private=locale_str("Only you see it"),
    )
    async def compare(
        self,
        interaction: Interaction,
        prompt: Range[str, 1, PROMPT_LIMIT],
        engines: Range[str, 1, ENGINES_AT_MOST] | None = None,
        private: bool | None = None,
        **typed: str | float | None,
    ) -> None:
        service = self._service
        options = ImagineOptions(
            prompt=prompt,
            engines=engines_named(engines, service.engines),
            private=service.private_by_default(origin_of(interaction)) if private is None else private,
        )
        await self._starter.start(interaction, await self._starter.planned(interaction, options.setting(typed)))

    @compare.autocomplete("engines")
    @calmly
    async def engines(self, interaction: Interaction, current: str) -> list[Choice[str]]:
        """Suggest the engines that are typed already, each time with one more."""
        service = self._service
        named, _, last = current.rpartition(",")
        before = [name.strip() for name in named.split(",") if name.strip()]
        allowed = service.offered(origin_of(interaction))
        offered = [choice for choice in self._suggestions.engines(last, allowed) if choice.value not in before]
        every = [(", ".join([*before, choice.value]), choice.name) for choice in offered]
        return [Choice(name=_shown(before, name), value=value) for value, name in every if len(value) <= NAME_AT_MOST]

    @compare.autocomplete("size")
    @calmly
    async def sizes(self, interaction: Interaction, current: str) -> list[Choice[str]]:
        """Suggest the sizes of all engines; each engine uses its own nearest size."""
        typed = current.strip().lower()
        sizes = dict.fromkeys(size for engine in self._service.engines.values() for size in engine.sizes)
        names = {str(size): f"{size} · {ratio_name(size)}" for size in sizes}
        return [Choice(name=name, value=value) for value, name in names.items() if typed in name][:CHOICES_AT_MOST]


def _shown(before: list[str], name: str) -> str:
    """The engines that are typed already, shortened to fit, and one more."""
    if not before:
        return name[:NAME_AT_MOST]
    shown = ", ".join(engine.rpartition("/")[2] for engine in before)
    return f"{shown}, {name}"[:NAME_AT_MOST] if len(shown) + len(name) < NAME_AT_MOST else f"…, {name}"[:NAME_AT_MOST]
