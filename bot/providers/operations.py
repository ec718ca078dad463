"""The operations of engines, and what an operation requires of the picture that it starts from. Sizes are pixels."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path


@dataclass(frozen=True, slots=True, order=True)
class Size:
    """Width and height in pixels."""

    width: int
    height: int

    @classmethod
    def parse(cls, text: str) -> Size:
        """Read ``1024x768`` (also with ``×`` or spaces). Raises ValueError."""
        width, separator, height = text.lower().replace("×", "x").replace(" ", "").partition("x")
        if not separator or not (width.isascii() and width.isdigit() and height.isascii() and height.isdigit()):
            raise ValueError(f"not a size: {text!r}")
        if len(width) > 5 or len(height) > 5:
            raise ValueError(f"not a size in pixels: {text!r}")
        return cls(int(width), int(height))

    @property
    def pixels(self) -> int:
        return self.width * self.height

    def __str__(self) -> str:
        return f"{self.width}x{self.height}"


class Operation(StrEnum):
    """The kind of work that a request asks for. All but the first start from a picture."""

    TEXT_TO_IMAGE = "text_to_image"
    IMAGE_TO_IMAGE = "image_to_image"
    """Vary a picture: the same picture with changes, or a new one that resembles it."""
    INPAINT = "inpaint"
    """Repaint the marked part of a picture."""
    ERASE = "erase"
    """Remove what is in the marked part of a picture, and fill the gap."""
    OUTPAINT = "outpaint"
    """Extend a picture beyond its edges."""
    SEARCH_AND_REPLACE = "search_and_replace"
    """Find a thing in a picture by words, and put another in its place."""
    SKETCH = "sketch"
    """Make a picture from a drawing."""
    STRUCTURE = "structure"
    """Make a new picture with the layout of another."""
    UPSCALE = "upscale"
    """Enlarge a picture, and draw its details more finely."""
    RESTORE_FACES = "restore_faces"
    """Repair the faces in a picture."""
    REMOVE_BACKGROUND = "remove_background"
    """Make the background of a picture transparent."""

    @property
    def has_source(self) -> bool:
        """Whether it starts from a picture."""
        return self is not Operation.TEXT_TO_IMAGE

    @property
    def has_mask(self) -> bool:
        """Whether a part of the picture has to be marked."""
        return self in {Operation.INPAINT, Operation.ERASE}

    @property
    def needs_prompt(self) -> bool:
        """Whether it is impossible without words."""
        return self.takes_prompt and self is not Operation.OUTPAINT

    @property
    def takes_prompt(self) -> bool:
        """Whether words can say what to draw."""
        return self is not Operation.ERASE and self.has_variants

    @property
    def has_variants(self) -> bool:
        """Whether the same request can give several different images."""
        return self not in {Operation.UPSCALE, Operation.RESTORE_FACES, Operation.REMOVE_BACKGROUND}


@dataclass(frozen=True, slots=True)
class Margins:
    """By how many pixels a picture is extended on each side."""

    left: int = 0
    right: int = 0
    up: int = 0
    down: int = 0

    @property
    def largest(self) -> int:
        return max(self.left, self.right, self.up, self.down)

    @property
    def smallest(self) -> int:
        return min(self.left, self.right, self.up, self.down)

    def around(self, size: Size) -> Size:
        """The size of a picture of this size after it was extended."""
        return Size(self.left + size.width + self.right, self.up + size.height + self.down)


class Fit(StrEnum):
    """How a picture gets another ratio: cut off what is too much, or add a border."""

    CROP = "crop"
    PAD = "pad"


class MaskKind(StrEnum):
    """How a mask marks the part to repaint."""

    WHITE = "white"
    """White: repaint, black: keep."""
    ALPHA = "alpha"
    """Transparent: repaint, opaque: keep. Its colours mark the same as in the other kind."""


@dataclass(frozen=True, slots=True)
class PictureRules:
    """What an operation requires of its picture.

    ``least_side`` is for both sides; ``ratio`` is the longest side divided by the shortest, at most (None: any). With
    ``exact``, the picture is sent in exactly the size of the request. ``bytes`` is the limit of the whole upload.
    ``margin`` is the most that one side can be extended by. ``formats`` are the media types that are accepted, and
    ``mask`` is the kind of mask.
    """

    least_side: int = 64
    least_pixels: int = 4_096
    most_pixels: int = 9_437_184
    ratio: float | None = 2.5
    exact: bool = False
    bytes: int = 8 << 20
    margin: int = 2_000
    formats: tuple[str, ...] = ("image/png", "image/jpeg", "image/webp")
    mask: MaskKind = MaskKind.WHITE


@dataclass(frozen=True, slots=True)
class PictureFile:
    """A picture that is ready to be uploaded. ``bytes`` is its length; ``media_type`` is PNG, JPEG or WebP."""

    path: Path
    media_type: str
    size: Size
    bytes: int

    def base64(self) -> str:
        """Read the file for a request in JSON. Blocks. Raises OSError."""
        return b64encode(self.path.read_bytes()).decode("ascii")


@dataclass(frozen=True, slots=True)
class Pictures:
    """The pictures of one request: its source, and its mask in the source's size."""

    source: PictureFile
    mask: PictureFile | None = None
