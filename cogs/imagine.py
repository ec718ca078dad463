"""/imagine: from a prompt and its options to a job with a card."""

from __future__ import annotations

import functools
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, TypeAlias

import discord
import structlog
from discord import app_commands
from discord.app_commands import Choice, Range
from discord.ext import commands

from bot.client import Easel
from bot.display.starting import origin_of, planned, start
from bot.display.wording import plain
from bot.generation.prompt import IMAGES_PER_JOB, PROMPT_LIMIT
from bot.generation.requests import ImagineOptions
from bot.generation.sizes import ratio_name, sizes_for
from bot.providers.base import Engine

log = structlog.get_logger(__name__)

CHOICES_AT_MOST = 25
NAME_AT_MOST = 100
SEED_AT_MOST = 4_294_967_294

Interaction: TypeAlias = discord.Interaction[Easel]
Suggest: TypeAlias = Callable[["Imagine", Interaction, str], Coroutine[Any, Any, list[Choice[str]]]]


def calmly(suggest: Suggest) -> Suggest:
    """A list of choices that cannot be made is an empty one: whoever types sees no error, the log does."""

    @functools.wraps(suggest)  # The library tells a method by its name.
    async def suggesting(self: Imagine, interaction: Interaction, current: str) -> list[Choice[str]]:
        try:
            return await suggest(self, interaction, current)
        except Exception:
            log.exception("autocomplete.failed", of=suggest.__name__)
            return []

    return suggesting


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
        private: bool = False,
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
            private=private,
            spoiler=spoiler,
        )
        await start(interaction, planned(interaction, options))

    @imagine.autocomplete("engine")
    @calmly
    async def engines(self, interaction: Interaction, current: str) -> list[Choice[str]]:
        actions = self.client.actions
        entries = [
            (f"{plain(engine.name, 60)} · {actions.price(engine.id)} an image", engine.id)
            for engine in actions.engines.values()
        ]
        return matching(entries, current)

    @imagine.autocomplete("size")
    @calmly
    async def sizes(self, interaction: Interaction, current: str) -> list[Choice[str]]:
        return [
            Choice(name=f"{size} · {ratio_name(size)}", value=str(size))
            for size in sizes_for(self._engine(interaction), current)[:CHOICES_AT_MOST]
        ]

    @imagine.autocomplete("style")
    @calmly
    async def styles(self, interaction: Interaction, current: str) -> list[Choice[str]]:
        return matching(((style, style) for style in self._engine(interaction).styles), current)

    @imagine.autocomplete("sampler")
    @calmly
    async def samplers(self, interaction: Interaction, current: str) -> list[Choice[str]]:
        return matching(((sampler, sampler) for sampler in self._engine(interaction).samplers), current)

    @imagine.autocomplete("thread")
    @calmly
    async def threads(self, interaction: Interaction, current: str) -> list[Choice[str]]:
        found = await self.client.actions.thread_choices(origin_of(interaction), current)
        return [Choice(name=plain(title, NAME_AT_MOST) or "(untitled)", value=value) for value, title in found]

    def _engine(self, interaction: Interaction) -> Engine:
        """The engine that stands in the command so far, or the one that would be used."""
        actions = self.client.actions
        chosen = getattr(interaction.namespace, "engine", None)
        return actions.engines.get(chosen or "", actions.engines[actions.default_engine])


def matching(entries: Iterable[tuple[str, str]], current: str) -> list[Choice[str]]:
    """The choices, as pairs of name and value, in which what was typed so far occurs; those it begins come first."""
    typed = current.strip().lower()
    found = [(name, value) for name, value in entries if typed in name.lower() or typed in value.lower()]
    found.sort(key=lambda entry: not entry[0].lower().startswith(typed))
    return [Choice(name=name[:NAME_AT_MOST], value=value) for name, value in found[:CHOICES_AT_MOST]]


async def setup(client: Easel) -> None:
    await client.add_cog(Imagine(client))
