"""The models of an OpenAI-compatible service, with their prices, as the operator has set them.

Nothing about prices is built in. Amounts are millicredits, and a credit is one US cent. The setting has US dollars,
because the services' pages do.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Annotated, Any, Self

from pydantic import BeforeValidator

from bot.providers.answers import Lenient, Whole
from bot.providers.base import Cost, ImageRequest, Json, Quote
from bot.providers.operations import Size
from bot.providers.settings import SettingsReader, Takes, WrongSetting

SETTING = "OPENAI_MODELS"
QUALITIES = frozenset({"low", "medium", "high", "auto"})
LONGEST_NAME = 200
MOST_MODELS = 200
"""How many models of a service are offered at most."""

_DOLLAR = 100_000
_MILLION = 1_000_000
# Far more than one request can use.
_MOST_TOKENS = 10 * _MILLION
# What is held besides the price of an image: every two bytes of the prompt as a token, and some for the service's own
# words; a picture that is sent, as many as an image of high quality; and those of an unfinished image.
_BYTES_PER_TOKEN, _OTHER_TOKENS, _PICTURE_TOKENS, _PARTIAL_TOKENS = 2, 50, 6_500, 100

_AMOUNT = re.compile(r"[0-9]{1,4}(\.[0-9]{1,5})?", re.ASCII)
_TOKENS = "tokens"


@dataclass(frozen=True, slots=True)
class Rates:
    """Millicredits per million tokens: of the prompt, of pictures that are sent, and of images that are made."""

    text: int
    pictures: int
    images: int

    def of(self, text: int, pictures: int, images: int) -> int:
        """The price of these numbers of tokens, rounded up."""
        return -(-(text * self.text + pictures * self.pictures + images * self.images) // _MILLION)


class _Details(Lenient):
    text_tokens: Whole = None
    image_tokens: Whole = None
    cached_tokens: Whole = None
    cached_tokens_details: Any = None

    @property
    def cached(self) -> bool:
        """Whether some of them may cost less, because the service had them already."""
        return bool(self.cached_tokens or self.cached_tokens_details)


def _details(value: object) -> object:
    return value if isinstance(value, dict) else {}


class _Told(Lenient):
    input_tokens: Whole = None
    output_tokens: Whole = None
    input_tokens_details: Annotated[_Details, BeforeValidator(_details)] = _Details()
    output_tokens_details: Annotated[_Details, BeforeValidator(_details)] = _Details()

    @property
    def otherwise_priced(self) -> bool:
        """Whether some tokens have a price that is not set: those that were cached, and words of the model's own."""
        return self.input_tokens_details.cached or bool(self.output_tokens_details.text_tokens)


@dataclass(frozen=True, slots=True)
class Usage:
    """The tokens that a request took. ``exact``: the service has told their kinds, and each has a price."""

    text: int
    pictures: int
    images: int
    exact: bool = True

    @classmethod
    def read(cls, value: Json) -> Self | None:
        """Read the ``usage`` of a response. None if there is none, or if it cannot be right."""
        told = _Told.model_validate(value if isinstance(value, dict) else {})
        sent, made, kinds = told.input_tokens, told.output_tokens, told.input_tokens_details
        if sent is None or made is None or not 0 <= sent <= _MOST_TOKENS or not 0 < made <= _MOST_TOKENS:
            return None
        text, pictures = kinds.text_tokens, kinds.image_tokens
        if text is None or pictures is None or min(text, pictures) < 0 or text + pictures != sent:
            # Pictures are the more expensive kind.
            return cls(0, sent, made, exact=False)
        return cls(text, pictures, made, exact=not told.otherwise_priced)


@dataclass(frozen=True, slots=True)
class Model:
    """A model in one quality; "" leaves the quality to the service.

    ``prices`` are those of an image by its size; None is for any other size. ``rates`` are the prices of tokens; None
    if the service charges by the image.
    """

    name: str
    quality: str = ""
    prices: Mapping[Size | None, int] = field(default_factory=lambda: {None: 0})
    rates: Rates | None = None

    @property
    def title(self) -> str:
        """The name and the quality, which are unique together."""
        return f"{self.name} {self.quality}".rstrip()

    @property
    def sizes(self) -> tuple[Size, ...]:
        """The sizes that have a price of their own."""
        return tuple(size for size in self.prices if size is not None)

    @property
    def any_size(self) -> bool:
        """Whether there is a price for every other size."""
        return None in self.prices

    @property
    def charges(self) -> bool:
        return self.rates is not None or any(self.prices.values())

    @property
    def never_free(self) -> bool:
        """Whether an image of every size has a price."""
        return bool(self.prices) and all(self.prices.values())

    @property
    def range(self) -> Quote:
        """The price of one image, from the cheapest size to the most expensive."""
        low, high = min(self.prices.values()), max(self.prices.values())
        return Quote(low, high, high, exact=low == high and self.rates is None)

    def _image(self, size: Size) -> int:
        return self.prices.get(size, self.prices.get(None, max(self.prices.values())))

    def quote(self, request: ImageRequest, *, partials: int) -> Quote:
        """The price of a request. ``partials`` is the number of unfinished images that are sent of each image."""
        low = self._image(request.size) * request.images
        if self.rates is None:
            return Quote(low, low, low, exact=True)
        words = sum(len(part.text.encode("utf-8", "replace")) for part in request.prompts)
        pictures = int(request.operation.has_source) + int(request.operation.has_mask)
        high = low + self.rates.of(
            words // _BYTES_PER_TOKEN + _OTHER_TOKENS,
            pictures * _PICTURE_TOKENS,
            partials * _PARTIAL_TOKENS * request.images,
        )
        return Quote(low, high, high, exact=False)

    def cost(self, request: ImageRequest, images: int, usage: Usage | None) -> Cost:
        """What a request has cost that made so many ``images``."""
        if self.rates is not None and usage is not None:
            return Cost(self.rates.of(usage.text, usage.pictures, usage.images), usage.exact)
        return Cost(self._image(request.size) * images, exact=self.rates is None)


def is_name(value: str) -> bool:
    """Return whether this can be the name of a model."""
    return 0 < len(value.strip()) <= LONGEST_NAME and value.isprintable()


def read_setting(settings: SettingsReader, *, free: bool) -> tuple[Model, ...]:
    """Read ``gpt-image-1 medium 1024x1024=0.042 1536x1024=0.063 tokens=5:10:40, flux 0.02``.

    Each part is a model: its name, a quality, the price of an image of a size or of any size, and the prices of a
    million tokens of the prompt, of pictures that are sent and of images that are made. Only at a ``free`` service may
    the prices, or all models, be left out. Raises WrongSetting.
    """
    text = settings.text(SETTING)
    found = [_model(part.split(), free=free) for part in text.split(",") if part.strip()]
    models = [model for model in found if model is not None]
    unique = len({model.title.lower() for model in models}) == len(found)
    if not unique or len(found) > MOST_MODELS or not (found or free):
        raise WrongSetting(SETTING, Takes.MODELS)
    return tuple(models)


def _model(words: list[str], *, free: bool) -> Model | None:
    """Read one model. None if it is invalid."""
    name, *others = words
    quality = ""
    prices: dict[Size | None, int] = {}
    rates = None
    for word in others:
        key, equals, value = word.rpartition("=")
        amounts = [_millicredits(each) for each in value.split(":")]
        if not equals and word in QUALITIES and not quality:
            quality = word
        elif None in amounts:
            return None
        elif key == _TOKENS and len(amounts) == 3 and rates is None:
            rates = Rates(*(amount for amount in amounts if amount is not None))
        else:
            size = _size(key) if equals else None
            if len(amounts) != 1 or size in prices or (equals and size is None):
                return None
            prices[size] = amounts[0] or 0
    if free and not prices:
        prices[None] = 0
    model = Model(name, quality, prices, rates)
    # Without the price of an image, nothing could be held for it.
    held = bool(prices) if rates is None else model.never_free
    return model if is_name(name) and held and not (free and model.charges) else None


def _millicredits(dollars: str) -> int | None:
    return int(Decimal(dollars) * _DOLLAR) if _AMOUNT.fullmatch(dollars) else None


def _size(text: str) -> Size | None:
    try:
        size = Size.parse(text)
    except ValueError:
        return None
    return size if size.pixels else None
