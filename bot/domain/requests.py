"""From what a person typed into ``/imagine`` to the paid requests that make it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import TypeVar

from pydantic import TypeAdapter

from bot.domain.characters import clean, typed
from bot.domain.engines import Wanted, find_engine, request_for
from bot.domain.prompt.parser import (
    IMAGES_PER_JOB,
    ParsedPrompt,
    PromptError,
    expand,
    number_text,
    parse,
    reseed,
)
from bot.domain.sizes import Ratio, parse_shape
from bot.domain.stored import read_stored
from bot.errors import Problem, UserError
from bot.providers.base import Engine, ImageRequest, Json, Size

TITLE_LENGTH = 60

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class ImagineOptions:
    """What was typed into the command's fields, as it was typed; None: the field was left empty.

    ``size`` is ``1024x1024``, ``16:9`` or ``square``; ``thread`` is the id or the title of one of the person's threads.
    ``engines`` are the ids of those that are compared; where it is not None this is a comparison and ``engine`` is not
    used.
    """

    prompt: str
    engine: str | None = None
    size: str | None = None
    images: int | None = None
    negative: str | None = None
    style: str | None = None
    steps: int | None = None
    seed: int | None = None
    guidance: float | None = None
    sampler: str | None = None
    thread: str | None = None
    private: bool = False
    spoiler: bool = False
    engines: tuple[str, ...] | None = None

    def to_json(self) -> dict[str, Json]:
        """The options as plain JSON, to be stored with the job."""
        data = asdict(self)
        return data if self.engines is None else data | {"engines": list(self.engines)}

    @classmethod
    def from_json(cls, data: Mapping[str, Json]) -> ImagineOptions:
        """Read stored options; fields that are missing or unknown do no harm. Raises ValueError if one is wrong."""
        return read_stored(_OPTIONS, data)

    def for_another_person(self, *, private: bool) -> ImagineOptions:
        """The same without what belongs to one person alone: the thread, and who may see it.

        Another person only gets at what is public; whether theirs is ``private`` is for their own defaults to say.
        """
        return replace(self, thread=None, private=private)


@dataclass(frozen=True, slots=True)
class Plan:
    """A job that can be made as it stands: what was typed and the paid requests, one for each submission.

    ``prompts`` is how many prompts the choices in braces made: more than 1 is worth a question before it is paid for.
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


def plan(options: ImagineOptions, engines: Mapping[str, Engine], default_engine: str) -> Plan:
    """Check what was typed against what the engines take, and split it into requests.

    ``engines`` are keyed by id. Raises UserError, which names all problems at once; if the prompt alone cannot be read,
    it is the PromptError.
    """
    problems: list[Problem] = []
    unreadable: PromptError | None = None
    try:
        prompts = tuple(parse(text) for text in expand(options.prompt))
    except PromptError as error:
        if typed(options.engine) is None:
            # The engine may be named in the very text that cannot be read: only what no engine decides can be judged.
            merge(options, ParsedPrompt(()), problems)
            if problems:
                raise UserError(*error.problems, *problems) from error
            raise
        prompts, unreadable = (ParsedPrompt(()),), error
        problems += error.problems
    drafts: list[ImageRequest] = []
    images = 0
    for prompt in prompts:
        wanted = merge(options, prompt, problems)
        images += wanted.images
        try:
            engine = find_engine(typed(options.engine) or prompt.options.engine or default_engine, engines)
            drafts.append(request_for(wanted, engine, engines))
        except UserError as error:
            problems += error.problems
    if images > IMAGES_PER_JOB:
        of = f" for {len(prompts)} prompts" if len(prompts) > 1 else ""
        problems.append(f"This asks for {images:,} images{of}; a job makes at most {IMAGES_PER_JOB}.")
    if unreadable is not None and len(problems) == len(unreadable.problems):
        raise unreadable
    if problems:
        raise UserError(*dict.fromkeys(problems))
    requests = tuple(request for draft in drafts for request in split(draft, engines[draft.engine]))
    return Plan(options, requests, prompts=len(prompts), title=title_of(prompts[0]))


def with_seed(options: ImagineOptions, seed: int) -> ImagineOptions:
    """The same options with this seed, put where one is fixed: in the prompt's flags, or else in the field."""
    prompt = reseed(options.prompt, seed)
    return replace(options, seed=seed) if prompt is None else replace(options, prompt=prompt)


def command_line(options: ImagineOptions) -> str:
    """The line that makes the same again when it is pasted into Discord; without the thread, which is personal."""
    words = ["/imagine" if options.engines is None else "/compare"]
    for option in fields(options):
        value = getattr(options, option.name)
        if value is None or value is False or option.name == "thread":
            continue
        if isinstance(value, tuple):
            value = ", ".join(value)
        text = number_text(value) if isinstance(value, float) else " ".join(clean(str(value)).split())
        words.append(f"{option.name}:{text}")
    return " ".join(words)


def encode_request(request: ImageRequest) -> dict[str, Json]:
    """A request as plain JSON."""
    return asdict(request)


def decode_request(data: Mapping[str, Json]) -> ImageRequest:
    """Read what :func:`encode_request` made. Raises ValueError."""
    return read_stored(_REQUEST, data)


def merge(options: ImagineOptions, prompt: ParsedPrompt, problems: list[Problem]) -> Wanted:
    """Fields and flags together. What is given twice or makes no sense for any engine goes to ``problems``."""
    flags = prompt.options

    def once(field: str, flag: str, own: _T | None, flagged: _T | None) -> _T | None:
        if own is not None and flagged is not None:
            problems.append(f"“{field}” is given twice: in its field and as --{flag} in the prompt. Keep one of them.")
        return flagged if own is None else own

    once("engine", "engine", typed(options.engine), flags.engine)
    images = once("images", "images", options.images, flags.images)
    if images is not None and images < 1:
        problems.append(f"A job makes 1 to {IMAGES_PER_JOB} images, not {images}.")
    flagged = None if flags.shape is None else str(flags.shape)
    shape = once("size", "ar" if flags.size is None else "size", typed(options.size), flagged)
    return Wanted(
        parts=prompt.parts,
        images=1 if images is None else images,
        shape=_shape(shape, problems),
        negative=once("negative", "no", typed(options.negative), flags.negative),
        style=once("style", "style", typed(options.style), flags.style),
        steps=once("steps", "steps", options.steps, flags.steps),
        seed=once("seed", "seed", options.seed, flags.seed),
        guidance=once("guidance", "guidance", options.guidance, flags.guidance),
        sampler=once("sampler", "sampler", typed(options.sampler), flags.sampler),
    )


def _shape(text: str | None, problems: list[Problem]) -> Size | Ratio | None:
    if text is None:
        return None
    try:
        return parse_shape(text)
    except ValueError:
        problems.append(f"“{text}” is no size. Write a width and a height such as 1024x1024, or a ratio such as 16:9.")
        return None


def split(draft: ImageRequest, engine: Engine) -> Iterator[ImageRequest]:
    """One request for each submission. A fixed seed goes up by one an image, so that no two are the same picture."""
    made = 0
    while made < draft.images:
        images = min(engine.images_per_submission, draft.images - made)
        yield replace(draft, images=images, seed=_later_seed(draft.seed, made, engine))
        made += images


def _later_seed(seed: int | None, steps: int, engine: Engine) -> int | None:
    """The seed so many after this one; after the engine's last comes its first, and never 0, which means any."""
    if seed is None or engine.seed is None:
        return None if seed is None else seed + steps
    low, high = max(1, int(engine.seed.low)), int(engine.seed.high)
    return low + (seed - low + steps) % (high - low + 1)


def title_of(prompt: ParsedPrompt) -> str:
    """A name for the thread that is opened for it."""
    text = ", ".join(part.text for part in prompt.parts if part.weight > 0)
    if len(text) <= TITLE_LENGTH:
        return text
    words = text[:TITLE_LENGTH].rpartition(" ")[0] or text
    return f"{words[: TITLE_LENGTH - 1].rstrip(' ,')}…"


_OPTIONS = TypeAdapter(ImagineOptions)
_REQUEST = TypeAdapter(ImageRequest)
