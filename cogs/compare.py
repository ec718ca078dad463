"""/compare: one prompt on several engines, side by side in one card."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import discord
from discord import app_commands
from discord.app_commands import Choice, Range, locale_str
from discord.ext import commands

from bot.domain.characters import typed
from bot.domain.comparison import engines_named, engines_to_compare, typed_names
from bot.domain.engines import find_engine
from bot.domain.features import NAME_AT_MOST
from bot.domain.options import PROMPT_LIMIT, SEED, SIZE, STRENGTH, ImagineOptions
from bot.domain.place import Origin
from bot.domain.requests import ENGINES_AT_LEAST
from bot.domain.sizes import sizes_matching
from bot.errors import UserError
from bot.jobs.service import JobService
from bot.providers.base import Engine
from bot.providers.operations import Operation
from bot.text import t
from bot.ui.autocomplete import CHOICES_AT_MOST, Suggestions, calmly, size_choices
from bot.ui.cards.wording import plain
from bot.ui.client import Interaction
from bot.ui.commands import takes
from bot.ui.interactions import TOO_SLOW, origin_of
from bot.ui.job_starter import JobStarter
from bot.ui.picked_pictures import PickedPictures

ENGINES_AT_MOST = 600


class Compare(commands.Cog):
    """The command that compares engines."""

    def __init__(
        self, service: JobService, starter: JobStarter, suggestions: Suggestions, pictures: PickedPictures
    ) -> None:
        self._service = service
        self._starter = starter
        self._suggestions = suggestions
        self._pictures = pictures

    @app_commands.command(
        description=locale_str("The same prompt on several engines side by side; you confirm the price first")
    )
    @takes(
        [STRENGTH, SEED, SIZE],
        after="prompt",
        seed=t("A number for the engines that take one"),
        size=t("A shape such as wide or 16:9, or pixels such as 1024x1024; by default each engine's own"),
    )
    @app_commands.describe(
        prompt=locale_str("What to show. The card names what an engine doesn't take"),
        engines=locale_str("Which engines, separated by commas; by default the 4 cheapest, with one SD3 at most"),
        picture=locale_str("A picture to start from, for the engines that do"),
        image=locale_str("Or one of your images and pictures"),
        private=locale_str("Only you see it"),
    )
    async def compare(
        self,
        interaction: Interaction,
        prompt: Range[str, 1, PROMPT_LIMIT],
        engines: Range[str, 1, ENGINES_AT_MOST] | None = None,
        picture: discord.Attachment | None = None,
        image: Range[str, 1, NAME_AT_MOST] | None = None,
        private: bool | None = None,
        **typed: str | float | None,
    ) -> None:
        service, origin = self._service, origin_of(interaction)
        picked = await self._pictures.of(interaction, picture, image)
        if interaction.response.is_done():
            raise UserError(TOO_SLOW)
        known = None if picked is None else picked.known
        if private is None:
            private = (known is not None and known.private) or service.private_by_default(origin)
        operation = Operation.TEXT_TO_IMAGE if picked is None else Operation.IMAGE_TO_IMAGE
        options = ImagineOptions(
            prompt=prompt,
            engines=engines_named(engines) or self._some(origin, operation),
            private=private,
            spoiler=known is not None and known.spoiler,
            operation=operation,
        )
        await self._starter.run(
            interaction,
            options.setting(typed),
            parent_id=None if picked is None else picked.job_id,
            picture=None if picked is None else picked.incoming,
        )

    def _some(self, origin: Origin, operation: Operation) -> tuple[str, ...]:
        """The engines of a comparison that names none: only allowed ones, and first those without an outage."""
        service = self._service

        def price(engine: Engine) -> int:
            return service.price_of(engine).high

        found = engines_to_compare(service.usable(origin, operation), price)
        if len(found) >= ENGINES_AT_LEAST:
            return found
        return engines_to_compare(service.offered(origin, operation), price)

    @compare.autocomplete("engines")
    @calmly
    async def engines(self, interaction: Interaction, current: str) -> list[Choice[str]]:
        """Suggest the engines that are typed already, each time with one more."""
        operation = _operation(interaction)
        engines = self._service.engines_doing(operation)
        allowed = self._service.offered(origin_of(interaction), operation)
        *earlier, last = typed_names(current)
        before = [found.id for part in earlier if (found := named(part, engines)) is not None]
        choices = self._one_more(before, last, allowed, operation)
        complete = named(last, engines)
        if complete is not None:
            choices += self._one_more([*before, complete.id], "", allowed, operation)
        return choices[:CHOICES_AT_MOST]

    def _one_more(
        self, before: Sequence[str], typed: str, allowed: Sequence[Engine], operation: Operation
    ) -> list[Choice[str]]:
        """These engines and each further one that matches what is typed."""
        suggested = self._suggestions.engines(typed, allowed, operation)
        offered = [choice for choice in suggested if choice.value not in before]
        if not before:
            return offered
        engines = self._service.engines_doing(operation)
        every = [[*before, choice.value] for choice in offered]
        return [
            Choice(name=together([engines[one].name for one in ids]), value=value)
            for ids in every
            if len(value := ", ".join(ids)) <= NAME_AT_MOST
        ]

    @compare.autocomplete("size")
    @calmly
    async def sizes(self, interaction: Interaction, current: str) -> list[Choice[str]]:
        """Suggest the sizes of all engines; each engine uses its own nearest size."""
        engines = self._service.engines_doing(_operation(interaction)).values()
        sizes = dict.fromkeys(size for engine in engines for size in engine.sizes)
        return size_choices(sizes_matching(sizes, current))

    @compare.autocomplete("image")
    @calmly
    async def images(self, interaction: Interaction, current: str) -> list[Choice[str]]:
        return await self._suggestions.pictures(interaction, current)


def _operation(interaction: Interaction) -> Operation:
    """What the command that is being typed would do."""
    typed = interaction.namespace
    return Operation.TEXT_TO_IMAGE if typed.picture is None and not typed.image else Operation.IMAGE_TO_IMAGE


def named(text: str, engines: Mapping[str, Engine]) -> Engine | None:
    """The engine with this id or name; None if there is no such engine."""
    try:
        return find_engine(typed(text) or "", engines)
    except UserError:
        return None


def together(names: Sequence[str]) -> str:
    """The names of engines as one choice, each shortened if they do not all fit."""
    joined = " + ".join(plain(name, NAME_AT_MOST) for name in names)
    if len(joined) <= NAME_AT_MOST:
        return joined
    room = (NAME_AT_MOST - len(" + ") * (len(names) - 1)) // len(names)
    return " + ".join(plain(name, room) for name in names)
