"""Prices. Amounts are integer millicredits: a credit is 1,000."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal

from bot.text import Text, message

FREE = message("price.free", "free")
EXACTLY = message("price.exactly", "{price:credits}")
ABOUT = message("price.about", "about {price:credits}")
BETWEEN = message("price.between", "{low:amount} to {high:amount} credits")


def converted(raw: int, credit_value: Decimal) -> int:
    """Convert a provider's millicredits to the bot's, rounded up."""
    return int((Decimal(raw) * credit_value).to_integral_value(rounding=ROUND_CEILING))


def millicredits(typed: float) -> int:
    """A typed number of credits in millicredits."""
    return int(round(Decimal(str(typed)), 3) * 1000)


@dataclass(frozen=True, slots=True)
class Price:
    """A price before the request, in the bot's millicredits: from ``low`` to ``high``."""

    low: int
    high: int
    exact: bool

    @property
    def text(self) -> Text:
        """Format the price for people."""
        if not self.high:
            return FREE()
        if self.low == self.high:
            return (EXACTLY if self.exact else ABOUT)(price=self.low)
        return BETWEEN(low=self.low, high=self.high)

    def __str__(self) -> str:
        return str(self.text)


def sum_of(prices: Iterable[Price]) -> Price:
    """Add up prices. The total is exact if all of them are."""
    every = list(prices)
    low, high = sum(price.low for price in every), sum(price.high for price in every)
    return Price(low, high, all(price.exact for price in every))
