"""The prices of AI Thriving, in its millicredits. Its responses contain no cost, so prices come from its pages."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from bot.providers.aithriving_endpoints import Endpoint
from bot.providers.base import Cost, ImageRequest, Quote
from bot.providers.operations import Size
from bot.providers.settings import SettingsReader, Takes, WrongSetting
from bot.providers.stable_diffusion import STEPS

SETTING = "AITHRIVING_PRICES"
BASIC_KEY = "sd-1.6"
"""The engine with a price that depends on the request."""
LIST_PRICES: Mapping[str, int] = {
    "core": 6_000,
    "ultra": 16_000,
    "sd3-large": 8_000,
    "sd3-large-turbo": 8_000,
    "sd3-medium": 8_000,
    "inpaint": 6_000,
    "erase": 6_000,
    "outpaint": 8_000,
    "search-and-replace": 8_000,
    "sketch": 6_000,
    "structure": 6_000,
}
"""The prices on the service's pages, by engine or by operation."""

_BASIC_HOLD = 2_000
_LEAST = (400, 320 * 320 * 10)
_MOST = (2_000, 1536 * 1536 * 50)
_PRICE = re.compile(r"([a-z0-9][a-z0-9._-]*)=([0-9]{1,6})(?:\.([0-9]{1,3}))?", re.ASCII)
_EQUALS = re.compile(r"\s*=\s*")


def basic_price(size: Size, steps: int) -> int:
    """Estimate the price in millicredits, linear in pixels × steps between the page's two prices, rounded up to 0.1."""
    (low, least), (high, most) = _LEAST, _MOST
    work = max(least, min(most, size.pixels * steps))
    over = (high - low) * (work - least)
    return low + 100 * -(-over // (100 * (most - least)))


@dataclass(frozen=True, slots=True)
class Prices:
    """The list prices, and those that the operator has set instead, by engine or by operation."""

    own: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def read(cls, settings: SettingsReader) -> Self:
        """Read ``ultra=16, inpaint=6.5``: credits by engine or operation. Raises WrongSetting."""
        own = {}
        items = _EQUALS.sub("=", settings.text(SETTING).lower()).replace(",", " ").split()
        for item in items:
            match = _PRICE.fullmatch(item)
            key = match[1].replace("_", "-") if match else ""
            if match is None or key not in {BASIC_KEY, *LIST_PRICES}:
                raise WrongSetting(SETTING, Takes.PRICES)
            own[key] = int(match[2]) * 1000 + int((match[3] or "").ljust(3, "0"))
        return cls(own)

    def range_of(self, endpoint: Endpoint) -> Quote:
        """The prices of an endpoint, from the cheapest request to the most expensive."""
        flat = self._flat(endpoint)
        return flat if flat is not None else Quote(_LEAST[0], _MOST[0], _BASIC_HOLD, exact=False)

    def quote(self, endpoint: Endpoint, request: ImageRequest) -> Quote:
        """The price of a request."""
        flat = self._flat(endpoint)
        if flat is not None:
            return flat
        steps = request.steps if request.steps is not None else round(STEPS.default or 30)
        price = basic_price(request.size, steps)
        return Quote(price, price, _BASIC_HOLD, exact=False)

    def cost(self, endpoint: Endpoint, request: ImageRequest) -> Cost:
        """What a successful request has cost."""
        quote = self.quote(endpoint, request)
        return Cost(quote.high, quote.exact)

    def _flat(self, endpoint: Endpoint) -> Quote | None:
        """The price that does not depend on the request. None if there is none."""
        price = self.own.get(endpoint.price, LIST_PRICES.get(endpoint.price))
        return None if price is None else Quote(price, price, price, endpoint.exact or endpoint.price in self.own)
