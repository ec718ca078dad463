"""What an engine takes: finding the engine that was meant, and saying what it does not take and which one does."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from bot.domain.prompt.parser import PROMPT_LIMIT, number_text
from bot.domain.sizes import Ratio, nearest_size, size_list
from bot.errors import UserError
from bot.providers.base import Ability, Bounds, Engine, ImageRequest, Size, WeightedText

ABILITY_WORDS: Mapping[Ability, str] = {
    Ability.NEGATIVE: "a negative prompt",
    Ability.WEIGHTS: "weighted parts",
    Ability.STYLE: "a style",
    Ability.STEPS: "a number of steps",
    Ability.SEED: "a seed",
    Ability.GUIDANCE: "a guidance scale",
    Ability.SAMPLER: "a sampler",
}
"""Each ability as it reads after "takes" or "does not take"."""


LISTED_AT_MOST = 8
"""So many engines or other things are named in a sentence."""
_NAMES_LISTED = 20
_SUGGESTED = 3
_QUOTED = 100


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a person asks of an engine, from the fields and the flags together; None: not given."""

    parts: tuple[WeightedText, ...]
    images: int = 1
    shape: Size | Ratio | None = None
    negative: str | None = None
    style: str | None = None
    steps: int | None = None
    seed: int | None = None
    guidance: float | None = None
    sampler: str | None = None

    def asks(self) -> Iterator[Ability]:
        """The abilities that an engine needs for this."""
        given: dict[Ability, bool] = {
            Ability.NEGATIVE: self.negative is not None,
            Ability.WEIGHTS: len(self.parts) > 1 or any(part.weight != 1 for part in self.parts),
            Ability.STYLE: self.style is not None,
            Ability.STEPS: self.steps is not None,
            Ability.SEED: self.seed is not None,
            Ability.GUIDANCE: self.guidance is not None,
            Ability.SAMPLER: self.sampler is not None,
        }
        return (ability for ability, is_given in given.items() if is_given)


def few(names: Iterable[str], most: int = LISTED_AT_MOST) -> str:
    """Names in a sentence: as many as one can read, and how many more there are."""
    every = list(names)
    more = f" and {len(every) - most:,} more" if len(every) > most else ""
    return ", ".join(every[:most]) + more


def find_engine(text: str, engines: Mapping[str, Engine]) -> Engine:
    """The engine that is called so: by its id, or by its model or its name where only one is called so.

    Upper and lower case, spaces and hyphens make no difference. Raises UserError, which names the engines there are.
    """
    if text in engines:
        return engines[text]
    wanted = _plain(text)
    for called in ("id", "model", "name"):
        found = [engine for engine in engines.values() if _plain(getattr(engine, called)) == wanted]
        if len(found) == 1:
            return found[0]
        if found:
            raise UserError(f"More than one engine is called “{text}”. Say which: {_ids(found)}.")
    if not engines:
        raise UserError("There is no engine to make pictures with at the moment.")
    shown = text if len(text) <= _QUOTED else f"{text[:_QUOTED]}…"
    near = _near(text, engines)
    meant = f" Did you mean {_ids(near)}?" if near else ""
    if len(engines) > LISTED_AT_MOST:
        raise UserError(f"There is no engine “{shown}”.{meant} /engines lists all {len(engines)}.")
    raise UserError(f"There is no engine “{shown}”.{meant} There are: {_ids(engines.values())}.")


def request_for(wanted: Wanted, engine: Engine, engines: Mapping[str, Engine]) -> ImageRequest:
    """Turn what is wanted into one request for all its images, with the engine's own size, style and sampler names.

    Raises UserError, which names everything that the engine does not take, what it does take, and which others would.
    """
    problems = [*_abilities_missing(wanted, engine, engines), *_too_long(wanted, engine)]
    problems += _out_of_bounds(wanted, engine)
    size = _size(wanted.shape, engine, problems)
    style, sampler = wanted.style, wanted.sampler
    if style is not None and Ability.STYLE in engine.abilities:
        style = _listed("style", style, engine, engine.styles, problems)
    if sampler is not None and Ability.SAMPLER in engine.abilities:
        sampler = _listed("sampler", sampler, engine, engine.samplers, problems)
    if problems:
        raise UserError(*problems)
    return ImageRequest(
        engine=engine.id,
        prompts=wanted.parts,
        size=size,
        images=wanted.images,
        negative=wanted.negative,
        style=style,
        steps=wanted.steps,
        seed=wanted.seed or None,  # 0 means to every service what no seed means: any
        guidance=wanted.guidance,
        sampler=sampler,
    )


def _abilities_missing(wanted: Wanted, engine: Engine, engines: Mapping[str, Engine]) -> Iterator[str]:
    missing = [ability for ability in wanted.asks() if ability not in engine.abilities]
    for ability in missing:
        able = [other for other in engines.values() if ability in other.abilities]
        who = f"Engines that do: {_ids(able)}." if able else "No engine here does."
        yield f"{engine.name} does not take {ABILITY_WORDS[ability]}. {who}"
    leaves_out = any(part.weight < 0 for part in wanted.parts)
    if Ability.WEIGHTS in missing and leaves_out and Ability.NEGATIVE in engine.abilities:
        yield f"What {engine.name} should leave out can be named with --no."
    if missing:
        takes = [words for ability, words in ABILITY_WORDS.items() if ability in engine.abilities]
        yield f"{engine.name} takes {_and(['a prompt', 'a size', *takes])}."


def _too_long(wanted: Wanted, engine: Engine) -> Iterator[str]:
    limit = min(engine.prompt_limit, PROMPT_LIMIT)
    lengths = {
        "prompt": sum(len(part.text) for part in wanted.parts),
        "negative prompt": len(wanted.negative or ""),
    }
    for what, length in lengths.items():
        if length > limit:
            yield f"{engine.name} takes a {what} of up to {limit:,} characters; this one has {length:,}."


def _out_of_bounds(wanted: Wanted, engine: Engine) -> Iterator[str]:
    asked: list[tuple[Ability, str, Bounds | None, Sequence[float]]] = [
        (Ability.WEIGHTS, "weights", engine.weights, [part.weight for part in wanted.parts]),
        (Ability.STEPS, "steps", engine.steps, [] if wanted.steps is None else [wanted.steps]),
        (Ability.GUIDANCE, "guidance", engine.guidance, [] if wanted.guidance is None else [wanted.guidance]),
        # Seed 0 is no seed, whether or not the engine counts it among its own.
        (Ability.SEED, "seeds", engine.seed, [wanted.seed] if wanted.seed else []),
    ]
    for ability, what, bounds, values in asked:
        if ability not in engine.abilities or bounds is None:
            continue
        wrong = next((value for value in values if value not in bounds), None)
        if wrong is not None:
            low, high = number_text(bounds.low), number_text(bounds.high)
            yield f"{engine.name} takes {what} from {low} to {high}, not {number_text(wrong)}."


def _size(shape: Size | Ratio | None, engine: Engine, problems: list[str]) -> Size:
    if shape is None:
        return engine.default_size
    if isinstance(shape, Size):
        if engine.takes_size(shape):
            return shape
    elif (nearest := nearest_size(engine, shape)) is not None:
        return nearest
    if engine.grid is None:
        takes = f"It makes {few([size_list([size]) for size in engine.sizes], _NAMES_LISTED)}."
    else:
        grid = engine.grid
        takes = f"Both sides are from {grid.low} to {grid.high} pixels in steps of {grid.step}."
    problems.append(f"{engine.name} does not make {shape}. {takes}")
    return engine.default_size


def style_of(engine: Engine, text: str) -> str | None:
    """The engine's own spelling of a style, or None where it has none that is called so."""
    if Ability.STYLE not in engine.abilities:
        return None
    return {_plain(name): name for name in engine.styles}.get(_plain(text)) if engine.styles else text


def _listed(what: str, text: str, engine: Engine, names: Sequence[str], problems: list[str]) -> str:
    """The engine's own spelling of a name; one without a list takes any."""
    if not names:
        return text
    plain = {_plain(name): name for name in names}
    found = plain.get(_plain(text))
    if found is None:
        near = difflib.get_close_matches(_plain(text), plain, n=1)
        meant = f" Did you mean {plain[near[0]]}?" if near else ""
        more = f" /engines engine:{engine.id} lists all." if len(names) > _NAMES_LISTED else ""
        problems.append(f"{engine.name} has no {what} “{text}”.{meant} It has {few(names, _NAMES_LISTED)}.{more}")
        return text
    return found


def _plain(text: str) -> str:
    return "-".join(text.casefold().replace("-", " ").replace("_", " ").split())


def _near(text: str, engines: Mapping[str, Engine]) -> list[Engine]:
    """The engines that may have been meant, best first."""
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


def _ids(engines: Iterable[Engine]) -> str:
    return few(f"{engine.id} ({engine.name})" for engine in engines)


def _and(words: Sequence[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else words[0]
