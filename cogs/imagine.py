"""/imagine: from a prompt and its options to a job with a card."""

from __future__ import annotations

from typing import TypeAlias

import discord
from discord import app_commands
from discord.app_commands import Choice, Range
from discord.ext import commands

from bot.domain.prompt.parser import IMAGES_PER_JOB, PROMPT_LIMIT
from bot.domain.requests import ImagineOptions
from bot.ui.autocomplete import (
    NAME_AT_MOST,
    calmly,
    engine_choices,
    engine_so_far,
    matching,
    size_choices,
    style_choices,
    thread_choices,
)
from bot.ui.client import Easel
from bot.ui.interactions import origin_of, planned, start

SEED_AT_MOST = 4_294_967_294

Interaction: TypeAlias = discord.Interaction[Easel]


class Imagine(commands.Cog):
    """Makes pictures."""

    def __init__(self, client: Easel) -> None:
        self.client = client

    @app_commands.command(description="Make images from words")
    @app_commands.describe(
        prompt="What to paint. Also: part::2 weights, --no things, --ar 16:9, {red, blue} for one image each",
        engine="Which engine paints it",
        size="Width x height in pixels, or a shape such as 16:9",
        images="How many images",
        negative="What to avoid",
        style="A style that the engine knows",
        steps="How many steps the engine takes; more is finer and may cost more",
        seed="A number that gives the same image again",
        guidance="How closely to follow the prompt",
        sampler="How the engine removes noise",
        thread="Which of your threads this belongs to; your current one if left out",
        private="Only you see it",
        spoiler="Hide the images until somebody clicks on them",
    )
    async def imagine(
        self,
        interaction: Interaction,
        prompt: Range[str, 1, PROMPT_LIMIT],
        engine: Range[str, 1, NAME_AT_MOST] | None = None,
        size: Range[str, 1, 20] | None = None,
        images: Range[int, 1, IMAGES_PER_JOB] | None = None,
        negative: Range[str, 1, PROMPT_LIMIT] | None = None,
        style: Range[str, 1, NAME_AT_MOST] | None = None,
        steps: Range[int, 1, 150] | None = None,
        seed: Range[int, 0, SEED_AT_MOST] | None = None,
        guidance: Range[float, 0, 35] | None = None,
        sampler: Range[str, 1, NAME_AT_MOST] | None = None,
        thread: Range[str, 1, NAME_AT_MOST] | None = None,
        private: bool | None = None,
        spoiler: bool = False,
    ) -> None:
        options = ImagineOptions(
            prompt=prompt,
            engine=engine,
            size=size,
            images=images,
            negative=negative,
            style=style,
            steps=steps,
            seed=seed,
            guidance=guidance,
            sampler=sampler,
            thread=thread,
            private=self.client.actions.private_by_default(origin_of(interaction)) if private is None else private,
            spoiler=spoiler,
        )
        await start(interaction, await planned(interaction, options))

    @imagine.autocomplete("engine")
    @calmly
    async def engines(self, interaction: Interaction, current: str) -> list[Choice[str]]:
        actions = self.client.actions
        return engine_choices(actions, current, actions.offered(origin_of(interaction)))

    @imagine.autocomplete("size")
    @calmly
    async def sizes(self, interaction: Interaction, current: str) -> list[Choice[str]]:
        return size_choices(interaction, current)

    @imagine.autocomplete("style")
    @calmly
    async def styles(self, interaction: Interaction, current: str) -> list[Choice[str]]:
        return style_choices(interaction, current)

    @imagine.autocomplete("sampler")
    @calmly
    async def samplers(self, interaction: Interaction, current: str) -> list[Choice[str]]:
        return matching(((sampler, sampler) for sampler in engine_so_far(interaction).samplers), current)

    @imagine.autocomplete("thread")
    @calmly
    async def threads(self, interaction: Interaction, current: str) -> list[Choice[str]]:
        return await thread_choices(interaction, current)


async def setup(client: Easel) -> None:
    await client.add_cog(Imagine(client))
