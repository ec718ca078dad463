"""Finds changes to a refused command that may make it acceptable: the closest size, another engine, fewer images.

These are only candidates. The caller checks each of them as it would check a command that somebody typed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from bot.domain.engines import ImageSpec, Misfit, accepts, find_engine, misfits, similar_engines, similar_name
from bot.domain.features import Feature, Option
from bot.domain.options import (
    ENGINE,
    IMAGES,
    IMAGES_PER_JOB,
    NEGATIVE,
    OPTIONS,
    SEED,
    STRENGTH,
    WEIGHTS,
    ImagineOptions,
)
from bot.domain.prompt.parser import ParsedPrompt, corrected
from bot.domain.requests import ENGINES_AT_LEAST, Command, as_typed, engines_of, merged, prompt_text, read_command
from bot.domain.sizes import Ratio, closest_size
from bot.domain.values import Value
from bot.errors import UserError
from bot.providers.base import Bounds, Engine, WeightedText
from bot.providers.loras import Lora, Loras
from bot.providers.operations import Fit, Operation, Size


@dataclass(frozen=True, slots=True)
class Changes:
    """How an alternative differs from the typed one. An empty field is unchanged.

    ``engines`` replace the named ones. ``values`` are features with their new values (of weights, the highest), and
    ``dropped`` the features that it no longer uses. ``images`` is the new number of images in all. ``flags`` are those
    that were misspelt, as they were meant. ``fit`` is how the picture is brought into another ratio.
    """

    engines: tuple[Engine, ...] = ()
    values: tuple[tuple[Feature, Value], ...] = ()
    dropped: tuple[Feature, ...] = ()
    images: int | None = None
    private: bool | None = None
    flags: tuple[str, ...] = ()
    fit: Fit | None = None


@dataclass(frozen=True, slots=True)
class Alternative:
    """A changed command. ``specs`` are what its prompts ask for after the changes, one for each.

    ``compared`` are the engines of a comparison. ``engines_fit`` is False if something was changed because of an
    engine. Otherwise another engine would make no difference, unless its price or a rule does.
    """

    command: Command
    specs: tuple[ImageSpec, ...]
    changes: Changes = Changes()
    compared: tuple[Engine, ...] = ()
    engines_fit: bool = True

    @property
    def options(self) -> ImagineOptions:
        """The changed options, as a person could have typed them."""
        return _written(self.command, self.specs, self.changes)

    def with_images(self, most: int) -> Alternative | None:
        """Return it with at most this many images in all, or None if that is impossible or changes nothing."""
        parts = len(self.compared) or len(self.specs)
        each = most // parts
        if each < 1:
            if not ENGINES_AT_LEAST <= most < len(self.compared):
                return None
            fewer = self.compared[:most]
            changed = replace(self, compared=fewer, changes=replace(self.changes, engines=fewer))
            return changed.with_images(most) or changed
        specs = tuple(_with(spec, IMAGES, min(each, max(1, spec.images))) for spec in self.specs)
        if [spec.images for spec in specs] == [spec.images for spec in self.specs]:
            return None
        images = sum(spec.images for spec in specs) * (len(self.compared) or 1)
        return replace(self, specs=specs, changes=replace(self.changes, images=images))


def alternatives(
    options: ImagineOptions,
    *,
    engines: Mapping[str, Engine],
    default_engine: str,
    offered: Sequence[Engine],
    most: int,
    private: bool | None = None,
) -> Iterator[Alternative]:
    """Yield changes to try, the best first: they leave as much as possible as it was typed.

    The first may change nothing. ``default_engine`` is used if the command names no engine, and is tried early if it
    names an unknown one. ``offered`` are the engines that may be used, in the order in which to try them; ``most`` is
    the number of images that a job may have. ``private``, if set, is whether the result has to be private. A prompt
    that cannot be read has no alternatives, unless only its flags are misspelt.
    """
    options = replace(as_typed(replace(options, added=None)), added=options.added, chosen=None)
    command, changes = read_command(options), Changes()
    if command.error is not None and (meant := corrected(options.prompt)) is not None:
        options = replace(options, prompt=meant[0])
        command, changes = read_command(options), Changes(flags=meant[1])
    if not command.prompts:
        return
    if private is not None and private != options.private:
        command = replace(command, options=replace(options, private=private))
        changes = replace(changes, private=private)
    specs = tuple(ImageSpec(prompt.parts, _values(options, prompt)) for prompt in command.prompts)
    asked = _without_contradictions(Alternative(command, specs, changes))
    if options.engines is not None:
        yield from _comparisons(asked, options.engines, engines, offered, most)
        return
    if sum(spec.images for spec in specs) > most or any(spec.images < 1 for spec in specs):
        fewer = asked.with_images(most)
        if fewer is None:
            return
        asked = fewer
    names = engines_of(options, command.prompts, default_engine)
    used = [engine for name in names if (engine := _found(name, engines)) is not None]
    similar = [engine for name in names for engine in similar_engines(name, engines)]
    likely = dict.fromkeys([*similar, *(each for name, each in engines.items() if name == default_engine), *offered])
    others = [engine for engine in likely if engine in offered and [engine] * len(names) != used]
    whole = [engine for engine in others if all(accepts(spec, engine) for spec in asked.specs)]
    kept = _adapted(asked, used) if len(used) == len(names) else None
    if kept is not None and kept.changes.dropped == asked.changes.dropped:
        yield kept
    switched = (_adapted(asked, [engine] * len(names), switch=True) for engine in whole)
    if (first := next(switched, None)) is not None:
        yield first
    if kept is not None and kept.changes.dropped != asked.changes.dropped:
        yield kept
    yield from switched
    yield from (_adapted(asked, [engine] * len(names), switch=True) for engine in others if engine not in whole)


def fitting(options: ImagineOptions, find: Callable[[ImagineOptions], Iterator[Alternative]]) -> Iterator[Alternative]:
    """Yield the best alternative for each way of bringing the picture into another ratio. ``find`` yields them."""
    for fit in Fit if options.fit is None else ():
        first = next(find(replace(options, fit=fit)), None)
        if first is not None:
            yield replace(first, changes=replace(first.changes, fit=fit), engines_fit=False)


def _comparisons(
    asked: Alternative, names: Iterable[str], engines: Mapping[str, Engine], offered: Sequence[Engine], most: int
) -> Iterator[Alternative]:
    """The comparison with those of its engines that may be used, and as many of them as a job may have images."""
    if len(asked.specs) > 1:
        return
    found = [_found(name, engines) for name in names]
    possible = tuple(dict.fromkeys(engine for engine in found if engine is not None and engine in offered))
    if len(possible) < ENGINES_AT_LEAST:
        return
    changes = replace(asked.changes, engines=possible) if len(possible) < len(found) else asked.changes
    kept = replace(asked, changes=changes, compared=possible)
    if sum(spec.images for spec in kept.specs) * len(possible) <= most and all(spec.images > 0 for spec in kept.specs):
        yield kept
    elif (fewer := kept.with_images(most)) is not None:
        yield fewer


def _found(name: str, engines: Mapping[str, Engine]) -> Engine | None:
    try:
        return find_engine(name, engines)
    except UserError:
        return None


def _values(options: ImagineOptions, prompt: ParsedPrompt) -> dict[str, Value]:
    values = merged(options, prompt.options, [])
    return {name: value for name, value in values.items() if name != ENGINE.name}


def _with(spec: ImageSpec, option: Feature, value: Value) -> ImageSpec:
    return replace(spec, values={**spec.values, option.name: value})


# --- adapting to an engine ----------------------------------------------------------------------------------------


def _without_contradictions(asked: Alternative) -> Alternative:
    """The command without options that are wrong for every engine: set twice, or no size."""
    options, prompts = asked.command.options, asked.command.prompts
    values = list(asked.changes.values)
    dropped = list(asked.changes.dropped)
    for name in options.typed_values():
        option, value = OPTIONS[name], asked.specs[0].values.get(name)
        if option is not ENGINE and value is None:
            dropped.append(option)
        elif value is not None and any(name in prompt.options for prompt in prompts):
            values.append((option, value))  # The field is kept.
    return replace(asked, changes=replace(asked.changes, values=tuple(values), dropped=tuple(dropped)))


def _adapted(asked: Alternative, engines: Sequence[Engine], *, switch: bool = False) -> Alternative:
    """The command with what its engines, one for each prompt, do not accept replaced or dropped."""
    values = {feature.name: (feature, value) for feature, value in asked.changes.values}
    dropped = {feature.name: feature for feature in asked.changes.dropped}
    options = asked.command.options
    specs = list(asked.specs)
    fit = True
    for place, engine in enumerate(engines):
        for misfit in misfits(specs[place], engine):
            feature = misfit.feature
            # No engine takes a strength without a picture.
            fit = fit and feature is STRENGTH and options.operation is Operation.TEXT_TO_IMAGE
            specs[place], better = _without_misfit(specs[place], misfit, engine)
            if better is None:
                dropped[feature.name] = feature
                values.pop(feature.name, None)
            else:
                values[feature.name] = feature, better
    # What one of several prompts cannot have is left out of all of them.
    specs = [
        replace(spec, values={name: value for name, value in spec.values.items() if name not in dropped})
        for spec in specs
    ]
    twice = ENGINE.name in options.typed_values() and ENGINE.name in asked.command.flags
    changes = replace(
        asked.changes,
        engines=(engines[0],) if switch or twice else (),
        values=tuple(values.values()),
        dropped=tuple(dropped.values()),
    )
    return Alternative(asked.command, tuple(specs), changes, engines_fit=fit)


def _without_misfit(spec: ImageSpec, misfit: Misfit, engine: Engine) -> tuple[ImageSpec, Value | None]:
    """The spec with a value that the engine accepts, and that value; or without the feature, and None."""
    feature = misfit.feature
    if feature is WEIGHTS:
        return _without_weights(spec, engine) if misfit.value is None else _reweighted(spec, feature.bounds(engine))
    better = None if misfit.value is None else _replacement(feature, misfit.value, engine)
    if better is None:
        left = {name: value for name, value in spec.values.items() if name != feature.name}
        return replace(spec, values=left), None
    return _with(spec, feature, better), better


def _replacement(feature: Feature, value: Value, engine: Engine) -> Value | None:
    """The value that the engine accepts instead, if there is one."""
    if isinstance(value, Size | Ratio):
        return closest_size(engine, value)
    if isinstance(value, Loras):
        return _similar_loras(feature, value, engine)
    if isinstance(value, str):
        return similar_name(feature, value, engine) if isinstance(feature, Option) else None
    if feature is IMAGES:
        batches = min(math.ceil(value / engine.batch), IMAGES_PER_JOB // engine.batch)
        return batches * engine.batch
    bounds = feature.bounds(engine)
    if bounds is None or feature is SEED or math.isnan(value):
        return None
    nearest = min(max(value, bounds.low), bounds.high)
    return int(nearest) if isinstance(value, int) else nearest


def _similar_loras(feature: Feature, value: Loras, engine: Engine) -> Loras | None:
    """The LoRAs of the engine that the person may have meant, without those that are like none of them."""
    found: dict[str, Lora] = {}
    for lora in value.each:
        near = similar_name(feature, lora.name, engine) if isinstance(feature, Option) else None
        if near is not None:
            found.setdefault(near, replace(lora, name=near))
    return Loras(tuple(found.values())) if found else None


def _reweighted(spec: ImageSpec, bounds: Bounds | None) -> tuple[ImageSpec, float | None]:
    if bounds is None:
        return spec, None
    parts = tuple(replace(part, weight=min(max(part.weight, bounds.low), bounds.high)) for part in spec.parts)
    return replace(spec, parts=parts), bounds.high


def _without_weights(spec: ImageSpec, engine: Engine) -> tuple[ImageSpec, None]:
    """The spec with all parts as one. What it was to avoid goes into the negative prompt if the engine takes one."""
    text = ", ".join(part.text for part in spec.parts if part.weight > 0)
    avoided = [part.text for part in spec.parts if part.weight < 0]
    if avoided and NEGATIVE.taken_by(engine):
        negative = [str(spec.values[NEGATIVE.name])] if NEGATIVE.name in spec.values else []
        spec = _with(spec, NEGATIVE, ", ".join([*negative, *avoided]))
    return replace(spec, parts=(WeightedText(text),)), None


# --- writing it down ----------------------------------------------------------------------------------------------


def _written(command: Command, specs: Sequence[ImageSpec], changes: Changes) -> ImagineOptions:
    """The options of a command that asks for these specs. What is unchanged stays as it was typed."""
    options = command.options
    flags = [dict(prompt.options) for prompt in command.prompts]
    before = [_values(options, prompt) for prompt in command.prompts]
    for name in OPTIONS:
        if name == ENGINE.name:
            continue
        wanted = [spec.values.get(name) for spec in specs]
        field = name in options.typed_values()
        flagged = any(name in each for each in flags)
        if wanted == [each.get(name) for each in before] and not (field and (flagged or wanted[0] is None)):
            continue
        alike = all(value == wanted[0] for value in wanted)
        options = options.setting({name: _field(wanted[0]) if alike else None})
        for each, value in zip(flags, wanted, strict=True):
            each.pop(name, None)
            if value is not None and not alike:
                each[name] = value
    if changes.engines or options.engines is not None or ENGINE.name in options.typed_values():
        for each in flags:
            each.pop(ENGINE.name, None)
    if options.engines is not None and changes.engines:
        options = replace(options, engines=tuple(engine.id for engine in changes.engines))
    elif changes.engines:
        options = replace(options, engine=changes.engines[0].id)
    prompts = [ParsedPrompt(spec.parts, each) for spec, each in zip(specs, flags, strict=True)]
    return options if prompts == list(command.prompts) else replace(options, prompt=prompt_text(prompts))


def _field(value: Value | None) -> str | float | None:
    return str(value) if isinstance(value, Size | Ratio | Loras) else value
