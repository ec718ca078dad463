"""Writes the requests for OpenAI-compatible services, and the engines for their models."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from bot.providers.base import Ability, Bounds, Engine, ImageRequest, Json, SizeGrid
from bot.providers.engine_ids import id_parts
from bot.providers.errors import Reason, Refused, TooLarge
from bot.providers.openai_models import Model
from bot.providers.operations import MaskKind, Operation, PictureFile, PictureRules, Pictures, Size
from bot.providers.uploads import FilePart, Form

NAME = "openai"
SD_CPP = "sd-cpp-local"
"""The only model of stable-diffusion.cpp."""
SEED = Bounds(0, 2**31 - 1)
MOST_AT_ONCE = 4
"""How many images one request asks for, unless it is streamed."""
MOST_PARTIALS = 3
"""How many unfinished images the service sends of one image at most."""

_LONGEST_LABEL = 60
_PROMPT_LIMIT, _PROMPT_LIMIT_OF_GPT = 4_000, 32_000
_SIZES_OF_GPT = (Size(1024, 1024), Size(1536, 1024), Size(1024, 1536))
_SIZES = tuple(
    Size(*sides)
    for sides in ((1024, 1024), (1152, 896), (896, 1152), (1216, 832), (832, 1216), (1344, 768), (768, 1344))
)
_GRID = SizeGrid(low=64, high=2048, step=64)
# stable-diffusion.cpp reads no WebP.
_FORMATS = ("image/png", "image/jpeg")
_TO_VARY = PictureRules(exact=True, ratio=None, formats=_FORMATS)
_TO_REPAINT = PictureRules(exact=True, ratio=None, formats=_FORMATS, mask=MaskKind.ALPHA)
# A PNG of noise with transparency has four bytes for each pixel, and base64 makes a third more of them.
_BYTES_PER_PIXEL = 6
_REPORT_BYTES = 1 << 20
LARGEST_ANSWER = 256 << 20
"""The size limit of any response, in bytes."""

_GPT_IMAGE = re.compile(r"gpt-?image", re.IGNORECASE)
# With this tag, a prompt sets any parameter of stable-diffusion.cpp, even one that names a file of the server.
_TAG = re.compile(r"</?\s*sd_cpp_extra_args", re.IGNORECASE)


def is_gpt_image(name: str) -> bool:
    """Whether this is one of OpenAI's own models, wherever it is offered: only these can be streamed."""
    return _GPT_IMAGE.search(name) is not None


def engines_of(models: Sequence[Model], *, partials: int) -> dict[str, tuple[Model, Engine]]:
    """The models and their engines by the engines' ids. ``partials``: of OpenAI's models, images are streamed."""
    parts = id_parts([model.title for model in models])
    engines = [(model, _engine(model, parts[model.title], partials)) for model in models if model.title in parts]
    return {engine.id: (model, engine) for model, engine in engines}


def _engine(model: Model, part: str, partials: int) -> Engine:
    """The engine for a model: makes images from words, and from a picture as a whole or in part."""
    of_gpt, seeded = is_gpt_image(model.name), model.name == SD_CPP
    usual = (_SIZES_OF_GPT if of_gpt else _SIZES) if model.any_size else ()
    sizes = tuple(dict.fromkeys((*usual, *model.sizes)))
    first = Engine(
        id=f"{NAME}/{part}",
        name=model.title[:_LONGEST_LABEL],
        abilities=frozenset({Ability.SEED} if seeded else ()),
        sizes=sizes,
        default_size=sizes[0],
        images_per_submission=1 if of_gpt and partials else MOST_AT_ONCE,
        prompt_limit=_PROMPT_LIMIT_OF_GPT if of_gpt else _PROMPT_LIMIT,
        grid=_GRID if model.any_size and not of_gpt else None,
        seed=SEED if seeded else None,
        price=model.range,
    )
    varying = replace(first, operation=Operation.IMAGE_TO_IMAGE, picture=_TO_VARY)
    repainting = replace(first, operation=Operation.INPAINT, picture=_TO_REPAINT)
    return replace(first, others=(varying, repainting))


def untagged(text: str) -> str:
    """The text without the tag that some services read as more than words."""
    text = _TAG.sub(" ", text)
    # What is left of nested tags may be a tag again, which nobody writes by mistake.
    return text.replace("<", " ") if _TAG.search(text) else text


@dataclass(frozen=True, slots=True)
class Wanted:
    """A request for one model. ``partials`` is the number of unfinished images to send of each image.

    ``seed`` is for stable-diffusion.cpp, the only service that takes one.
    """

    request: ImageRequest
    model: Model
    partials: int
    seed: int

    @property
    def of_gpt(self) -> bool:
        return is_gpt_image(self.model.name)

    @property
    def streamed(self) -> bool:
        """Whether the response begins with unfinished images. A stream is read until one image is finished."""
        return self.of_gpt and self.partials > 0 and self.request.images == 1

    @property
    def seeded(self) -> bool:
        return self.model.name == SD_CPP

    @property
    def path(self) -> str:
        return "/images/edits" if self.request.operation.has_source else "/images/generations"

    @property
    def largest(self) -> int:
        """The size limit of the response, in bytes."""
        # A service may make another size than that which was asked for.
        pixels = max(self.request.size.pixels, *(size.pixels for size in _SIZES_OF_GPT))
        images = self.request.images * (1 + (self.partials if self.streamed else 0))
        return min(LARGEST_ANSWER, images * (pixels * _BYTES_PER_PIXEL + _REPORT_BYTES))

    def fields(self) -> dict[str, Json]:
        """The fields of the request. ``response_format`` is never one of them, because OpenAI's models refuse it."""
        request = self.request
        fields: dict[str, Json] = {
            "model": self.model.name,
            "prompt": self._prompt(),
            "n": request.images,
            "size": str(request.size),
        }
        if self.model.quality:
            fields["quality"] = self.model.quality
        if self.of_gpt:
            # A JPEG with a transparent background would be refused.
            fields["output_format"] = "png"
        if self.streamed:
            fields |= {"stream": True, "partial_images": self.partials}
        return fields

    def _prompt(self) -> str:
        text = untagged(", ".join(part.text for part in self.request.prompts if part.text))
        if not self.of_gpt:
            # LocalAI takes what follows a bar as a negative prompt.
            text = text.replace("|", ",")
        if self.seeded:
            # Without a seed, this service makes the same image each time.
            text += f"<sd_cpp_extra_args>{json.dumps({'seed': self.seed})}</sd_cpp_extra_args>"
        return text

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
