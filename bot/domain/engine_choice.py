"""Chooses the engine of a command that names none, if the default engine lacks a feature that the command uses."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from bot.domain.edits import ENGINE_CANNOT, NAMES
from bot.domain.engines import ENGINE_MISSPELT, UNKNOWN_ENGINE, accepts, find_engine, misfits, request_for
from bot.domain.options import ChosenEngine, ImagineOptions
from bot.domain.requests import Command, specs_of, split
from bot.errors import Problem, UserError
from bot.providers.base import Engine, ImageRequest
from bot.providers.operations import Operation
from bot.text import Text


def suited(
    command: Command, usual: Engine, offered: Iterable[Engine], price: Callable[[Sequence[ImageRequest]], int]
) -> ImagineOptions | None:
    """Return the command's options with the cheapest of the offered engines that accepts everything that was typed.

    Of equally cheap engines, the first is chosen. Returns None if the ``usual`` engine has all features, and if no
    other engine accepts everything.
    """
    specs = specs_of(command.options, command.prompts or command.readable, [])
    missing = {each.feature.name: None for spec in specs for each in misfits(spec, usual) if each.value is None}
    able = [engine for engine in offered if all(accepts(spec, engine) for spec in specs)] if missing else []
    if not able:
        return None

    def costs(engine: Engine) -> int:
        drafts = [request_for(spec, engine, {engine.id: engine}) for spec in specs]
        return price([request for draft in drafts for request in split(draft, engine)])

    chosen = able[0] if len(able) == 1 else min(able, key=costs)
    return replace(command.options, engine=chosen.id, chosen=ChosenEngine(usual.name, tuple(missing)))


def cannot(problem: Problem, operation: Operation, engines: Mapping[str, Engine]) -> Problem:
    """Return the problem. If it is an unknown name, and an engine for other operations has it, return that instead."""
    if not isinstance(problem, Text) or problem.message not in (UNKNOWN_ENGINE, ENGINE_MISSPELT):
        return problem
    try:
        engine = find_engine(str(problem.values["text"]), engines)
    except UserError:
        return problem
    return ENGINE_CANNOT(engine=engine.name, operation=NAMES[operation])
