"""Credits in words and in numbers. Amounts are integer millicredits: a credit is 1,000."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal

from bot.text import amount_text, credits_text


def converted(raw: int, credit_value: Decimal) -> int:
    """A provider's millicredits in the bot's millicredits, rounded up."""
    return int((Decimal(raw) * credit_value).to_integral_value(rounding=ROUND_CEILING))


@dataclass(frozen=True, slots=True)
class Price:
    """What something costs before it is made, in the bot's millicredits: from ``low`` to ``high``."""

    low: int
    high: int
    exact: bool

    def __str__(self) -> str:
        if self.low == self.high:
            return f"{'' if self.exact else 'about '}{credits_text(self.low)}"
        return f"{amount_text(self.low)} to {amount_text(self.high)} credits"


def sum_of(prices: Iterable[Price]) -> Price:
    """What they cost together: exact if each of them is."""
    every = list(prices)
    low, high = sum(price.low for price in every), sum(price.high for price in every)
    return Price(low, high, all(price.exact for price in every))
