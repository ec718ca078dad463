"""What is suggested while somebody types a command's options."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, TypeAlias, TypeVar

import structlog
from discord.app_commands import Choice

from bot.domain.periods import SUGGESTED
from bot.domain.sizes import ratio_name, sizes_for
from bot.jobs.service import JobService
from bot.providers.base import Engine
from bot.ui.cards.wording import plain
from bot.ui.interactions import origin_of
from bot.ui.replies import Press

log = structlog.get_logger(__name__)

PATIENCE = 1.5
"""Seconds within which choices are found; Discord waits for three."""

CHOICES_AT_MOST = 25
NAME_AT_MOST = 100
"""Characters of a choice, and of its value, at most."""

_Cog = TypeVar("_Cog")
Suggest: TypeAlias = Callable[[_Cog, Press, str], Coroutine[Any, Any, list[Choice[str]]]]


def calmly(suggest: Suggest[_Cog]) -> Suggest[_Cog]:
    """A list of choices that cannot be made, or not in time, is an empty one: only the log has an error."""

    @functools.wraps(suggest)  # The library tells a method by its name.
    async def suggesting(self: _Cog, interaction: Press, current: str) -> list[Choice[str]]:
        try:
            async with asyncio.timeout(PATIENCE):
                return await suggest(self, interaction, current)
        except TimeoutError:
            log.warning("autocomplete.too_slow", of=suggest.__name__)
            return []
        except Exception:
            # Suggestions are a help: without them the command can be typed all the same.
            log.exception("autocomplete.failed", of=suggest.__name__)
            return []

    return suggesting


def matching(entries: Iterable[tuple[str, str]], current: str) -> list[Choice[str]]:
    """The choices, as pairs of name and value, in which what was typed so far occurs; those it begins come first."""
    typed = current.strip().lower()
    found = [(name, value) for name, value in entries if typed in name.lower() or typed in value.lower()]
    found.sort(key=lambda entry: not entry[0].lower().startswith(typed))
    return [Choice(name=name[:NAME_AT_MOST], value=value) for name, value in found[:CHOICES_AT_MOST]]


def period_choices(current: str) -> list[Choice[str]]:
    """The periods of a report."""
    return matching(((str(name), typed) for typed, name in SUGGESTED.items()), current)


def engine_choices(actions: JobService, current: str, engines: Iterable[Engine] | None = None) -> list[Choice[str]]:
    """The engines, or some of them, with what an image costs."""
    chosen = actions.engines.values() if engines is None else engines
    entries = [(f"{plain(engine.name, 60)} · {actions.price(engine.id)} an image", engine.id) for engine in chosen]
    return matching(entries, current)


def size_choices(interaction: Press, current: str) -> list[Choice[str]]:
    """The sizes of the engine that would be used."""
    return [
        Choice(name=f"{size} · {ratio_name(size)}", value=str(size))
        for size in sizes_for(engine_so_far(interaction), current)[:CHOICES_AT_MOST]
    ]


def style_choices(interaction: Press, current: str) -> list[Choice[str]]:
    """The styles of the engine that would be used."""
    return matching(((style, style) for style in engine_so_far(interaction).styles), current)


def engine_so_far(interaction: Press) -> Engine:
    """The engine that stands in the command so far, or the one that would be used."""
    actions = interaction.client.actions
    chosen = actions.engines.get(getattr(interaction.namespace, "engine", None) or "")
    return chosen or actions.engines[actions.engine_by_default(origin_of(interaction))]


async def thread_choices(interaction: Press, current: str) -> list[Choice[str]]:
    """One's own threads in this place."""
    found = await interaction.client.threads.matching(origin_of(interaction), current)
    return [Choice(name=plain(each.title, NAME_AT_MOST) or "(untitled)", value=str(each.id)) for each in found]
