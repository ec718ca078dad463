"""The data of the Edit form: from a job to a few fields that can be changed, and back to options."""

from __future__ import annotations

from dataclasses import dataclass, replace

from bot.domain.characters import typed
from bot.domain.options import ENGINE, NEGATIVE, OPTIONS, SIZE, ImagineOptions, Value, Values, value_text
from bot.domain.prompt.parser import ParsedPrompt
from bot.domain.requests import as_typed, merged, read_command

_SHOWN = (ENGINE.name, SIZE.name, NEGATIVE.name)
"""The options that have a field of their own in the form."""


@dataclass(frozen=True, slots=True)
class Draft:
    """The fields of the form. ``base`` are the options that it was filled in from, with all that it does not show.

    ``engine`` is an id, or None if the prompt says it; ``engines`` are those of a comparison. ``further`` holds the
    other settings as the flags of a prompt.
    """

    base: ImagineOptions
    prompt: str
    engine: str | None
    engines: tuple[str, ...] | None
    size: str
    negative: str
    further: str

    def options(self) -> ImagineOptions:
        """The options that a command with these fields would have."""
        cleared = self.base.setting(dict.fromkeys(OPTIONS))
        return replace(
            cleared,
            prompt=f"{self.prompt} {self.further}".strip(),
            engine=None if self.engines is not None else self.engine,
            engines=self.engines,
            size=typed(self.size),
            negative=typed(self.negative),
            # Seeds that were changed in the form count more than the one that took their place before.
            new_seed=self.base.new_seed if self.prompt == self.base.prompt else None,
        )


def draft_of(options: ImagineOptions, *, engine: str | None) -> Draft:
    """The form for these options. ``engine`` is the id of the engine that was used, if it was only one.

    The prompt is as the person typed it. Words that are added to it are not shown, and still added.
    """
    prompt = _single(options)
    if prompt is None:
        # Choices may decide anything, so the prompt keeps its flags.
        return Draft(
            base=options,
            prompt=options.prompt,
            engine=engine if typed(options.engine) is not None else None,
            engines=options.engines,
            size=options.size or "",
            negative=options.negative or "",
            further=_further(merged(options, {}, [])),
        )
    base = replace(options, new_seed=None)
    # The new seed is shown in place of the one that was typed.
    shown = as_typed(replace(options, added=None))
    values = merged(shown, (_single(shown) or prompt).options, [])
    return Draft(
        base=base,
        prompt=ParsedPrompt(prompt.parts).text(),
        engine=engine,
        engines=options.engines,
        size=_text(values.get(SIZE.name)),
        negative=_text(values.get(NEGATIVE.name)),
        further=_further(values),
    )


def draft_of_prompt(base: ImagineOptions, options: ImagineOptions, *, engine: str) -> Draft:
    """The form with the words of these options and none of their settings."""
    prompt = _single(as_typed(options))
    if prompt is None:
        added = replace(base, added=options.added)
        return Draft(added, options.prompt, None, None, size="", negative=typed(options.negative) or "", further="")
    negative = typed(options.negative) or _text(prompt.options.get(NEGATIVE.name))
    return Draft(base, ParsedPrompt(prompt.parts).text(), engine, None, size="", negative=negative, further="")


def _single(options: ImagineOptions) -> ParsedPrompt | None:
    """The prompt, if it can be read and has no choices."""
    prompts = read_command(options).prompts
    return prompts[0] if len(prompts) == 1 else None


def _further(values: Values) -> str:
    return ParsedPrompt((), {name: value for name, value in values.items() if name not in _SHOWN}).text()


def _text(value: Value | None) -> str:
    return "" if value is None else value_text(value)
