"""/compare: one prompt on several engines, side by side in one card."""

from __future__ import annotations

from discord import app_commands
from discord.app_commands import Choice, Range
from discord.ext import commands

from bot.domain.comparison import engines_named
from bot.domain.prompt.parser import PROMPT_LIMIT
from bot.domain.requests import ImagineOptions
from bot.domain.sizes import ratio_name
from bot.jobs.service import JobService
from bot.ui.autocomplete import CHOICES_AT_MOST, NAME_AT_MOST, Suggestions, calmly
from bot.ui.client import Interaction
from bot.ui.interactions import origin_of
from bot.ui.job_starter import JobStarter
from cogs.imagine import SEED_AT_MOST

ENGINES_AT_MOST = 600


class Compare(commands.Cog):
    """Shows how engines differ."""

    def __init__(self, actions: JobService, starter: JobStarter, suggestions: Suggestions) -> None:
        self._actions = actions
        self._starter = starter
        self._suggestions = suggestions

    @app_commands.command(description="The same prompt on several engines side by side; the price is confirmed first")
    @app_commands.describe(
        prompt="What to paint. What an engine does not take is not sent to it, and the card says so",
        seed="A number for the engines that take one",
        size="Width x height in pixels, or a shape such as 16:9; else each engine's own",
        engines="Which engines, with commas between them; all of them if left out",
        private="Only you see it",
    )
    async def compare(
        self,
        interaction: Interaction,
        prompt: Range[str, 1, PROMPT_LIMIT],
        seed: Range[int, 0, SEED_AT_MOST] | None = None,
        size: Range[str, 1, 20] | None = None,
        engines: Range[str, 1, ENGINES_AT_MOST] | None = None,
        private: bool | None = None,
    ) -> None:
        actions = self._actions
        options = ImagineOptions(
            prompt=prompt,
            seed=seed,
            size=size,
            engines=engines_named(engines, actions.engines),
            private=actions.private_by_default(origin_of(interaction)) if private is None else private,
        )
        await self._starter.start(interaction, await self._starter.planned(interaction, options))

    @compare.autocomplete("engines")
    @calmly
    async def engines(self, interaction: Interaction, current: str) -> list[Choice[str]]:
        """The engines that are not named yet, behind those that are."""
        actions = self._actions
        named, _, last = current.rpartition(",")
        before = [name.strip() for name in named.split(",") if name.strip()]
        allowed = actions.offered(origin_of(interaction))
        offered = [choice for choice in self._suggestions.engines(last, allowed) if choice.value not in before]
        every = [(", ".join([*before, choice.value]), choice.name) for choice in offered]
        return [Choice(name=_shown(before, name), value=value) for value, name in every if len(value) <= NAME_AT_MOST]

    @compare.autocomplete("size")
    @calmly
    async def sizes(self, interaction: Interaction, current: str) -> list[Choice[str]]:
        """The sizes of all engines; one that does not make such a size takes the nearest shape."""
        typed = current.strip().lower()
        sizes = dict.fromkeys(size for engine in self._actions.engines.values() for size in engine.sizes)
        names = {str(size): f"{size} · {ratio_name(size)}" for size in sizes}
        return [Choice(name=name, value=value) for value, name in names.items() if typed in name][:CHOICES_AT_MOST]


def _shown(before: list[str], name: str) -> str:
    return (f"{len(before)} more and {name}" if before else name)[:NAME_AT_MOST]
