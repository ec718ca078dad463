"""The engines of a comparison: those that a person names, those to compare otherwise, and what they do not take."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace

from bot.domain.characters import typed
from bot.domain.engines import fitted
from bot.domain.options import IMAGES_PER_JOB, ImagineOptions
from bot.domain.requests import read_command, specs_of
from bot.providers.base import Engine
from bot.text import Text

COMPARED_AT_MOST = 4
"""The maximum number of engines in a comparison that names none."""
_BETWEEN_ENGINES = re.compile(r",|\s\+\s")


def typed_names(text: str) -> list[str]:
    """Split a list of engines. It may also be the label of a suggestion: names with " + " between them, or a price."""
    return [part.partition(" · ")[0].strip() for part in _BETWEEN_ENGINES.split(text)]


def engines_named(text: str | None) -> tuple[str, ...]:
    """The engines of a comparison, typed with commas between them. Empty if none is named."""
    return tuple(name for part in typed_names(text or "") if (name := typed(part)) is not None)


def engines_to_compare(engines: Iterable[Engine], price: Callable[[Engine], int]) -> tuple[str, ...]:
    """The ids of the engines of a comparison that names none, the cheapest first.

    At most ``COMPARED_AT_MOST``, one of each family, and with no more images than one job can hold. If engines cost
    the same, the services take turns.
    """
    chosen: dict[str, Engine] = {}
    images = 0
    earlier: Counter[tuple[int, str]] = Counter()
    turns: dict[str, tuple[int, int]] = {}
    every = list(engines)
    for engine in every:
        cost = price(engine)
        turns[engine.id] = cost, earlier[cost, engine.provider]
        earlier[cost, engine.provider] += 1
    for engine in sorted(every, key=lambda engine: turns[engine.id]):
        family = engine.family or engine.id
        if family not in chosen and images + engine.batch <= IMAGES_PER_JOB and len(chosen) < COMPARED_AT_MOST:
            chosen[family] = engine
            images += engine.batch
    return tuple(engine.id for engine in chosen.values())


def left_out(options: ImagineOptions, engines: Iterable[Engine]) -> dict[str, tuple[Text, ...]]:
    """What of a comparison each engine does not take, by its id, in words: ``a style``, ``size 100x100``."""
    command = read_command(options)
    if len(command.prompts) != 1:
        return {}
    (spec,) = specs_of(replace(options, engine=None), command.prompts, [])
    return {engine.id: fitted(spec, engine.doing(options.operation) or engine)[1] for engine in engines}
