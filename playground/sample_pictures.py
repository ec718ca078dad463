"""The pictures that the playground offers to start from, and the photo that a member has posted in the channel."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from PIL import Image, ImageDraw, ImageFilter, ImageOps

if TYPE_CHECKING:
    from playground.world import World

Painter: TypeAlias = Callable[[str, str, tuple[int, int]], Image.Image]
"""Paints a prompt in a style and a size (width and height in pixels)."""

THUMBNAIL = 192
"""The longest side of a thumbnail, in pixels."""
HARBOUR, PHOTO, DRAWING, MASK = "harbour", "photo", "drawing", "mask"
WORDS = "Look who visited us in the garden today!"
"""What the member writes with the photo."""

_HARBOUR_SIZE = (1152, 768)
_PHOTO_SIZE = (3024, 4032)
_SKY = (0.06, 0.04, 0.56, 0.4)
"""The part of the harbour that the mask marks: left, top, right and bottom as fractions."""
_ORIENTATION, _CAMERA, _PLACE = 0x0112, 0x0110, 0x8825
_LATITUDE_REF, _LATITUDE, _LONGITUDE_REF, _LONGITUDE = 1, 2, 3, 4


def painted(prompt: str, style: str, size: tuple[int, int]) -> Image.Image:
    """What the services' stand-in paints. Blocks for about a second for each megapixel."""
    from fakes.painting import paint

    return Image.open(io.BytesIO(paint(prompt, style=style, seed=11, size=size)))


def _harbour(paint: Painter) -> bytes:
    return _saved(paint("a sailing boat and a lighthouse on a cliff at sunset", "", _HARBOUR_SIZE), "PNG")


def _photo(paint: Painter) -> bytes:
    """A photo as phones save it: 12 megapixels, lying on its side, with the place where it was taken."""
    width, height = _PHOTO_SIZE
    small = paint("a dog in a garden of flowers, a house", "photographic", (width // 4, height // 4))
    upright = small.convert("RGB").resize(_PHOTO_SIZE, Image.Resampling.BICUBIC)
    exif = Image.Exif()
    exif[_ORIENTATION], exif[_CAMERA] = 6, "Playground phone"
    exif[_PLACE] = {
        _LATITUDE_REF: "N",
        _LATITUDE: (48.0, 51.0, 29.6),
        _LONGITUDE_REF: "E",
        _LONGITUDE: (2.0, 17.0, 40.2),
    }
    return _saved(upright.transpose(Image.Transpose.ROTATE_90), "JPEG", quality=84, exif=exif)


def _drawing(paint: Painter) -> bytes:
    return _saved(paint("a castle on a hill, trees", "line-art", (1024, 1024)).convert("L"), "PNG")


def _mask(_paint: Painter) -> bytes:
    width, height = _HARBOUR_SIZE
    left, top, right, bottom = _SKY
    mask = Image.new("L", _HARBOUR_SIZE)
    ImageDraw.Draw(mask).ellipse((left * width, top * height, right * width, bottom * height), fill=255)
    return _saved(mask.filter(ImageFilter.GaussianBlur(6)), "PNG")


@dataclass(frozen=True, slots=True)
class Sample:
    """A picture that is offered. ``description`` is its text for people who cannot see it."""

    name: str
    label: str
    filename: str
    description: str
    make: Callable[[Painter], bytes]


SAMPLES = (
    Sample(HARBOUR, "Harbour", "harbour.png", "a sailing boat below a lighthouse at sunset", _harbour),
    Sample(PHOTO, "Phone photo", "IMG_2041.jpg", "a dog in front of a house", _photo),
    Sample(DRAWING, "Drawing", "drawing.png", "a drawing of a castle on a hill", _drawing),
    Sample(MASK, "Mask (sky)", "harbour-mask.png", "a mask for the harbour: the sky is white", _mask),
)


class SamplePictures:
    """Paints each picture once, when it is first asked for."""

    def __init__(self, painter: Painter = painted) -> None:
        self._painter = painter
        self._made: dict[str, bytes] = {}
        self._thumbnails: dict[str, bytes] = {}
        self._one_at_a_time = asyncio.Lock()

    async def picture(self, name: str) -> bytes:
        """The file of the sample with this name. Raises KeyError if there is none."""
        async with self._one_at_a_time:
            return await asyncio.to_thread(self._picture, name)

    async def thumbnail(self, name: str) -> bytes:
        """A small WebP of a sample. Raises KeyError if there is none with this name."""
        async with self._one_at_a_time:
            return await asyncio.to_thread(self._thumbnail, name)

    def _picture(self, name: str) -> bytes:
        if name not in self._made:
            self._made[name] = sample_named(name).make(self._painter)
        return self._made[name]

    def _thumbnail(self, name: str) -> bytes:
        if name not in self._thumbnails:
            with Image.open(io.BytesIO(self._picture(name))) as image:
                image.draft("RGB", (2 * THUMBNAIL, 2 * THUMBNAIL))
                small = ImageOps.exif_transpose(image).convert("RGB")
            small.thumbnail((THUMBNAIL, THUMBNAIL))
            self._thumbnails[name] = _saved(small, "WEBP")
        return self._thumbnails[name]


def sample_named(name: str) -> Sample:
    """The sample with this name. Raises KeyError."""
    return {sample.name: sample for sample in SAMPLES}[name]


async def post_photo(world: World, pictures: SamplePictures, turn: asyncio.Lock) -> None:
    """Let the second member post the photo in the channel, unless that member has posted a picture already.

    ``turn`` is held while people act in the world.
    """
    member, sample = world.members[1], sample_named(PHOTO)
    if any(message.author.id == member.id and message.attachments for message in world.channel.history()):
        return
    photo = await pictures.picture(sample.name)
    async with turn:
        await member.send(world.channel, WORDS, attachments=[(sample.filename, photo)])


def _saved(image: Image.Image, kind: str, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()
