"""What is used where a command says nothing: a person's own defaults, and behind them those of the place."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from bot.domain.characters import DASHES, typed, visible
from bot.domain.engines import Wanted, find_engine, style_of
from bot.domain.prompt.parser import IMAGES_PER_JOB, PROMPT_LIMIT, ParsedPrompt, PromptError, expand, parse
from bot.domain.prompt.suffix import with_words
from bot.domain.requests import ImagineOptions
from bot.domain.sizes import Ratio, nearest_size, parse_shape
from bot.errors import UserError
from bot.providers.base import Engine

_T = TypeVar("_T")
_NOTHING = frozenset({"", "none", "no", "nothing", "clear", "reset"})


@dataclass(frozen=True, slots=True)
class Defaults:
    """Values for what was not typed; None: none. ``engine`` is an id, ``size`` as it is typed, ``text`` plain words.

    The text is added to every prompt, also to one that says everything else itself.
    """

    engine: str | None = None
    size: str | None = None
    style: str | None = None
    images: int | None = None
    private: bool | None = None
    text: str | None = None


def merged(
    options: ImagineOptions, layers: Sequence[Defaults], *, engines: Mapping[str, Engine], default_engine: str
) -> ImagineOptions:
    """What was typed, completed from the layers, the nearest first: a person's own before those of the place.

    A default that the prompt's flags decide, or that does not fit the engine, is left out without a word; the one of
    the next layer is tried then. A comparison has its own engines, and one image of each where no number is typed. What
    cannot be read is returned as it is, for whoever says what is wrong with it.
    """
    compared = options.engines
    try:
        prompts = [parse(text) for text in expand(options.prompt)]
        if compared is None and typed(options.engine) is None and not any(each.options.engine for each in prompts):
            engine = next((layer.engine for layer in layers if layer.engine in engines), None)
            options = replace(options, engine=engine)
        named = compared or [typed(options.engine) or each.options.engine or default_engine for each in prompts]
        used = [find_engine(name, engines) for name in dict.fromkeys(named)]
    except UserError:
        return options

    def first(values: Iterable[_T | None], fits: Callable[[_T], bool]) -> _T | None:
        return next((value for value in values if value is not None and fits(value)), None)

    if typed(options.size) is None and all(prompt.options.shape is None for prompt in prompts):
        size = first((layer.size for layer in layers), lambda size: all(takes_shape(each, size) for each in used))
        options = replace(options, size=size)
    if typed(options.style) is None and all(prompt.options.style is None for prompt in prompts):
        style = first((layer.style for layer in layers), lambda style: all(style_of(each, style) for each in used))
        options = replace(options, style=style)
    if compared is None and options.images is None and all(prompt.options.images is None for prompt in prompts):
        most = IMAGES_PER_JOB // len(prompts)
        options = replace(options, images=first((layer.images for layer in layers), lambda images: images <= most))
    text = next((layer.text for layer in layers if layer.text is not None), None)
    return options if text is None else _with_text(options, text, used)


def means_nothing(text: str) -> bool:
    """Whether this is what people type where they want nothing to be set: ``none``, a dash and the like."""
    wanted = (typed(text) or "").strip(f"\"'“”.{DASHES} ").casefold()
    return visible(text) and wanted in _NOTHING


def private_by_default(layers: Iterable[Defaults]) -> bool:
    """Whether an answer is private where the command does not say."""
    return next((layer.private for layer in layers if layer.private is not None), False)


def takes_shape(engine: Engine, text: str) -> bool:
    """Whether the engine makes a size or a ratio that was typed like this."""
    try:
        shape = parse_shape(text)
    except ValueError:
        return False
    return nearest_size(engine, shape) is not None if isinstance(shape, Ratio) else engine.takes_size(shape)


def _with_text(options: ImagineOptions, words: str, engines: Sequence[Engine]) -> ImagineOptions:
    """With the words in each of its prompts, unless they are there already or an engine would not take that."""
    before = [parse(text) for text in expand(options.prompt)]
    if all(prompt.parts[-1].text.casefold().endswith(words.casefold()) for prompt in before):
        return options
    longer = with_words(options.prompt, words)
    try:
        after = [parse(text) for text in expand(longer)]
    except PromptError:
        return options  # too long now
    fits = len(longer) <= PROMPT_LIMIT and all(
        _fits(old, new, engine) for old, new in zip(before, after, strict=True) for engine in engines
    )
    return replace(options, prompt=longer) if fits else options


def _fits(old: ParsedPrompt, new: ParsedPrompt, engine: Engine) -> bool:
    more = set(Wanted(new.parts).asks()) - set(Wanted(old.parts).asks())
    return more <= engine.abilities and sum(len(part.text) for part in new.parts) <= engine.prompt_limit
