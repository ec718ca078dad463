"""Writes the requests for OpenAI's images and for services that imitate them, and the engines for their models."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b

from bot.providers.base import Ability, Bounds, Engine, ImageRequest, Json, SizeGrid
from bot.providers.errors import Reason, Refused, TooLarge
from bot.providers.openai_prices import SQUARE, TALL, WIDE, Prices, Quality
from bot.providers.operations import MaskKind, Operation, PictureFile, PictureRules, Pictures, Size
from bot.providers.uploads import FilePart, Form

NAME = "openai"
PARTIAL_IMAGES = 1
"""How many unfinished images are sent before each finished one. Each costs money."""
SD_CPP = "sd-cpp-local"
"""The only model of stable-diffusion.cpp."""
SEED = Bounds(0, 2**31 - 1)

_LONGEST_NAME, _LONGEST_ID, _LONGEST_LABEL = 200, 60, 60
_PROMPT_LIMIT, _PROMPT_LIMIT_OF_GPT = 4_000, 32_000
_FIXED = (SQUARE, WIDE, TALL)
_FREE = tuple(
    Size(*sides)
    for sides in ((1024, 1024), (1152, 896), (896, 1152), (1216, 832), (832, 1216), (1344, 768), (768, 1344))
)
_GRID = SizeGrid(low=64, high=2048, step=64)
# One of the imitators reads no WebP.
_FORMATS = ("image/png", "image/jpeg")
_TO_VARY = PictureRules(exact=True, ratio=None, formats=_FORMATS)
_TO_REPAINT = PictureRules(exact=True, ratio=None, formats=_FORMATS, mask=MaskKind.ALPHA)
_TO_REPAINT_ANY_SIZE = PictureRules(most_pixels=1_572_864, ratio=4.0, formats=_FORMATS, mask=MaskKind.ALPHA)
# A PNG of noise with transparency has four bytes for each pixel, and base64 makes a third more of them.
_BYTES_PER_PIXEL = 6
_REPORT_BYTES = 1 << 20
LARGEST_ANSWER = 256 << 20
"""The size limit of any response, in bytes."""

_GPT_IMAGE = re.compile(r"gpt-?image", re.IGNORECASE)
_UNUSABLE = re.compile(r"[^A-Za-z0-9._-]+")
# With this tag, a prompt sets any parameter of stable-diffusion.cpp, even one that names a file of the server.
_TAG = re.compile(r"</?\s*sd_cpp_extra_args", re.IGNORECASE)


def is_name(value: object) -> bool:
    """Return whether this can be the name of a model."""
    return isinstance(value, str) and 0 < len(value.strip()) <= _LONGEST_NAME and value.isprintable()


def model_id(name: str) -> str:
    """A model's name as part of an engine's id. A name that had to be changed gets a digest, so that it is unique."""
    plain = _UNUSABLE.sub("-", name).strip("-._")
    if plain == name and len(plain) <= _LONGEST_ID:
        return plain
    digest = blake2b(name.encode("utf-8", "replace"), digest_size=3).hexdigest()
    return f"{plain[: _LONGEST_ID - 7] or 'model'}-{digest}"


def is_gpt_image(name: str) -> bool:
    """Whether this is one of OpenAI's own models, wherever it is offered: it has few sizes, and several qualities."""
    return _GPT_IMAGE.search(name) is not None


def engine_of(name: str, quality: Quality, prices: Prices, *, at_once: int) -> Engine:
    """The engine for a model: from words, and from a picture as a whole or in part. Makes ``at_once`` at a time."""
    fixed = is_gpt_image(name)
    sizes = tuple(dict.fromkeys((*(_FIXED if fixed else _FREE), *prices.sizes(name))))
    seeded = name == SD_CPP
    first = Engine(
        id=f"{NAME}/{model_id(name)}",
        name=name[:_LONGEST_LABEL],
        abilities=frozenset({Ability.SEED} if seeded else ()),
        sizes=sizes,
        default_size=sizes[0],
        images_per_submission=at_once,
        prompt_limit=_PROMPT_LIMIT_OF_GPT if fixed else _PROMPT_LIMIT,
        grid=None if fixed else _GRID,
        seed=SEED if seeded else None,
        price=prices.range_of(name, quality if fixed else Quality.AUTO, sizes),
    )
    varying = replace(first, operation=Operation.IMAGE_TO_IMAGE, picture=_TO_VARY)
    if fixed:
        repainting = replace(first, operation=Operation.INPAINT, picture=_TO_REPAINT)
    else:
        repainting = replace(first, operation=Operation.INPAINT, sizes=(), grid=None, picture=_TO_REPAINT_ANY_SIZE)
    return replace(first, others=(varying, repainting))


def engines_of(
    names: Sequence[str], quality: Quality, prices: Prices, *, at_once: int
) -> dict[str, tuple[str, Engine]]:
    """The models' names and engines, by the engines' ids."""
    engines = [(name, engine_of(name, quality, prices, at_once=at_once)) for name in names]
    return {engine.id: (name, engine) for name, engine in engines}


def tamed(text: str) -> str:
    """The text without what imitators read as more than words: a tag, and the bar before a negative prompt."""
    text = _TAG.sub(" ", text)
    if _TAG.search(text):
        # What is left of nested tags is a tag again, which nobody writes by mistake.
        text = text.replace("<", " ")
    return " ".join(text.replace("|", ",").split())


@dataclass(frozen=True, slots=True)
class Wanted:
    """A request for one model, by the service's own ``name`` of it.

    ``genuine``: the service is OpenAI itself. ``streamed``: the response begins with unfinished images. ``seed`` is for
    the one imitator that takes it, and that makes the same image each time without it.
    """

    request: ImageRequest
    name: str
    quality: Quality
    genuine: bool = True
    streamed: bool = False
    seed: int | None = None

    @property
    def path(self) -> str:
        return "/images/edits" if self.request.operation.has_source else "/images/generations"

    @property
    def largest(self) -> int:
        """The size limit of the response, in bytes."""
        request = self.request
        # A service may make another size than that which was asked for.
        pixels = max(request.size.pixels, WIDE.pixels)
        images = request.images * (1 + PARTIAL_IMAGES if self.streamed else 1)
        return min(LARGEST_ANSWER, images * (pixels * _BYTES_PER_PIXEL + _REPORT_BYTES))

    def fields(self) -> dict[str, Json]:
        """The fields of the request. ``response_format`` is never one of them, because OpenAI's models refuse it."""
        request = self.request
        size = request.size
        if not is_gpt_image(self.name):
            size = Size(max(8, size.width // 8 * 8), max(8, size.height // 8 * 8))
        fields: dict[str, Json] = {
            "model": self.name,
            "prompt": self._prompt(),
            "n": request.images,
            "size": str(size),
        }
        if is_gpt_image(self.name):
            # A JPEG with a transparent background would be refused.
            fields |= {"quality": self.quality.value, "output_format": "png"}
        if self.streamed:
            fields |= {"stream": True, "partial_images": PARTIAL_IMAGES}
        return fields

    def _prompt(self) -> str:
        text = ", ".join(part.text for part in self.request.prompts if part.text)
        if self.genuine:
            return text
        text = tamed(text)
        if self.seed is None:
            return text
        return f"{text}<sd_cpp_extra_args>{json.dumps({'seed': self.seed})}</sd_cpp_extra_args>"

    def form(self, pictures: Pictures | None) -> Form | None:
        """The form of an edit; None for a request without pictures.

        Raises Refused if a picture is missing, and TooLarge if the form has more bytes than are taken.
        """
        operation = self.request.operation
        if not operation.has_source:
            return None
        if pictures is None:
            raise Refused(Reason.NO_PICTURE)
        files = [_part("image[]", "image", pictures.source)]
        if operation.has_mask:
            if pictures.mask is None:
                raise Refused(Reason.NOTHING_MARKED)
            files.append(_part("mask", "mask", pictures.mask))
        fields = tuple((name, _text(value)) for name, value in self.fields().items())
        form = Form(fields, tuple(files))
        if form.size > _TO_VARY.bytes:
            raise TooLarge(detail=f"a form of {form.size} bytes")
        return form


def _part(name: str, called: str, picture: PictureFile) -> FilePart:
    return FilePart(name, picture.path, picture.media_type, picture.bytes, called=called)


def _text(value: Json) -> str:
    return value if isinstance(value, str) else json.dumps(value)
