"""What the stand-in of OpenAI's images has: models, limits, tokens and prices.

The numbers of tokens of an image, and the price of those tokens of gpt-image-1, are OpenAI's; the rest is made up.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from fakes.services.call_log import Json
from fakes.services.uploads import Upload

MODELS = ("gpt-image-1", "gpt-image-1-mini")
SIZES = ("1024x1024", "1536x1024", "1024x1536")
QUALITIES = ("low", "medium", "high", "auto")
FORMATS = ("png", "jpeg", "webp")
MOST_IMAGES, MOST_PARTIALS = 10, 3
PROMPT_LIMIT = 32_000

RATES = {"gpt-image-1": (500, 1000, 4000), "gpt-image-1-mini": (200, 250, 800)}
"""US cents for a million tokens: of text, of pictures that are sent, and of images."""
_TOKENS = {"low": (272, 408), "medium": (1056, 1584), "high": (4160, 6240)}
_PARTIAL_TOKENS = 100
_PICTURE_TOKENS = 323


@dataclass(frozen=True, slots=True)
class Tokens:
    """The tokens of one request."""

    text: int
    pictures: int
    images: int

    @classmethod
    def of(cls, body: Mapping[str, Json], images: int, files: Mapping[str, Upload]) -> Self:
        """Count those of a request for so many images. The service takes ``auto`` for the highest quality."""
        quality, partials = str(body.get("quality", "auto")), body.get("partial_images")
        square, other = _TOKENS["high" if quality == "auto" else quality]
        each = square if body.get("size", "auto") in {"auto", SIZES[0]} else other
        if body.get("stream") and isinstance(partials, int):
            each += _PARTIAL_TOKENS * partials
        return cls(max(1, len(str(body.get("prompt"))) // 4), _PICTURE_TOKENS * len(files), each * images)

    @property
    def usage(self) -> Json:
        sent = self.text + self.pictures
        return {
            "input_tokens": sent,
            "input_tokens_details": {"text_tokens": self.text, "image_tokens": self.pictures},
            "output_tokens": self.images,
            "total_tokens": sent + self.images,
        }

    def price(self, model: str) -> int:
        """Millicredits for these tokens, rounded up. A credit is one US cent."""
        text, pictures, images = RATES[model]
        return -(-(self.text * text + self.pictures * pictures + self.images * images) // 1000)
