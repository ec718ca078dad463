"""The data of the Edit form: turns a job into a few editable fields, and the fields back into options."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from bot.domain.characters import typed
from bot.domain.engines import find_engine
from bot.domain.options import ENGINE, NEGATIVE, OPTIONS, SIZE, ImagineOptions
from bot.domain.prompt.parser import ParsedPrompt
from bot.domain.requests import as_typed, merged, read_command
from bot.domain.values import Value, Values, value_text
from bot.errors import UserError
from bot.providers.base import Engine

_SHOWN = (ENGINE.name, SIZE.name, NEGATIVE.name)
"""The options with their own field in the form."""


@dataclass(frozen=True, slots=True)
class Draft:
    """The fields of the form. ``base`` has the options that it was filled from, including those that it does not show.

    ``engine`` is an id, or None if the prompt names it. ``engines`` are those of a comparison. ``further`` has all
    other settings as prompt flags.
    """

    base: ImagineOptions
    prompt: str
    engine: str | None
    engines: tuple[str, ...] | None
    size: str
    negative: str
    further: str

    def options(self) -> ImagineOptions:
        """Return the options that a command with these fields would have."""
        cleared = self.base.setting(dict.fromkeys(OPTIONS))
        return replace(
            cleared,
            prompt=f"{self.prompt} {self.further}".strip(),
            engine=None if self.engines is not None else self.engine,
            engines=self.engines,
            size=typed(self.size),
            negative=typed(self.negative),
            # Seeds that the person changed in the form take precedence over the earlier replacement.
            new_seed=self.base.new_seed if self.prompt == self.base.prompt else None,
            chosen=None,
        )


def draft_of(options: ImagineOptions, *, engine: str | None) -> Draft:
    """Fill the form from these options. ``engine`` is the id of the engine if the job used only one.

    The prompt is as the person typed it. Added words are not shown, but they are still added.
    """
    prompt = _single(options)
    if prompt is None:
        # Choices may contain any flag, so the prompt keeps its flags.
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
    # The new seed is shown instead of the typed one.
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


def draft_of_refused(options: ImagineOptions, engines: Mapping[str, Engine], *, complete: bool) -> Draft:
    """Fill the form from a refused command, exactly as it was typed, even if it is invalid.

    An engine that does not exist is left out, because it cannot be selected. ``complete``: the options are those of an
    earlier job, with the defaults.
    """
    engine = _id(typed(options.engine), engines)
    if complete and (prompt := _single(options)) is not None:
        named = prompt.options.get(ENGINE.name)
        return draft_of(options, engine=engine or _id(None if named is None else str(named), engines))
    compared = options.engines
    return Draft(
        base=replace(options, chosen=None),
        prompt=options.prompt,
        engine=engine,
        engines=None
        if compared is None
        else tuple(id_ for name in compared if (id_ := _id(name, engines)) is not None),
        size=options.size or "",
        negative=options.negative or "",
        further=_further(options.typed_values()),
    )


def _id(name: str | None, engines: Mapping[str, Engine]) -> str | None:
    try:
        return None if name is None else find_engine(name, engines).id
    except UserError:
        return None


def draft_of_prompt(base: ImagineOptions, options: ImagineOptions, *, engine: str) -> Draft:
    """Fill the form with only the words of these options, without their settings."""
    prompt = _single(as_typed(options))
    if prompt is None:
        added = replace(base, added=options.added)
        return Draft(added, options.prompt, None, None, size="", negative=typed(options.negative) or "", further="")
    negative = typed(options.negative) or _text(prompt.options.get(NEGATIVE.name))
    return Draft(base, ParsedPrompt(prompt.parts).text(), engine, None, size="", negative=negative, further="")


def _single(options: ImagineOptions) -> ParsedPrompt | None:
    """Return the prompt if it is valid and has no choices."""
    prompts = read_command(options).prompts
    return prompts[0] if len(prompts) == 1 else None


def _further(values: Values) -> str:
    return ParsedPrompt((), {name: value for name, value in values.items() if name not in _SHOWN}).text()


def _text(value: Value | None) -> str:
    return "" if value is None else value_text(value)
