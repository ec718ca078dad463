"""Credits in words and in numbers. Amounts are integer millicredits: a credit is 1,000."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal


def converted(raw: int, credit_value: Decimal) -> int:
    """A provider's millicredits in the bot's millicredits, rounded up."""
    return int((Decimal(raw) * credit_value).to_integral_value(rounding=ROUND_CEILING))


def amount_text(millicredits: int) -> str:
    """The amount as a number of credits without needless zeros: ``1.5``, ``10``, ``1,200``."""
    text = f"{Decimal(millicredits) / 1000:,.3f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def credits_text(millicredits: int) -> str:
    """The amount with its unit: ``1 credit``, ``1.5 credits``."""
    number = amount_text(millicredits)
    return f"{number} credit" if number == "1" else f"{number} credits"


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
