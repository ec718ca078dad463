"""The prices of OpenAI's image models and of the operator's own, in millicredits. A credit is one US cent."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, Self

from pydantic import BeforeValidator, ValidationError

from bot.providers.answers import Lenient, whole
from bot.providers.base import Cost, ImageRequest, Json, Quote, SettingsReader, Takes, WrongSetting
from bot.providers.operations import Size

SETTING = "OPENAI_PRICES"
EVERY_MODEL = "*"
"""The name in the setting for all models without a price of their own."""
SQUARE, WIDE, TALL = Size(1024, 1024), Size(1536, 1024), Size(1024, 1536)
PARTIAL_TOKENS = 100
"""The tokens that one unfinished image costs in addition."""

_MILLION = 1_000_000
# Far more than one request can use.
_MOST_TOKENS = 10 * _MILLION
# Tokens that a request has besides those of its prompt, and the bytes of a prompt that make one token at least.
_OTHER_TOKENS, _BYTES_PER_TOKEN = 50, 3
_TOKENS = "tokens"
_PRICE = re.compile(r"[0-9]{1,6}(\.[0-9]{1,3})?", re.ASCII)
_SIZE = re.compile(r"[0-9]{1,5}x[0-9]{1,5}", re.ASCII)
_AROUND = re.compile(r"\s*([=:])\s*")


class Quality(StrEnum):
    """The quality of an image, which decides its price. ``AUTO`` leaves it to the service."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    AUTO = "auto"


# What an image takes of a model whose tokens have a price, but whose images have none.
_MOST_IMAGE_TOKENS = {Quality.LOW: 408, Quality.MEDIUM: 1_584, Quality.HIGH: 7_024}


@dataclass(frozen=True, slots=True)
class Rates:
    """Millicredits per million tokens: of the prompt, of pictures that are sent, and of images that are made."""

    text: int
    pictures: int
    images: int

    def of(self, text: int, pictures: int, images: int) -> int:
        """The millicredits for these numbers of tokens, rounded up."""
        return -(-(text * self.text + pictures * self.pictures + images * self.images) // _MILLION)


@dataclass(frozen=True, slots=True)
class Listed:
    """The list prices of a model: its ``rates``, and the price of an image by quality and size.

    ``picture_tokens`` is the most that one picture that is sent takes, in its usual fidelity.
    """

    rates: Rates
    images: Mapping[tuple[Quality, Size], int]
    picture_tokens: int = 6_500


def _listed(rates: Rates, square: str, other: str, **more: int) -> Listed:
    """Read the prices in credits of a square and of another image, in low, medium and high quality."""
    images = {}
    for quality, of_square, of_other in zip(Quality, square.split(), other.split(), strict=False):
        images[quality, SQUARE] = _millicredits(of_square)
        images[quality, WIDE] = images[quality, TALL] = _millicredits(of_other)
    return Listed(rates, images, **more)


def _millicredits(text: str) -> int:
    units, _, part = text.partition(".")
    return int(units) * 1000 + int(part.ljust(3, "0") if part else 0)


LIST_PRICES: Mapping[str, Listed] = {
    "gpt-image-1": _listed(Rates(500_000, 1_000_000, 4_000_000), "1.1 4.2 16.7", "1.6 6.3 25", picture_tokens=400),
    "gpt-image-1-mini": _listed(Rates(200_000, 250_000, 800_000), "0.5 1.1 3.6", "0.6 1.5 5.2", picture_tokens=400),
    "gpt-image-1.5": _listed(Rates(500_000, 800_000, 3_200_000), "0.9 3.4 13.3", "1.3 5 20"),
    "gpt-image-2": _listed(Rates(500_000, 800_000, 3_000_000), "0.6 5.3 21.1", "0.5 4.1 16.5"),
}
"""The prices on the service's pages, by model."""

_MOST_EXPENSIVE = LIST_PRICES["gpt-image-1"]


def listed(model: str) -> Listed | None:
    """The list prices of a model, or of the one that it is a dated version of. None for an unknown one."""
    name = model.lower().rpartition("/")[2]
    dated = [each for each in LIST_PRICES if re.fullmatch(rf"{re.escape(each)}(-20\d\d-\d\d-\d\d)?", name)]
    return LIST_PRICES[dated[0]] if dated else None


class _Details(Lenient):
    text_tokens: Annotated[int | None, BeforeValidator(whole)] = None
    image_tokens: Annotated[int | None, BeforeValidator(whole)] = None


def _details(value: object) -> object:
    return value if isinstance(value, dict) else {}


class _Told(Lenient):
    input_tokens: Annotated[int | None, BeforeValidator(whole)] = None
    output_tokens: Annotated[int | None, BeforeValidator(whole)] = None
    input_tokens_details: Annotated[_Details, BeforeValidator(_details)] = _Details()


@dataclass(frozen=True, slots=True)
class Usage:
    """The tokens that a request took. ``exact``: the service has told the kinds of those that were sent."""

    text: int
    pictures: int
    images: int
    exact: bool = True

    @classmethod
    def read(cls, value: Json) -> Self | None:
        """Read the ``usage`` of a response. None if there is none, or if it cannot be right."""
        try:
            told = _Told.model_validate(value)
        except ValidationError:
            return None
        sent, made, kinds = told.input_tokens, told.output_tokens, told.input_tokens_details
        if sent is None or made is None or not 0 <= sent <= _MOST_TOKENS or not 0 < made <= _MOST_TOKENS:
            return None
        text, pictures = kinds.text_tokens, kinds.image_tokens
        if text is None or pictures is None or text < 0 or pictures < 0 or text + pictures != sent:
            # Pictures are the more expensive kind.
            return cls(0, sent, made, exact=False)
        return cls(text, pictures, made)

    def plus(self, other: Usage) -> Usage:
        """The sum of two."""
        return Usage(
            self.text + other.text,
            self.pictures + other.pictures,
            self.images + other.images,
            self.exact and other.exact,
        )


_Prices = dict[tuple[Quality | None, Size | None], int]


@dataclass(frozen=True, slots=True)
class Prices:
    """The operator's own prices by model, and the list prices of the others.

    ``genuine``: the service is OpenAI itself, where a model without a price is as expensive as the most expensive one.
    At another service, it is free.
    """

    genuine: bool = True
    own: Mapping[str, _Prices] = field(default_factory=dict)
    own_rates: Mapping[str, Rates] = field(default_factory=dict)

    @classmethod
    def read(cls, settings: SettingsReader, *, genuine: bool) -> Self:
        """Read ``flux=2, gpt-image-1/high=17, gpt-image-1/high/1536x1024=25, gpt-image-1/tokens=500:1000:4000``.

        These are credits for one image of a model, of a quality and of a size of it; and credits per million tokens of
        the prompt, of pictures that are sent, and of images that are made. Raises WrongSetting.
        """
        own: dict[str, _Prices] = {}
        rates: dict[str, Rates] = {}
        for item in _AROUND.sub(r"\1", settings.text(SETTING).lower()).replace(",", " ").split():
            name, equals, price = item.rpartition("=")
            numbers = price.split(":")
            if not equals or not all(_PRICE.fullmatch(number) for number in numbers):
                raise WrongSetting(SETTING, Takes.PRICES)
            amounts = [_millicredits(number) for number in numbers]
            name, quality, size, of_tokens = _key(name)
            if not name or len(amounts) != (3 if of_tokens else 1) or (of_tokens and (quality or size)):
                raise WrongSetting(SETTING, Takes.PRICES)
            if of_tokens:
                rates[name] = Rates(*amounts)
            else:
                own.setdefault(name, {})[quality, size] = amounts[0]
        return cls(genuine, own, rates)

    @property
    def charges(self) -> bool:
        """Whether requests cost anything."""
        return self.genuine or bool(self.own or self.own_rates)

    def sizes(self, model: str) -> tuple[Size, ...]:
        """The sizes for which the operator has set prices."""
        return tuple(dict.fromkeys(size for _, size in self.own.get(model.lower(), {}) if size is not None))

    def range_of(self, model: str, quality: Quality, sizes: tuple[Size, ...]) -> Quote:
        """The price of one image, from the cheapest size to the most expensive."""
        each = [self._image(model, quality, size) for size in sizes]
        low, high = min(low for low, _, _ in each), max(high for _, high, _ in each)
        return Quote(low, high, high, exact=low == high and all(exact for _, _, exact in each))

    def quote(self, model: str, quality: Quality, request: ImageRequest, *, partials: int = 0) -> Quote:
        """The price of a request. ``partials`` is the number of unfinished images that are sent of each image."""
        low, high, exact = self._image(model, quality, request.size)
        low, high = low * request.images, high * request.images
        if not exact and high:
            high += self._beside(model, request, partials)
        return Quote(low, high, high, exact)

    def cost(self, model: str, quality: Quality, request: ImageRequest, images: int, usage: Usage | None) -> Cost:
        """What a request has cost that made so many ``images``. Exact if the tokens and their prices are known."""
        rates = self._rates(model)
        if usage is not None and rates is not None:
            return Cost(rates.of(usage.text, usage.pictures, usage.images), usage.exact)
        _, high, exact = self._image(model, quality, request.size)
        return Cost(high * images, exact)

    def _beside(self, model: str, request: ImageRequest, partials: int) -> int:
        """The price of what is sent, and of unfinished images: at most, as far as it can be known."""
        rates = self._rates(model)
        if rates is None:
            return 0
        sent = sum(len(part.text.encode("utf-8", "replace")) for part in request.prompts)
        pictures = int(request.operation.has_source) + int(request.operation.has_mask)
        return rates.of(
            sent // _BYTES_PER_TOKEN + _OTHER_TOKENS,
            pictures * (listed(model) or _MOST_EXPENSIVE).picture_tokens,
            partials * PARTIAL_TOKENS * request.images,
        )

    def _rates(self, model: str) -> Rates | None:
        """The prices of tokens. None if they are unknown, or if the operator has set prices of images instead."""
        own = self.own_rates.get(model.lower(), self.own_rates.get(EVERY_MODEL))
        if own is not None or self._own(model) is not None or not self.charges:
            return own
        known = listed(model)
        return None if known is None else known.rates

    def _own(self, model: str) -> _Prices | None:
        return self.own.get(model.lower(), self.own.get(EVERY_MODEL))

    def _image(self, model: str, quality: Quality, size: Size) -> tuple[int, int, bool]:
        """The lowest and the highest price of an image, and whether that is exact."""
        if quality is Quality.AUTO:
            each = [self._image(model, one, size) for one in Quality if one is not Quality.AUTO]
            low, high = min(low for low, _, _ in each), max(high for _, high, _ in each)
            return low, high, low == high and all(exact for _, _, exact in each)
        own = self._own(model)
        if own is not None:
            keys = ((quality, size), (quality, None), (None, size), (None, None))
            told = next((own[key] for key in keys if key in own), None)
            # A quality or size without a price may cost as much as any other.
            price = max(own.values()) if told is None else told
            return price, price, told is not None and self._rates(model) is None
        known, rates = listed(model), self._rates(model)
        if self.charges and known is None and rates is not None:
            price = rates.of(0, 0, _MOST_IMAGE_TOKENS[quality])
            return price, price, False
        known = known or (_MOST_EXPENSIVE if self.genuine else None)
        if not self.charges or known is None:
            return 0, 0, True
        price = known.images.get((quality, size), max(known.images[quality, each] for each in (SQUARE, WIDE, TALL)))
        return price, price, False


def _key(text: str) -> tuple[str, Quality | None, Size | None, bool]:
    """Split the name of a price: the model, and the quality, the size, or ``tokens`` after it. A model has slashes."""
    quality = size = None
    of_tokens = False
    while True:
        rest, slash, last = text.rpartition("/")
        if not slash:
            break
        if _SIZE.fullmatch(last) and size is None:
            size = Size.parse(last)
        elif last in (Quality.LOW, Quality.MEDIUM, Quality.HIGH) and quality is None:
            quality = Quality(last)
        elif last == _TOKENS and not of_tokens and size is None and quality is None:
            of_tokens = True
        else:
            break
        text = rest
    return text, quality, size, of_tokens
