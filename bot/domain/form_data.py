"""A job as a form shows it: a few fields that can be changed, and back to what a command would have said."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeVar

from bot.domain.characters import typed
from bot.domain.prompt.parser import ParsedPrompt, PromptError, PromptOptions, expand, parse
from bot.domain.requests import ImagineOptions

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Draft:
    """What stands in the form. ``base`` is where it began, with all that the form does not show.

    ``engine`` is an id or None where the prompt says it; ``engines`` are those of a comparison. ``further`` holds the
    other settings as the flags that a prompt ends with.
    """

    base: ImagineOptions
    prompt: str
    engine: str | None
    engines: tuple[str, ...] | None
    size: str
    negative: str
    further: str

    def options(self) -> ImagineOptions:
        """What a command with all this would have said."""
        return replace(
            self.base,
            prompt=f"{self.prompt} {self.further}".strip(),
            engine=None if self.engines is not None else self.engine,
            engines=self.engines,
            size=typed(self.size),
            negative=typed(self.negative),
            images=None,
            style=None,
            steps=None,
            seed=None,
            guidance=None,
            sampler=None,
        )


def draft_of(options: ImagineOptions, *, engine: str | None) -> Draft:
    """A form filled in with these options; ``engine`` is the id of the engine that it ran on, if it was only one."""
    prompt = _single(options)
    if prompt is None:
        # Choices may decide anything, so the prompt stays as it was typed, with its flags.
        named = typed(options.engine) is not None
        flags = PromptOptions(
            images=options.images,
            steps=options.steps,
            style=typed(options.style),
            seed=options.seed,
            guidance=options.guidance,
            sampler=typed(options.sampler),
        )
        return Draft(
            base=options,
            prompt=options.prompt,
            engine=engine if named else None,
            engines=options.engines,
            size=options.size or "",
            negative=options.negative or "",
            further=_printed(flags),
        )
    given = prompt.options
    flags = PromptOptions(
        images=_first(options.images, given.images),
        steps=_first(options.steps, given.steps),
        style=_first(typed(options.style), given.style),
        seed=_first(options.seed, given.seed),
        guidance=_first(options.guidance, given.guidance),
        sampler=_first(typed(options.sampler), given.sampler),
    )
    shape = given.shape
    return Draft(
        base=options,
        prompt=ParsedPrompt(prompt.parts).text(),
        engine=engine,
        engines=options.engines,
        size=typed(options.size) or ("" if shape is None else str(shape)),
        negative=typed(options.negative) or given.negative or "",
        further=_printed(flags),
    )


def draft_of_prompt(base: ImagineOptions, options: ImagineOptions, *, engine: str) -> Draft:
    """A form with the words of these options and nothing of their settings."""
    prompt = _single(options)
    words = options.prompt if prompt is None else ParsedPrompt(prompt.parts).text()
    negative = typed(options.negative) or (prompt.options.negative if prompt is not None else None)
    chosen = engine if prompt is not None else None
    return Draft(base, words, engine=chosen, engines=None, size="", negative=negative or "", further="")


def _single(options: ImagineOptions) -> ParsedPrompt | None:
    """The prompt, where it is one without choices."""
    try:
        prompts = expand(options.prompt)
        return parse(prompts[0]) if len(prompts) == 1 else None
    except PromptError:
        return None


def _printed(flags: PromptOptions) -> str:
    return ParsedPrompt((), flags).text()


def _first(own: _T | None, flagged: _T | None) -> _T | None:
    return flagged if own is None else own
