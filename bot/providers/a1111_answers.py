"""Parses the responses of A1111-compatible servers, and turns their failures into errors.

Many programs imitate this API, and each omits some fields. So every field may be missing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import blake2b
from typing import Annotated, Any

from pydantic import BeforeValidator, ValidationError

from bot.providers.aithriving_answers import decode_image
from bot.providers.answers import Answer, Lenient, Name, Unreadable, flag, number, parse_json, reason, whole
from bot.providers.base import GeneratedImage, ImageRequest, Json, Waiting
from bot.providers.errors import Busy, NotFound, OutcomeUnknown, ProviderError, Reason, Refused, TooLarge
from bot.providers.image_headers import NotAnImage, inspect
from bot.providers.operations import Operation
from bot.providers.refusals import Judge, sentence

MOST_MODELS = 200
"""The maximum number of checkpoints of one server that are offered."""
_LONGEST_NAME = 200
_LONGEST_ID = 60
_LONGEST_PREVIEW = 1 << 20

# With these statuses a proxy stops waiting for a server, which may still be working.
_CUT_OFF = frozenset({408, 502, 503, 504, *range(520, 528)})
_OUT_OF_MEMORY = re.compile(r"OutOfMemory|out of memory", re.IGNORECASE)
_NOT_A_NUMBER = re.compile(r"NansException|\bNaNs?\b")
_UNUSABLE = re.compile(r"[^A-Za-z0-9._-]+")
_PLACE = re.compile(r"(\d{1,6})/\d{1,6}")
_EXTENSION = re.compile(r"\.(safetensors|ckpt|gguf|sft|pt|pth|bin)$", re.IGNORECASE)
_TITLE_HASH = re.compile(r"\s*\[[0-9a-f]+\]$")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A model of a server: its name, and the ``title`` that selects it. ``hashes`` are those that the server knows."""

    name: str
    title: str
    names: frozenset[str]
    hashes: tuple[str, ...] = ()

    @property
    def model(self) -> str:
        """The name as part of an engine's id. A name that had to be changed gets a digest, so that it stays unique."""
        plain = _UNUSABLE.sub("-", self.name).strip("-._")
        if plain == self.name and len(plain) <= _LONGEST_ID:
            return plain
        digest = blake2b(self.name.encode("utf-8", "replace"), digest_size=3).hexdigest()
        return f"{plain[: _LONGEST_ID - 7] or 'model'}-{digest}"

    def is_called(self, name: str | None, digest: str | None) -> bool:
        """Return whether a response with this model's name and hash is about this one. True if it has neither."""
        digest = (digest or "").lower()
        if _is_hash(digest) and any(one.startswith(digest) or digest.startswith(one) for one in self.hashes):
            return True
        if name is None:
            return not (_is_hash(digest) and self.hashes)
        return not self.names.isdisjoint(_names(name))


def _is_hash(text: str) -> bool:
    # stable-diffusion.cpp fills the field with eights.
    return len(text) >= 8 and len(set(text)) > 1


def _names(*texts: str) -> frozenset[str]:
    """All forms in which the servers write a model's name: with its folder or without, and without the extension."""
    found = set()
    for text in texts:
        path = _EXTENSION.sub("", _TITLE_HASH.sub("", text.strip())).replace("\\", "/").lower()
        found |= {path, path.rpartition("/")[2], path.replace("/", "_")}
    return frozenset(found - {""})


def _text(value: object) -> str | None:
    """A short name without control characters; None for anything else."""
    return value.strip() if isinstance(value, str) and _fits(value.strip(), _LONGEST_NAME) else None


def _fits(text: str, longest: int) -> bool:
    return 0 < len(text) <= longest and text.isprintable()


Text = Annotated[str | None, BeforeValidator(_text)]


class _Model(Lenient):
    title: Text = None
    model_name: Text = None
    filename: Name = None
    hash: Name = None
    sha256: Name = None


def read_models(value: Json) -> list[Checkpoint] | None:
    """The checkpoints in a list of models, without repetitions. None if it is no list."""
    if not isinstance(value, list):
        return None
    found: dict[str, Checkpoint] = {}
    for item in value[:MOST_MODELS]:
        model = _model(item)
        if model is not None:
            found.setdefault(model.model, model)
    return list(found.values())


def _model(item: Json) -> Checkpoint | None:
    try:
        read = _Model.model_validate(item)
    except ValidationError:
        return None
    title, name = read.title or read.model_name, read.model_name or read.title
    if title is None or name is None:
        return None
    name = _TITLE_HASH.sub("", name)
    hashes = [text.lower() for text in (read.sha256, read.hash) if text is not None and _is_hash(text.lower())]
    return Checkpoint(name, title, _names(name, title, read.filename or ""), tuple(hashes))


def loaded_model(value: Json) -> str | None:
    """The title of the loaded checkpoint in the server's options, or None."""
    return _text(value.get("sd_model_checkpoint")) if isinstance(value, dict) else None


def _fraction(value: object) -> float | None:
    found = number(value)
    return None if found is None else max(0.0, min(1.0, float(found)))


def _seconds(value: object) -> float | None:
    found = number(value)
    return float(found) if found is not None and 0 < found < 86_400 else None


def _preview(text: object) -> bytes | None:
    """The bytes of an unfinished image; None if there is none, or if it is no image in a usual format."""
    if not isinstance(text, str) or len(text) > _LONGEST_PREVIEW:
        return None
    try:
        data = decode_image(text)
        inspect(data)
    except ValueError:
        return None
    return data


class Progress(Lenient):
    """The status of one task at ``/internal/progress``. ``progress`` is from 0 to 1, ``eta`` is seconds."""

    active: Annotated[bool | None, BeforeValidator(flag)] = None
    queued: Annotated[bool | None, BeforeValidator(flag)] = None
    completed: Annotated[bool | None, BeforeValidator(flag)] = None
    progress: Annotated[float | None, BeforeValidator(_fraction)] = None
    eta: Annotated[float | None, BeforeValidator(_seconds)] = None
    textinfo: Name = None
    live_preview: Any = None
    """The unfinished image as a data URL, if it was asked for."""

    @property
    def usable(self) -> bool:
        """Whether it is a status at all."""
        return self.active is not None or self.queued is not None

    @property
    def at_work(self) -> bool:
        """Whether the server still has something to do for this task."""
        return bool(self.active or self.queued)

    @property
    def waiting(self) -> Waiting:
        if self.active:
            share = self.progress
            percent = None if share is None else int(100 * share)
            return Waiting(percent=percent, seconds_left=self.eta, preview=_preview(self.live_preview))
        place = _PLACE.search(self.textinfo or "") if self.queued else None
        return Waiting(place=None if place is None else max(1, int(place[1])))


class GlobalProgress(Lenient):
    """The status of whatever the server works on, at ``/sdapi/v1/progress``."""

    progress: Annotated[float | None, BeforeValidator(_fraction)] = None
    eta_relative: Annotated[float | None, BeforeValidator(_seconds)] = None

    @property
    def waiting(self) -> Waiting:
        if not self.progress:
            return Waiting()
        return Waiting(percent=int(100 * self.progress), seconds_left=self.eta_relative)


def read_progress(value: Json) -> Progress | None:
    """The status of a task. None if the response is something else."""
    try:
        found = Progress.model_validate(value)
    except ValidationError:
        return None
    return found if found.usable else None


def read_global_progress(value: Json) -> GlobalProgress:
    try:
        return GlobalProgress.model_validate(value)
    except ValidationError:
        return GlobalProgress()


# --- the images -----------------------------------------------------------------------------------------------------


class _Info(Lenient):
    all_seeds: Any = None
    index_of_first_image: Annotated[int | None, BeforeValidator(whole)] = None
    sd_model_name: Text = None
    sd_model_hash: Text = None


@dataclass(frozen=True, slots=True)
class Made:
    """The images of a response as base64, without its grids, maps and masks; and the model that made them."""

    images: tuple[str, ...]
    seeds: tuple[int | None, ...]
    model: str | None = None
    digest: str | None = None


def decoded(made: Made, request: ImageRequest) -> tuple[GeneratedImage, ...]:
    """Decode the images, other than those that are no base64. Raises OutcomeUnknown if none is.

    Raises Refused if a picture was to become larger and came back as it was: some versions of Forge do that.
    """
    images: list[GeneratedImage] = []
    for text, seed in zip(made.images, made.seeds, strict=True):
        with suppress(ValueError):
            images.append(GeneratedImage(data=decode_image(text), seed=seed))
    if made.images and not images:
        raise OutcomeUnknown(Reason.IMAGE_BROKEN)
    if request.operation is Operation.UPSCALE and not all(_is_larger(image.data or b"", request) for image in images):
        raise Refused(Reason.NOTHING_MADE, detail="a picture of the same size", fault=True)
    return tuple(images)


def _is_larger(data: bytes, request: ImageRequest) -> bool:
    try:
        # Servers may round the sides, but the scale is at least 2.
        return inspect(data).size.width * 4 >= request.size.width * 3
    except NotAnImage:
        return True  # What it is instead is told when it is written.


def read_made(value: Json, count: int, seed: int) -> Made | None:
    """Read a response to a request for ``count`` images that begins with this seed. None if it is something else."""
    every = value.get("images") if isinstance(value, dict) else None
    if not isinstance(value, dict) or not isinstance(every, list):
        return None
    info = _info(value.get("info"))
    first = info.index_of_first_image or 0
    first = first if 0 <= first < len(every) else 0
    listed = every[first : first + count]
    seeds = _seeds(info.all_seeds, len(listed), seed)
    made = [(image, seeds[i]) for i, image in enumerate(listed) if isinstance(image, str) and image]
    return Made(
        tuple(image for image, _ in made), tuple(own for _, own in made), info.sd_model_name, info.sd_model_hash
    )


def read_improved(value: Json) -> Made | None:
    """Read a response with a single image that was improved. None if it is something else."""
    image = value.get("image") if isinstance(value, dict) else None
    return Made((image,), (None,)) if isinstance(image, str) and image else None


def _info(text: Json) -> _Info:
    """The facts about the images: JSON in a string, or an empty string at some imitators."""
    if isinstance(text, str):
        try:
            text = parse_json(text.encode("utf-8", "replace"))
        except Unreadable:
            return _Info()
    try:
        return _Info.model_validate(text)
    except ValidationError:
        return _Info()


def _seeds(told: Any, count: int, seed: int) -> tuple[int | None, ...]:
    listed: Sequence[object] = told if isinstance(told, list) else ()
    seeds = [whole(listed[i]) if i < len(listed) else None for i in range(count)]
    return tuple(seed + i if each is None or each < 0 else each for i, each in enumerate(seeds))


# --- failures -------------------------------------------------------------------------------------------------------


def refusal(answer: Answer, judge: Judge) -> ProviderError:
    """Make the error for a response without images.

    A 500, or a success with an error in it, comes from the program itself: it will make nothing. If a proxy stops
    waiting, the outcome is unknown.
    """
    detail = answer.detail
    if answer.status in _CUT_OFF:
        return OutcomeUnknown(Reason.NO_ANSWER, detail=detail)
    said = _said(answer)
    if answer.ok and not said:
        return OutcomeUnknown(Reason.UNREADABLE_ANSWER, detail=detail)
    if answer.ok or answer.status >= 500:
        if _OUT_OF_MEMORY.search(said):
            return Refused(Reason.OUT_OF_MEMORY, detail=detail, fault=True)
        if _NOT_A_NUMBER.search(said):
            return Refused(Reason.NOT_A_NUMBER, detail=detail, operator=True, fault=True)
        return Refused(Reason.BROKEN, said=sentence(judge.plain(said)), detail=detail, fault=True)
    if answer.status == 413:
        return TooLarge(detail=detail)
    error = judge.by_status(answer, paid=True)
    if isinstance(error, Busy):
        return error
    if isinstance(error, Refused) and error.reason is Reason.WRONG_KEY:
        return Refused(Reason.WRONG_KEY, detail=detail, operator=True, setting="A1111_PASSWORD")
    if answer.status == 404 and said.strip(" .").lower() in {"", "not found"}:
        return NotFound(detail=detail)  # A server without --api has no such path.
    if answer.status in {400, 404, 422}:
        return Refused(said=sentence(judge.plain(said)), detail=detail)
    return error


def _said(answer: Answer) -> str:
    """The words of an error. The name of the exception and its text are in fields of their own."""
    try:
        value = parse_json(answer.body)
    except Unreadable:
        return ""
    if not isinstance(value, dict):
        return "" if answer.ok else reason(value)
    parts = [value.get(key) for key in ("error", "errors", "message", "detail")]
    texts = [part if isinstance(part, str) else reason({"error": part}) if part else "" for part in parts]
    return " ".join(dict.fromkeys(text.strip() for text in texts if text.strip()))
