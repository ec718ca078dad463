"""Credits in words and in numbers. Amounts are integer millicredits: a credit is 1,000."""

from __future__ import annotations

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
