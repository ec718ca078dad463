"""Autocomplete of a command's options."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Coroutine, Iterable, Mapping
from itertools import islice
from typing import Any, TypeAlias, TypeVar

import structlog
from discord.app_commands import Choice

from bot.domain.edits import EXTENSIONS, NAMES
from bot.domain.features import NAME_AT_MOST, Option
from bot.domain.loras import completions
from bot.domain.options import LORA, STYLE
from bot.domain.periods import SUGGESTED
from bot.domain.pictures import SourceKind
from bot.domain.sizes import ratio_name, sizes_for
from bot.jobs.recent_pictures import RecentPicture, RecentPictures
from bot.jobs.service import JobService
from bot.people.threads import Threads
from bot.providers.base import Engine
from bot.providers.operations import Operation, Size
from bot.text import Text, plural, t
from bot.ui.cards.engines import busy_texts
from bot.ui.cards.layout import Words, facts
from bot.ui.cards.wording import plain, style_name
from bot.ui.client import Interaction
from bot.ui.interactions import origin_of

log = structlog.get_logger(__name__)

PATIENCE = 1.5
"""Seconds that an autocomplete may take; Discord waits for three."""

CHOICES_AT_MOST = 25

_WORDS_AT_MOST = 60
_YESTERDAY = 1
_KINDS: Mapping[SourceKind, Text] = {
    SourceKind.ATTACHED: t("a picture you attached"),
    SourceKind.MESSAGE: t("a picture from a message"),
}

_Cog = TypeVar("_Cog")
Suggest: TypeAlias = Callable[[_Cog, Interaction, str], Coroutine[Any, Any, list[Choice[str]]]]


def calmly(suggest: Suggest[_Cog]) -> Suggest[_Cog]:
    """Wrap an autocomplete: if it fails or takes too long, log the error and return no choices."""

    @functools.wraps(suggest)  # The library uses the qualified name to tell a method from a function.
    async def suggesting(self: _Cog, interaction: Interaction, current: str) -> list[Choice[str]]:
        try:
            async with asyncio.timeout(PATIENCE):
                return await suggest(self, interaction, current)
        except TimeoutError:
            log.warning("autocomplete.too_slow", of=suggest.__name__)
            return []
        except Exception:
            # People can type the command without suggestions.
            log.exception("autocomplete.failed", of=suggest.__name__)
            return []

    return suggesting


def matching(entries: Iterable[tuple[str, str]], current: str) -> list[Choice[str]]:
    """The choices, pairs of name and value, that contain the typed text. Choices that begin with it come first."""
    typed = current.strip().lower()
    found = [(name, value) for name, value in entries if typed in name.lower() or typed in value.lower()]
    found.sort(key=lambda entry: not entry[0].lower().startswith(typed))
    return [Choice(name=name[:NAME_AT_MOST], value=value) for name, value in found[:CHOICES_AT_MOST]]


def period_choices(current: str) -> list[Choice[str]]:
    """The periods of a report."""
    return matching(((str(name), typed) for typed, name in SUGGESTED.items()), current)


def size_choices(sizes: Iterable[Size]) -> list[Choice[str]]:
    """The first of these sizes, each with the name of its shape."""
    return [Choice(name=f"{size} · {ratio_name(size)}", value=str(size)) for size in [*sizes][:CHOICES_AT_MOST]]


class Suggestions:
    """The suggestions for options that several commands share."""

    def __init__(self, service: JobService, threads: Threads, pictures: RecentPictures) -> None:
        self._service = service
        self._threads = threads
        self._pictures = pictures

    def engines(
        self,
        current: str,
        engines: Iterable[Engine] | None = None,
        operation: Operation = Operation.TEXT_TO_IMAGE,
    ) -> list[Choice[str]]:
        """All engines, or these, with the price of an image."""
        service = self._service
        chosen = service.engines_doing(operation).values() if engines is None else engines
        entries = []
        for engine in chosen:
            price = str(service.price(engine.id, operation))
            name = t("{engine} · {price} an image", engine=plain(engine.name, 60), price=price)
            entries.append((facts(name, *busy_texts(engine)), engine.id))
        return matching(entries, current)

    def engines_here(
        self, interaction: Interaction, current: str, operation: Operation = Operation.TEXT_TO_IMAGE
    ) -> list[Choice[str]]:
        """The engines that this server allows."""
        return self.engines(current, self._service.offered(origin_of(interaction), operation), operation)

    async def pictures(self, interaction: Interaction, current: str) -> list[Choice[str]]:
        """The images that the person made, and the pictures that they brought, with their references as values."""
        origin = origin_of(interaction)
        typed = current.strip().casefold()
        found = await self._pictures.images(origin, current, limit=CHOICES_AT_MOST)
        for picture in await self._pictures.brought(origin, limit=CHOICES_AT_MOST):
            if typed in _picture_choice(picture).name.casefold():
                found.append(picture)
        if not typed:
            found.sort(key=lambda picture: picture.at, reverse=True)
        return [_picture_choice(picture) for picture in found[:CHOICES_AT_MOST]]

    def extensions(self, current: str) -> list[Choice[str]]:
        """The ways to extend a picture, and an example of pixels. People may type other pixels."""
        named = [(str(extension.label), extension.name) for extension in EXTENSIONS.values()]
        return matching([*named, (str(t("In pixels: left 256 right 256")), "left 256 right 256")], current)

    def sizes(
        self, interaction: Interaction, current: str, operation: Operation = Operation.TEXT_TO_IMAGE
    ) -> list[Choice[str]]:
        """The sizes of the engine that would be used."""
        engine = self._engine(interaction, operation)
        return [] if engine is None else size_choices(sizes_for(engine, current))

    def names(
        self,
        interaction: Interaction,
        option: Option,
        current: str,
        operation: Operation = Operation.TEXT_TO_IMAGE,
    ) -> list[Choice[str]]:
        """The values of an option on the engine that would be used, for example its styles or samplers."""
        engine = self._engine(interaction, operation)
        if option is LORA:
            found = completions(current, () if engine is None else option.names(engine))
            return [Choice(name=text, value=text) for text in islice(found, CHOICES_AT_MOST)]
        shown = style_name if option is STYLE else str
        return [] if engine is None else matching(((shown(name), name) for name in option.names(engine)), current)

    async def threads(self, interaction: Interaction, current: str) -> list[Choice[str]]:
        """The person's threads in this place."""
        found = await self._threads.matching(origin_of(interaction), current)
        untitled = str(t("(untitled)"))
        return [Choice(name=plain(each.title, NAME_AT_MOST) or untitled, value=str(each.id)) for each in found]

    def _engine(self, interaction: Interaction, operation: Operation) -> Engine | None:
        """The typed engine, or else the default that would be used. None if no engine has the operation."""
        service = self._service
        engines = service.engines_doing(operation)
        chosen = engines.get(getattr(interaction.namespace, "engine", None) or "")
        return chosen or engines.get(service.engine_by_default(origin_of(interaction), operation))


def _picture_choice(picture: RecentPicture) -> Choice[str]:
    """A picture by its reference, its words and its age: ``812-2 · a red fox… · yesterday``."""
    words = _KINDS[picture.kind] if picture.operation is None else picture.words or NAMES[picture.operation]
    name = facts(str(picture.reference), plain(str(words), _WORDS_AT_MOST), _age(picture.days))
    return Choice(name=plain(name, NAME_AT_MOST), value=str(picture.reference))


def _age(days: int) -> Words:
    if days < _YESTERDAY:
        return SUGGESTED["today"]
    return SUGGESTED["yesterday"] if days == _YESTERDAY else plural("a day ago", "{count} days ago", days)
