"""One prompt on several engines: each is sent what it takes, and what it does not take is named."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from bot.domain.characters import typed
from bot.domain.engines import ABILITY_WORDS, Wanted, find_engine, request_for, style_of
from bot.domain.prompt.parser import IMAGES_PER_JOB, ParsedPrompt, expand, parse
from bot.domain.requests import ImagineOptions, Plan, merge, split, title_of
from bot.domain.sizes import Ratio, nearest_size
from bot.errors import Problem, UserError
from bot.providers.base import Ability, Bounds, Engine, ImageRequest, Size, WeightedText

AT_LEAST = 2
"""Fewer engines are no comparison."""


def comparison(options: ImagineOptions, engines: Mapping[str, Engine]) -> Plan:
    """One request or more for each of ``options.engines``; ``engines`` are all there are, by id.

    Raises UserError, which names all problems at once.
    """
    problems: list[Problem] = []
    prompt = _prompt(options)
    wanted = merge(replace(options, engine=None), prompt, problems)
    if prompt.options.engine is not None:
        problems.append("A comparison has its engines in a field of their own: leave out --engine.")
    chosen: list[Engine] = []
    for name in options.engines or ():
        try:
            chosen.append(find_engine(name, engines))
        except UserError as error:
            problems += error.problems
    chosen = list(dict.fromkeys(chosen))
    if len(chosen) < AT_LEAST and not problems:
        problems.append("A comparison needs at least two engines.")
    if len(chosen) * wanted.images > IMAGES_PER_JOB:
        problems.append(
            f"This asks for {len(chosen) * wanted.images:,} images of {len(chosen)} engines; a job makes at most "
            f"{IMAGES_PER_JOB}."
        )
    drafts: list[tuple[Engine, ImageRequest]] = []
    for engine in chosen:
        try:
            drafts.append((engine, request_for(fitted(wanted, engine)[0], engine, engines)))
        except UserError as error:
            problems += error.problems
    if problems:
        raise UserError(*dict.fromkeys(problems))
    requests = tuple(request for engine, draft in drafts for request in split(draft, engine))
    kept = replace(options, engine=None, engines=tuple(engine.id for engine in chosen))
    return Plan(kept, requests, prompts=1, title=title_of(prompt))


def engines_named(text: str | None, engines: Mapping[str, Engine]) -> tuple[str, ...]:
    """The engines that a person typed with commas between them, as they typed them; all there are if they named none.

    More than one job can hold are left out, the last ones first.
    """
    names = [name for part in (text or "").split(",") if (name := typed(part)) is not None]
    return tuple(names or list(engines)[:IMAGES_PER_JOB])


def left_out(options: ImagineOptions, engine: Engine) -> tuple[str, ...]:
    """What of a comparison was not sent to this engine, in words: ``a style``, ``the size 100x100``."""
    try:
        wanted = merge(replace(options, engine=None), _prompt(options), [])
    except UserError:
        return ()
    return fitted(wanted, engine)[1]


def fitted(wanted: Wanted, engine: Engine) -> tuple[Wanted, tuple[str, ...]]:
    """The part of what is wanted that the engine takes, and the rest in words."""
    missing = {ability for ability in wanted.asks() if ability not in engine.abilities}
    out = [ABILITY_WORDS[ability] for ability in Ability if ability in missing]
    changes: dict[str, object] = {_FIELDS[ability]: None for ability in missing if ability in _FIELDS}
    if Ability.WEIGHTS in missing:
        # The words count all the same; what should be avoided must not be asked for.
        text = ", ".join(part.text for part in wanted.parts if part.weight > 0)
        changes["parts"] = (WeightedText(text),)
    for ability, what in _beyond(wanted, engine):
        if ability not in missing:
            changes[_FIELDS[ability]] = None
            out.append(what)
    if isinstance(wanted.shape, Size) and not engine.takes_size(wanted.shape):
        # The same shape, as near as it comes.
        changes["shape"] = Ratio(wanted.shape.width, wanted.shape.height) if wanted.shape.pixels else None
        out.append(f"the size {wanted.shape}")
    fit = replace(wanted, **changes)  # type: ignore[arg-type]  # the names are those of its fields
    if isinstance(fit.shape, Ratio) and nearest_size(engine, fit.shape) is None:
        out += [f"the shape {fit.shape}"] if isinstance(wanted.shape, Ratio) else []
        fit = replace(fit, shape=None)
    return fit, tuple(out)


_FIELDS: Mapping[Ability, str] = {
    Ability.NEGATIVE: "negative",
    Ability.STYLE: "style",
    Ability.STEPS: "steps",
    Ability.SEED: "seed",
    Ability.GUIDANCE: "guidance",
    Ability.SAMPLER: "sampler",
}


def _beyond(wanted: Wanted, engine: Engine) -> Iterator[tuple[Ability, str]]:
    """What the engine takes in general, but not this value of it."""
    numbers: Sequence[tuple[Ability, str, float | None, Bounds | None]] = (
        (Ability.STEPS, f"{wanted.steps} steps", wanted.steps, engine.steps),
        (Ability.GUIDANCE, f"guidance {wanted.guidance}", wanted.guidance, engine.guidance),
        (Ability.SEED, f"seed {wanted.seed}", wanted.seed, engine.seed),
    )
    for ability, what, value, bounds in numbers:
        if value and bounds is not None and value not in bounds:
            yield ability, what
    if wanted.style is not None and style_of(engine, wanted.style) is None:
        yield Ability.STYLE, f"the style {wanted.style}"
    if wanted.sampler is not None and engine.samplers and wanted.sampler.upper() not in engine.samplers:
        yield Ability.SAMPLER, f"the sampler {wanted.sampler}"


def _prompt(options: ImagineOptions) -> ParsedPrompt:
    prompts = expand(options.prompt)
    if len(prompts) > 1:
        raise UserError("A comparison takes one prompt: leave out the choices in braces.")
    return parse(prompts[0])
