"""Prices in words."""

from __future__ import annotations

import pytest

from bot.domain.money import ABOUT, BETWEEN, EXACTLY, FREE, Price
from bot.text import Text


@pytest.mark.parametrize(
    ("price", "words"),
    [
        (Price(0, 0, exact=True), FREE()),
        (Price(6000, 6000, exact=True), EXACTLY(price=6000)),
        (Price(5000, 5000, exact=False), ABOUT(price=5000)),
        (Price(0, 2000, exact=False), BETWEEN(low=0, high=2000)),
    ],
)
def test_a_price_in_words(price: Price, words: Text) -> None:
    assert price.text == words
