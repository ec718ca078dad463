"""Chooses the engine of a command that names none, if the default engine lacks a feature that the command uses."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from bot.domain.engines import accepts, misfits, request_for
from bot.domain.options import ChosenEngine, ImagineOptions
from bot.domain.requests import Command, specs_of, split
from bot.providers.base import Engine, ImageRequest


def suited(
    command: Command, usual: Engine, offered: Iterable[Engine], price: Callable[[Sequence[ImageRequest]], int]
) -> ImagineOptions | None:
    """Return the command's options with the cheapest of the offered engines that accepts everything that was typed.

    Of equally cheap engines, the first is chosen. Returns None if the ``usual`` engine has all features and the scale,
    and if no other engine accepts everything.
    """
    specs = specs_of(command.options, command.prompts or command.readable, [])
    scale = command.options.scale
    missing = {each.feature.name: None for spec in specs for each in misfits(spec, usual) if each.value is None}
    if not missing and (scale is None or scale in usual.scales):
        return None
    scaling = (engine for engine in offered if scale is None or scale in engine.scales)
    able = [engine for engine in scaling if all(accepts(spec, engine) for spec in specs)]
    if not able:
        return None

    def costs(engine: Engine) -> int:
        drafts = [request_for(spec, engine, {engine.id: engine}) for spec in specs]
        return price([request for draft in drafts for request in split(draft, engine)])

    chosen = able[0] if len(able) == 1 else min(able, key=costs)
    because = ChosenEngine(usual.name, tuple(missing)) if missing else None
    return replace(command.options, engine=chosen.id, chosen=because)
