"""From a command to the paid requests that make its images: parse once, complete from defaults, check, split."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TypeAlias

from pydantic import TypeAdapter

from bot.domain.characters import typed
from bot.domain.edits import NAMES, with_picture
from bot.domain.engines import ImageSpec, engines_named_once, find_engine, fitted, images_for, misfits, request_for
from bot.domain.features import Option
from bot.domain.options import (
    ENGINE,
    IMAGES,
    IMAGES_PER_JOB,
    NOT_A_SIZE,
    OPTIONS,
    PROMPT_LIMIT,
    SEED,
    SEED_AT_MOST,
    SIZE,
    UNREADABLE,
    Defaults,
    ImagineOptions,
    decoded,
)
from bot.domain.place import Origin
from bot.domain.prompt.parser import ParsedPrompt, read_faulty_prompt, read_prompt
from bot.domain.prompt.tokens import PromptError
from bot.domain.values import Value, Values
from bot.errors import Problem, UserError
from bot.providers.base import Engine, ImageRequest, Json
from bot.text import message

GIVEN_TWICE = message(
    "requests.given_twice", "{label} is set twice: as an option and as a flag in the prompt. Keep one of them."
)
WRONG_NUMBER_OF_IMAGES = message("requests.wrong_number_of_images", "A job makes 1 to {most} images, not {images}.")
TOO_MANY_IMAGES = message("requests.too_many_images", "This asks for {images} images; a job makes at most {most}.")
TOO_MANY_IMAGES_OF_PROMPTS = message(
    "requests.too_many_images_of_prompts",
    "This asks for {images} images for {prompts} prompts; a job makes at most {most}.",
)
TOO_MANY_IMAGES_OF_ENGINES = message(
    "requests.too_many_images_of_engines",
    "This asks for {images} images from {engines} engines; a job makes at most {most}.",
)
NO_CHOICES_IN_COMPARISON = message(
    "requests.no_choices_in_comparison", "A comparison takes one prompt. Remove the choices in braces."
)
NO_ENGINE_FLAG_IN_COMPARISON = message(
    "requests.no_engine_flag_in_comparison", "Name the engines in the option engines, and remove --engine."
)
TOO_FEW_ENGINES = message("requests.too_few_engines", "A comparison needs at least {least} engines.")

TITLE_LENGTH = 60
ENGINES_AT_LEAST = 2
"""Fewer engines are no comparison."""


@dataclass(frozen=True, slots=True)
class Command:
    """What was typed, with its prompt parsed: one ``ParsedPrompt`` for each combination of its choices.

    If the prompt has faults, ``prompts`` is empty, ``error`` has the faults, and ``readable`` is what could be read.
    """

    options: ImagineOptions
    prompts: tuple[ParsedPrompt, ...]
    error: PromptError | None = None
    readable: tuple[ParsedPrompt, ...] = ()

    @property
    def flags(self) -> set[str]:
        """The names of the options that flags set in some prompt."""
        return {name for prompt in self.prompts or self.readable for name in prompt.options}

    @property
    def engine_unclear(self) -> bool:
        """Whether the person tried to name an engine by a flag that cannot be read."""
        faults = self.error.faults if self.error is not None and typed(self.options.engine) is None else ()
        flags = (fault.problem.values.get("near", fault.problem.values.get("flag")) for fault in faults)
        return ENGINE.name in flags

    @property
    def names_engine(self) -> bool:
        """Whether the person named an engine, or tried to."""
        return self.engine_unclear or typed(self.options.engine) is not None or ENGINE.name in self.flags


@dataclass(frozen=True, slots=True)
class Plan:
    """A job that can be made: its options and the paid requests, one for each submission.

    ``prompts`` is how many combinations the choices of the prompt have: the price of more than 1 is confirmed first.
    ``title`` names a thread that is opened for it.
    """

    options: ImagineOptions
    requests: tuple[ImageRequest, ...]
    prompts: int
    title: str

    @property
    def images(self) -> int:
        """How many images all requests make together."""
        return sum(request.images for request in self.requests)

    @property
    def engines(self) -> tuple[str, ...]:
        """The ids of the engines it uses, each once, in order."""
        return tuple(dict.fromkeys(request.engine for request in self.requests))

    def shown_in(self, origin: Origin) -> Plan:
        """The same plan for images that are shown in this place."""
        return replace(self, requests=for_place(self.requests, origin))


def for_place(requests: Iterable[ImageRequest], origin: Origin) -> tuple[ImageRequest, ...]:
    """The same requests for images that are shown in this place."""
    return tuple(replace(request, adult=origin.for_adults) for request in requests)


Suited: TypeAlias = Callable[[Command, Engine], ImagineOptions | None]
"""Returns a command's options with another engine if the default engine lacks a feature, or None to keep the default.

See :func:`bot.domain.engine_choice.suited`.
"""


def read_command(options: ImagineOptions) -> Command:
    """Parse the prompt of a command, once for all that follows."""
    may_be_empty = not options.operation.needs_prompt
    try:
        return Command(options, read_prompt(options.prompt, may_be_empty=may_be_empty))
    except PromptError:
        readable, error = read_faulty_prompt(options.prompt, may_be_empty=may_be_empty)
        return Command(options, (), error, readable)


# --- defaults -----------------------------------------------------------------------------------------------------


def completed(
    command: Command,
    layers: Sequence[Defaults],
    *,
    engines: Mapping[str, Engine],
    default_engine: str,
    suited: Suited | None = None,
) -> Command:
    """Complete a command from the layers of defaults, the nearest first: a person's own before those of the place.

    A default that a flag sets already or that the engine does not take is skipped, and the next layer's is tried. If
    the default engine does not have a feature that was asked for, the one that ``suited`` returns is used. A comparison
    has its own engines, and one image of each unless a number is typed. A command that cannot be read gets only its
    engine, to be refused later.
    """
    options, prompts = command.options, command.prompts
    compared = options.engines
    try:
        if compared is None and not command.names_engine:
            engine = next((layer.engine for layer in layers if layer.engine in engines), None)
            other = suited(command, find_engine(engine or default_engine, engines)) if suited is not None else None
            options = replace(options, engine=engine) if other is None else other
        if not prompts:
            return replace(command, options=options)
        used = [
            find_engine(name, engines)
            for name in dict.fromkeys(compared or engines_of(options, prompts, default_engine))
        ]
    except UserError:
        return command
    for option in OPTIONS.values():
        if not option.has_default or option is ENGINE or (option is IMAGES and compared is not None):
            continue
        if option is IMAGES and not options.operation.has_variants:
            continue  # All images would be the same.
        if option is SIZE and options.source is not None:
            continue  # The shape of the picture decides.
        if option.name in command.flags or option.name in options.typed_values():
            continue
        values = (getattr(layer, option.name) for layer in layers)
        fitting = (value for value in values if value is not None and _fits(option, value, used, len(prompts)))
        options = options.setting({option.name: next(fitting, None)})
    words = next((layer.text for layer in layers if layer.text is not None), None)
    if words is not None and _words_fit(words, prompts, used):
        options = replace(options, added=words)
    return replace(command, options=options)


def private_by_default(layers: Iterable[Defaults]) -> bool:
    """Return whether a result is private if the command does not say."""
    return next((layer.private for layer in layers if layer.private is not None), False)


def engines_of(options: ImagineOptions, prompts: Iterable[ParsedPrompt], default: str) -> list[str]:
    """The name of each prompt's engine."""
    return [typed(options.engine) or str(prompt.options.get(ENGINE.name, default)) for prompt in prompts]


def _fits(option: Option, field: str | float, engines: Sequence[Engine], prompts: int) -> bool:
    try:
        value = option.of(field)
    except ValueError:
        return False
    if value is None or (option is IMAGES and isinstance(value, int) and value * prompts > IMAGES_PER_JOB):
        return False
    return not any(any(misfits(ImageSpec((), {option.name: value}), engine)) for engine in engines)


def _words_fit(words: str, prompts: Sequence[ParsedPrompt], engines: Sequence[Engine]) -> bool:
    """Return whether every prompt with these words is short enough, and they are not in all of them already."""
    if not all(prompt.parts for prompt in prompts):
        return False
    longer = [prompt.with_words(words) for prompt in prompts]
    limit = min(PROMPT_LIMIT, *(engine.prompt_limit for engine in engines))
    return longer != list(prompts) and all(sum(len(part.text) for part in each.parts) <= limit for each in longer)


# --- checks -------------------------------------------------------------------------------------------------------


def plan(command: Command, engines: Mapping[str, Engine], default_engine: str) -> Plan:
    """Check a command against what the engines take, and split it into requests.

    ``engines`` are all there are, by id. Raises UserError with all problems; PromptError if only the prompt is wrong.
    """
    if command.options.engines is not None:
        return _comparison(command, command.options.engines, engines)
    options, problems = command.options, list[Problem]()
    prompts = command.prompts or command.readable or (ParsedPrompt(()),)
    drafts: list[ImageRequest] = []
    specs = specs_of(options, prompts, problems)
    images = sum(spec.images for spec in specs)
    for spec, name in zip(specs, engines_of(options, prompts, default_engine), strict=True):
        if command.engine_unclear:
            break  # Only what holds for every engine can be checked.
        try:
            engine = find_engine(name, engines)
            images += images_for(spec, engine) - spec.images
            drafts.append(_draft(spec, options, engine, engines))
        except UserError as error:
            problems += error.problems
    if images > IMAGES_PER_JOB:
        problem = TOO_MANY_IMAGES_OF_PROMPTS if len(specs) > 1 else TOO_MANY_IMAGES
        problems.append(problem(images=images, prompts=len(specs), most=IMAGES_PER_JOB))
    if command.error is not None:
        raise _with(command.error, problems)
    if problems:
        raise UserError(*engines_named_once(problems))
    requests = tuple(request for draft in drafts for request in split(draft, engines[draft.engine]))
    return Plan(options, requests, prompts=len(prompts), title=title_of(prompts[0]) or str(NAMES[options.operation]))


def _comparison(command: Command, names: Sequence[str], engines: Mapping[str, Engine]) -> Plan:
    """Plan one prompt on several engines. Each is sent what it takes; :func:`left_out` names the rest."""
    prompts = command.prompts or command.readable or (ParsedPrompt(()),)
    options, problems = replace(command.options, engine=None), list[Problem]()
    if len(prompts) > 1:
        problems.append(NO_CHOICES_IN_COMPARISON)
    spec = specs_of(options, prompts, problems)[0]
    if ENGINE.name in command.flags:
        problems.append(NO_ENGINE_FLAG_IN_COMPARISON)
    chosen: dict[str, Engine] = {}
    for name in names:
        try:
            engine = find_engine(name, engines)
            chosen[engine.id] = engine
        except UserError as error:
            problems += error.problems
    if len(chosen) < ENGINES_AT_LEAST and not problems:
        problems.append(TOO_FEW_ENGINES(least=ENGINES_AT_LEAST))
    fitting = [(fitted(spec, engine)[0], engine) for engine in chosen.values()]
    if (images := sum(images_for(*each) for each in fitting)) > IMAGES_PER_JOB:
        problems.append(TOO_MANY_IMAGES_OF_ENGINES(images=images, engines=len(chosen), most=IMAGES_PER_JOB))
    drafts: list[ImageRequest] = []
    for own, engine in fitting:
        try:
            drafts.append(_draft(own, options, engine, engines))
        except UserError as error:
            problems += error.problems
    if command.error is not None:
        raise _with(command.error, problems)
    if problems:
        raise UserError(*engines_named_once(problems))
    requests = tuple(request for draft in drafts for request in split(draft, engines[draft.engine]))
    return Plan(replace(options, engines=tuple(chosen)), requests, prompts=1, title=title_of(command.prompts[0]))


def _draft(spec: ImageSpec, options: ImagineOptions, engine: Engine, engines: Mapping[str, Engine]) -> ImageRequest:
    """One request for all images of a spec, with the picture that it starts from. Raises UserError."""
    return with_picture(request_for(spec, engine, engines), options, engine, sized=SIZE.name in spec.values)


def _with(error: PromptError, problems: Sequence[Problem]) -> UserError:
    return UserError(*error.problems, *engines_named_once(problems)) if problems else error


# --- fields and flags together ------------------------------------------------------------------------------------


def merged(options: ImagineOptions, flags: Values, problems: list[Problem]) -> Values:
    """The values of fields and flags together. Values that are set twice or wrong for every engine are problems."""
    values = dict(flags)
    for name, field in options.typed_values().items():
        option = OPTIONS[name]
        if name in flags:
            problems.append(GIVEN_TWICE(label=option.label))
        try:
            value = option.of(field)
        except ValueError:
            unreadable = UNREADABLE(label=option.label, text=str(field), expects=option.expects)
            problems.append(NOT_A_SIZE(text=str(field)) if option is SIZE else unreadable)
            continue
        if value is not None:
            values[name] = value
    images = values.get(IMAGES.name, 1)
    if isinstance(images, int) and images < 1:
        problems.append(WRONG_NUMBER_OF_IMAGES(images=images, most=IMAGES_PER_JOB))
    return values


def specs_of(options: ImagineOptions, prompts: Iterable[ParsedPrompt], problems: list[Problem]) -> list[ImageSpec]:
    """What each prompt asks for, with the added words and the new seed."""
    specs = []
    for prompt in prompts:
        longer = prompt if options.added is None else prompt.with_words(options.added)
        specs.append(ImageSpec(longer.parts, merged(options, prompt.options, problems)))
    if options.new_seed is None:
        return specs
    seeds = _new_seeds([spec.values.get(SEED.name) for spec in specs], options.new_seed)
    return [
        replace(spec, values={**spec.values, SEED.name: seed}) if seed is not None else spec
        for spec, seed in zip(specs, seeds, strict=True)
    ]


def _new_seeds(seeds: Sequence[Value | None], first: int) -> list[int | None]:
    """New seeds in place of these, ``first`` and those after it: the same for the same, and none for none.

    Where there is none at all, all get the first.
    """
    different = list(dict.fromkeys(seed for seed in seeds if seed is not None))
    if not different:
        return [first for _ in seeds]
    return [None if seed is None else 1 + (first - 1 + different.index(seed)) % SEED_AT_MOST for seed in seeds]


def as_typed(options: ImagineOptions) -> ImagineOptions:
    """The same with the added words and the new seed where a person would type them: in the prompt and its fields."""
    if options.added is None and options.new_seed is None:
        return options
    prompts = read_command(options).prompts
    if not prompts:
        return options
    changed, field_seed = [], options.seed
    seeds: list[int | None] = [None for _ in prompts]
    if options.new_seed is not None:
        flagged = [prompt.options.get(SEED.name) for prompt in prompts]
        if options.seed is None and any(seed is not None for seed in flagged):
            seeds = _new_seeds(flagged, options.new_seed)
        else:
            field_seed = options.new_seed
    for prompt, seed in zip(prompts, seeds, strict=True):
        longer = prompt if options.added is None else prompt.with_words(options.added)
        changed.append(longer if seed is None else replace(longer, options={**longer.options, SEED.name: seed}))
    text = options.prompt if changed == list(prompts) else prompt_text(changed)
    return replace(options, prompt=text, seed=field_seed, added=None, new_seed=None)


def prompt_text(prompts: Sequence[ParsedPrompt]) -> str:
    """A prompt that is parsed to these. Each of several becomes a choice of its own."""
    if len(prompts) == 1:
        return prompts[0].text()
    return "{" + ", ".join(prompt.text().replace(",", "\\,") for prompt in prompts) + "}"


def for_another_person(options: ImagineOptions, *, private: bool) -> ImagineOptions:
    """The same options for another person; ``private`` is that person's default.

    A thread belongs to one person, and so do added words: those become part of the prompt.
    """
    return replace(as_typed(options), thread=None, private=private)


# --- requests -----------------------------------------------------------------------------------------------------


def split(draft: ImageRequest, engine: Engine) -> Iterator[ImageRequest]:
    """One request for each submission. A fixed seed goes up by one for each image, so that no two are the same."""
    made = 0
    while made < draft.images:
        images = min(engine.images_per_submission, draft.images - made)
        yield replace(draft, images=images, seed=_later_seed(draft.seed, made, engine))
        made += images


def _later_seed(seed: int | None, steps: int, engine: Engine) -> int | None:
    """The seed ``steps`` after this one. After the engine's last comes its first, and never 0, which means any."""
    if seed is None or engine.seed is None:
        return None if seed is None else seed + steps
    low, high = max(1, int(engine.seed.low)), int(engine.seed.high)
    return low + (seed - low + steps) % (high - low + 1)


def title_of(prompt: ParsedPrompt) -> str:
    """A title for a thread that is opened for this prompt."""
    text = ", ".join(part.text for part in prompt.parts if part.weight > 0)
    if len(text) <= TITLE_LENGTH:
        return text
    words = text[:TITLE_LENGTH].rpartition(" ")[0] or text
    return f"{words[: TITLE_LENGTH - 1].rstrip(' ,')}…"


def encode_request(request: ImageRequest) -> dict[str, Json]:
    """A request as plain JSON."""
    return asdict(request)


def decode_request(data: Mapping[str, Json]) -> ImageRequest:
    """Read what :func:`encode_request` made. Raises Unreadable."""
    return decoded(_REQUEST, data)


_REQUEST = TypeAdapter(ImageRequest)
