"""Finds the engine that a person means, checks a prompt against what the engine accepts, and names alternatives."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import islice

from bot.domain.characters import typed
from bot.domain.features import Feature, Option
from bot.domain.options import (
    ENGINE,
    IMAGES,
    IMAGES_PER_JOB,
    NEGATIVE,
    NOT_A_SIZE,
    OPTIONS,
    PROMPT_LIMIT,
    SIZE,
    STRENGTH,
    WEIGHTS,
)
from bot.domain.sizes import Ratio, closest_size, nearest_size, parse_shape, size_text
from bot.domain.values import Value as OptionValue
from bot.domain.values import Values, names_in, value_text
from bot.errors import Problem, UserError
from bot.providers.base import Bounds, Engine, ImageRequest, WeightedText
from bot.providers.loras import Loras
from bot.providers.operations import Size
from bot.text import Message, Text, Value, message

AND_MORE = message("engines.and_more", "{names} and {count} more")
ENGINE_AMBIGUOUS = message("engines.ambiguous", "Several engines are called “{text}”. Use an id: {engines}.")
NO_ENGINES = message("engines.none", "No image engine is available right now.")
UNKNOWN_ENGINE = message("engines.unknown", "There is no engine “{text}”. See /engines.")
ENGINE_MISSPELT = message("engines.misspelt", "There is no engine “{text}”. Did you mean {near:or}? See /engines.")
IT = message("engines.it", "It")
"""The engine that the sentence before was about. The name of an engine is said once."""
NOT_TAKEN = message("engines.not_taken", "{engine} doesn't take {features:or}.")
NOT_TAKEN_BY_ANY = message("engines.not_taken_by_any", "No engine here takes {features:or}.")
STRENGTH_WITHOUT_PICTURE = message(
    "engines.strength_without_picture",
    "Strength says how much of a picture may change. Attach a picture to start from.",
)
USE_NO_FLAG = message("engines.use_no_flag", "To leave things out, use --no.")
PROMPT_TOO_LONG = message(
    "engines.prompt_too_long", "{engine} takes prompts of up to {limit} characters, not {length}."
)
NEGATIVE_TOO_LONG = message(
    "engines.negative_too_long", "{engine} takes negative prompts of up to {limit} characters, not {length}."
)
OUT_OF_RANGE = message("engines.out_of_range", "{label} must be between {low} and {high}, not {value}.")
SIZE_NOT_LISTED = message(
    "engines.size_not_listed", "{engine} can't make {size}. The closest is {nearest}. See /engines."
)
SIZE_OFF_GRID = message(
    "engines.size_off_grid",
    "{engine} can't make {size}. Both sides must be {low:plain} to {high:plain} pixels, in steps of {step:plain}.",
)
NO_ENGINE_MAKES = message("engines.no_engine_makes", "No engine here can make {size}. Sizes: {sizes}.")
IMAGES_TOGETHER = message(
    "engines.images_together", "{engine} makes {batch} images at a time, so ask for {numbers:or} images, not {value}."
)
UNKNOWN_NAME = message("engines.unknown_name", "{label} “{text}” isn't available. /engines lists what each engine has.")
NAME_MISSPELT = message("engines.name_misspelt", "{label} “{text}” isn't available. Did you mean {near}?")

LISTED_AT_MOST = 8
"""The maximum number of engines or other items in a sentence."""
_SIZES_LISTED = 12
_SUGGESTED = 3
_QUOTED = 60
# In a longer list, only names with the same first letter or a word of the text are compared.
_COMPARED_AT_MOST = 200
_SHORT_WORD = 2


@dataclass(frozen=True, slots=True)
class ImageSpec:
    """The content of one prompt for an engine: its parts, and the combined values of fields and flags."""

    parts: tuple[WeightedText, ...]
    values: Values = field(default_factory=dict)

    @property
    def images(self) -> int:
        """The number of images; 1 if it is not set."""
        images = self.values.get(IMAGES.name, 1)
        return images if isinstance(images, int) else 1

    @property
    def shape(self) -> OptionValue | None:
        """The size or the ratio, if one is set."""
        return self.values.get(SIZE.name)

    @property
    def weighted(self) -> bool:
        """Whether it needs an engine that accepts weights."""
        return len(self.parts) > 1 or any(part.weight != 1 for part in self.parts)

    def asks(self) -> Iterator[Feature]:
        """Yield the features that it uses."""
        if self.weighted:
            yield WEIGHTS
        yield from (option for name, option in OPTIONS.items() if name in self.values)


@dataclass(frozen=True, slots=True)
class Misfit:
    """A part of a spec that an engine does not accept. ``value`` is None if it does not have the feature at all."""

    feature: Feature
    value: OptionValue | None = None


# --- finding engines ----------------------------------------------------------------------------------------------


def find_engine(text: str, engines: Mapping[str, Engine]) -> Engine:
    """Find an engine by its id, or by its model or name if that is unique.

    Letter case, spaces and hyphens are ignored. Raises UserError, which names the available engines.
    """
    if text in engines:
        return engines[text]
    wanted = _plain(text)
    for called in ("id", "model", "name"):
        found = [engine for engine in engines.values() if _plain(getattr(engine, called)) == wanted]
        if len(found) == 1:
            return found[0]
        if found:
            raise UserError(ENGINE_AMBIGUOUS(text=text, engines=_ids(found)))
    if not engines:
        raise UserError(NO_ENGINES)
    shown = text if len(text) <= _QUOTED else f"{text[:_QUOTED]}…"
    near = similar_engines(text, engines)
    if near:
        raise UserError(ENGINE_MISSPELT(text=shown, near=[engine.name for engine in near]))
    raise UserError(UNKNOWN_ENGINE(text=shown))


def few(names: Iterable[str], most: int = LISTED_AT_MOST) -> Text | str:
    """Make a list for a sentence: the first names, and the number of the others."""
    every = list(names)
    shown = ", ".join(every[:most])
    return AND_MORE(names=shown, count=len(every) - most) if len(every) > most else shown


def own_name(option: Option, text: str, engine: Engine) -> str | None:
    """Return the engine's own spelling of a style, a sampler or another name, or None if it has no such name.

    An engine without a list accepts any name.
    """
    if not option.taken_by(engine):
        return None
    names = option.names(engine)
    return _by_plain_name(names).get(_plain(text)) if names else text


def takes_shape(engine: Engine, text: str) -> bool:
    """Return whether the engine supports this typed size or ratio."""
    try:
        shape = parse_shape(text)
    except ValueError:
        return False
    return size_for(engine, shape) is not None


def typed_shape(text: str, engines: Mapping[str, Engine]) -> str:
    """A size or a ratio that at least one engine makes, as it was typed. Raises UserError."""
    shape = typed(text) or ""
    try:
        parse_shape(shape)
    except ValueError:
        raise UserError(NOT_A_SIZE(text=shape)) from None
    if not any(takes_shape(engine, shape) for engine in engines.values()):
        sizes = dict.fromkeys(str(size) for engine in engines.values() for size in engine.sizes)
        raise UserError(NO_ENGINE_MAKES(size=shape, sizes=few(sizes, _SIZES_LISTED)))
    return shape


def size_for(engine: Engine, shape: Size | Ratio) -> Size | None:
    """Return the engine's size for this shape, if it has one."""
    if isinstance(shape, Ratio):
        return nearest_size(engine, shape)
    return shape if engine.takes_size(shape) else None


# --- checking a spec ----------------------------------------------------------------------------------------------


def misfits(spec: ImageSpec, engine: Engine) -> Iterator[Misfit]:
    """Yield the parts that the engine does not accept: features first, then values. Lengths are not checked."""
    asked = list(spec.asks())
    yield from (Misfit(feature) for feature in asked if not feature.taken_by(engine))
    for feature in asked:
        if feature.taken_by(engine) and (value := _unfit(feature, spec, engine)) is not None:
            yield Misfit(feature, value)


def _unfit(feature: Feature, spec: ImageSpec, engine: Engine) -> OptionValue | None:
    """Return the value of this feature if the engine does not accept it."""
    bounds = feature.bounds(engine)
    if not isinstance(feature, Option):
        weights = [part.weight for part in spec.parts]
        return next((weight for weight in weights if bounds is not None and weight not in bounds), None)
    value = spec.values[feature.name]
    if value == feature.any_value:
        return None
    if isinstance(value, Size | Ratio):
        return value if size_for(engine, value) is None else None
    if isinstance(value, str | Loras):
        known = not feature.names(engine) or None not in {own_name(feature, name, engine) for name in names_in(value)}
        return None if known else value
    if feature is IMAGES and isinstance(value, int):
        return value if value > 0 and value % engine.batch else None
    return value if bounds is not None and value not in bounds else None


def images_for(spec: ImageSpec, engine: Engine) -> int:
    """Return the number of images that the engine makes for a spec. If none is set, it makes as few as it can."""
    return spec.images if IMAGES.name in spec.values else engine.batch


def request_for(spec: ImageSpec, engine: Engine, engines: Mapping[str, Engine]) -> ImageRequest:
    """Turn a spec into one request for all of its images, with the engine's own size, style and sampler names.

    Raises UserError. It names everything that the engine does not accept.
    """
    problems = problems_of(spec, engine, engines)
    if problems:
        raise UserError(*problems)
    values: dict[str, OptionValue] = {
        name: _own_value(OPTIONS[name], value, engine)
        for name, value in spec.values.items()
        if name != ENGINE.name and value != OPTIONS[name].any_value
    }
    values.setdefault(SIZE.name, engine.default_size)
    values[IMAGES.name] = images_for(spec, engine)
    return ImageRequest(engine=engine.id, prompts=spec.parts, **values)  # type: ignore[arg-type]  # by the table's names


def _own_value(option: Option, value: OptionValue, engine: Engine) -> OptionValue:
    if isinstance(value, Size | Ratio):
        return size_for(engine, value) or engine.default_size
    if isinstance(value, str) and option.names(engine):
        return own_name(option, value, engine) or value
    if isinstance(value, Loras):
        each = (replace(lora, name=own_name(option, lora.name, engine) or lora.name) for lora in value.each)
        return Loras(tuple(each))
    return value


def problems_of(spec: ImageSpec, engine: Engine, engines: Mapping[str, Engine]) -> list[Problem]:
    """Return a problem for everything that the engine does not accept; features that it does not have in one."""
    wrong = list(misfits(spec, engine))
    missing = [each.feature for each in wrong if each.value is None]
    able = [feature for feature in missing if any(map(feature.taken_by, engines.values()))]
    found: list[Problem] = []
    if able:
        found.append(NOT_TAKEN(engine=engine.name, features=[feature.noun for feature in able]))
    unable = [feature for feature in missing if feature not in able]
    if STRENGTH in unable and not engine.operation.has_source:
        unable.remove(STRENGTH)
        found.append(STRENGTH_WITHOUT_PICTURE())
    if unable:
        found.append(NOT_TAKEN_BY_ANY(features=[feature.noun for feature in unable]))
    if WEIGHTS in missing and any(part.weight < 0 for part in spec.parts) and NEGATIVE.taken_by(engine):
        found.append(USE_NO_FLAG())
    found += _too_long(spec, engine)
    for each in wrong:
        if each.value is not None:
            found += _wrong_values(each.feature, each.value, engine)
    return found


def accepts(spec: ImageSpec, engine: Engine) -> bool:
    """Return whether the engine accepts all of a spec."""
    return not any(misfits(spec, engine)) and not any(_too_long(spec, engine))


def _too_long(spec: ImageSpec, engine: Engine) -> Iterator[Problem]:
    limit = min(engine.prompt_limit, PROMPT_LIMIT)
    for problem, length in (
        (PROMPT_TOO_LONG, sum(len(part.text) for part in spec.parts)),
        (NEGATIVE_TOO_LONG, len(str(spec.values.get(NEGATIVE.name, "")))),
    ):
        if length > limit:
            yield problem(engine=engine.name, limit=limit, length=length)


def engines_named_once(problems: Iterable[Problem]) -> list[Text]:
    """Return each problem once, with the name of an engine only in the first of those in a row that are about it."""
    found: list[Text] = []
    last: Value | None = None
    for problem in dict.fromkeys(each() if isinstance(each, Message) else each for each in problems):
        name = problem.values.get("engine")
        again = name is not None and name == last
        found.append(replace(problem, values={**problem.values, "engine": IT}) if again else problem)
        last = last if name is None else name
    return found


def _wrong_values(feature: Feature, value: OptionValue, engine: Engine) -> Iterator[Problem]:
    """Yield a problem for each name that the engine does not have, or one for a value of another kind."""
    if not (isinstance(feature, Option) and isinstance(value, str | Loras)):
        yield _wrong_value(feature, value, engine)
        return
    for name in names_in(value):
        if own_name(feature, name, engine) is None:
            near = similar_name(feature, name, engine)
            yield (UNKNOWN_NAME if near is None else NAME_MISSPELT)(label=feature.label, text=name, near=near or "")


def _wrong_value(feature: Feature, value: OptionValue, engine: Engine) -> Problem:
    if isinstance(value, Size | Ratio):
        return _wrong_size(value, engine)
    if feature is IMAGES:
        numbers = [str(number) for number in range(engine.batch, IMAGES_PER_JOB + 1, engine.batch)]
        return IMAGES_TOGETHER(engine=engine.name, batch=engine.batch, numbers=numbers, value=value_text(value))
    bounds = feature.bounds(engine) or Bounds(0, 0)
    low, high = value_text(bounds.low), value_text(bounds.high)
    return OUT_OF_RANGE(label=feature.label, low=low, high=high, value=value_text(value))


def _wrong_size(shape: Size | Ratio, engine: Engine) -> Problem:
    if (grid := engine.grid) is not None:
        return SIZE_OFF_GRID(engine=engine.name, size=str(shape), low=grid.low, high=grid.high, step=grid.step)
    return SIZE_NOT_LISTED(engine=engine.name, size=str(shape), nearest=size_text(closest_size(engine, shape)))


def similar_name(option: Option, text: str, engine: Engine) -> str | None:
    """Return the engine's style or sampler that the person may have meant."""
    return _similar(_plain(text), option.names(engine))


# A refusal compares the same few names with the lists of many engines, and a server can have a thousand LoRAs.
@lru_cache(maxsize=32)
def _by_plain_name(names: tuple[str, ...]) -> Mapping[str, str]:
    return {_plain(name): name for name in names}


@lru_cache(maxsize=128)
def _similar(wanted: str, names: tuple[str, ...]) -> str | None:
    plain = _by_plain_name(names)
    compared: Iterable[str] = plain
    if len(plain) > _COMPARED_AT_MOST:
        words = [word for word in wanted.split("-") if len(word) > _SHORT_WORD]
        alike = (name for name in plain if name[:1] == wanted[:1] or any(word in name for word in words))
        compared = islice(alike, _COMPARED_AT_MOST)
    near = difflib.get_close_matches(wanted, compared, n=1)
    return plain[near[0]] if near else None


def fitted(spec: ImageSpec, engine: Engine) -> tuple[ImageSpec, tuple[Text, ...]]:
    """Split a spec into the part that the engine accepts, and the rest in words: ``a style``, ``size 100x100``."""
    values, parts = dict(spec.values), spec.parts
    left_out: list[Text] = []
    for each in misfits(spec, engine):
        feature, value = each.feature, each.value
        left_out.append(feature.text(value) if value is not None and isinstance(feature, Option) else feature.noun)
        if feature is WEIGHTS:
            # Words with a positive weight are kept without it. Words to avoid are dropped, or the engine would draw
            # them.
            parts = (WeightedText(", ".join(part.text for part in parts if part.weight > 0)),)
            continue
        values.pop(feature.name)
        # The nearest size of the same shape.
        if isinstance(value, Size) and value.pixels:
            ratio = Ratio(value.width, value.height)
            if nearest_size(engine, ratio) is not None:
                values[feature.name] = ratio
    return ImageSpec(parts, values), tuple(left_out)


def _plain(text: str) -> str:
    return "-".join(text.casefold().replace("-", " ").replace("_", " ").split())


def similar_engines(text: str, engines: Mapping[str, Engine]) -> list[Engine]:
    """The engines that the person may have meant, best match first."""
    if len(text) > _QUOTED:
        return []
    called: dict[str, Engine] = {}
    for engine in engines.values():
        for name in (engine.id, engine.model, engine.name):
            called.setdefault(_plain(name), engine)
    wanted = _plain(text)
    found = [called[name] for name in called if wanted and wanted in name]
    found += [called[name] for name in difflib.get_close_matches(wanted, called, n=_SUGGESTED)]
    return list({engine.id: engine for engine in found}.values())[:_SUGGESTED]


def _ids(engines: Iterable[Engine]) -> Text | str:
    return few([f"{engine.id} ({engine.name})" for engine in engines])
