"""The cards of engines: what each can do, with its prices, and what it takes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bot.domain.edits import NAMES
from bot.domain.money import FREE, Price
from bot.domain.options import OPTIONS, SEED
from bot.providers.base import Ability, Bounds, Engine
from bot.providers.operations import Operation, PictureRules
from bot.text import Message, Text, t
from bot.ui.cards.engines import (
    ANY_SHAPE,
    DEFAULT,
    DOES,
    DOES_AND_COSTS,
    EXACT_PRICE,
    EXTENDED_BY,
    NEW_SHAPE,
    NO_WORDS_NEEDED,
    PART_NEEDED,
    PRICES,
    RETIRED,
    TOGETHER,
    UP_TO_RATIO,
    WANTS_PICTURE,
    busy_texts,
    engine_card,
    engines_card,
)
from bot.ui.cards.wording import FROM_TO
from tests.doubles.cards import check, said
from tests.doubles.engines import ENGINES
from tests.doubles.texts import shows
from tests.doubles.views import ENGINE


def test_the_engines_are_listed_with_options_and_prices() -> None:
    card = engines_card(ENGINES.values(), lambda _: Price(400, 2000, exact=False), default="pencil/core")
    check(card)
    spoken = said(card)
    assert f"**Pencil Core** · {DEFAULT}" in spoken
    words = DOES(operations=[NAMES[Operation.TEXT_TO_IMAGE]], price=FROM_TO(low=400, high=2000))
    assert f"{words}\n-# pencil/basic-1.6" in spoken
    assert f"{OPTIONS['steps'].label} 10 to 50, {SEED.label}, {OPTIONS['guidance'].label} 0 to 35" in spoken
    assert "1024x1024 (square)" in spoken


def test_an_engine_that_makes_several_images_at_a_time_says_so() -> None:
    price = Price(2500, 2500, exact=False)
    fours = replace(ENGINE, batch=4)
    assert shows(said(engines_card([fours], lambda _: price, default="")), TOGETHER(count=4))
    assert shows(said(engine_card(fours, lambda _: price, default="")), TOGETHER(count=4))
    assert not shows(said(engine_card(ENGINE, lambda _: price, default="")), TOGETHER(count=1))


@pytest.mark.parametrize("many", [1, 40])
def test_engines_that_are_gone_are_marked(many: int) -> None:
    engines = [replace(ENGINE, id=f"scripted/{number}") for number in range(many)]

    def price(_: Engine) -> Price:
        return Price(400, 2000, exact=False)

    def gone(engine: Engine) -> bool:
        return engine.id == "scripted/0"

    assert said(engines_card(engines, price, default="", retired=gone)).count(str(RETIRED)) == 1
    assert shows(said(engine_card(engines[0], price, default="scripted/0", retired=gone)), RETIRED)
    assert not shows(said(engines_card(engines, price, default="")), RETIRED)


def changing(operation: Operation, rules: PictureRules) -> Engine:
    """An engine that does this with a picture, and has no sizes and options."""
    return Engine(
        "scripted/brush",
        "Brush",
        frozenset(),
        (),
        ENGINE.default_size,
        1,
        1000,
        operation=operation,
        picture=rules,
    )


@pytest.mark.usefixtures("any_language")
def test_an_engine_is_listed_with_all_operations_and_their_prices() -> None:
    """One that the service no longer has for an engine is left out, and marked on the engine's own card."""
    others = [changing(each, PictureRules()) for each in Operation if each.has_source]
    brush = replace(ENGINE, others=tuple(others))
    prices = {each: Price(1000 * number, 1000 * number, exact=True) for number, each in enumerate(Operation, 1)}

    def gone(engine: Engine) -> bool:
        return engine.operation is Operation.SKETCH

    def price(engine: Engine) -> Price:
        return prices[engine.operation]

    for listed in (
        engines_card([brush], price, default="", retired=gone),
        engines_card([brush] * 20, price, default=""),
    ):
        check(listed)
        assert str(DOES(operations=[NAMES[Operation.ERASE]], price="4")) in said(listed)
    assert str(NAMES[Operation.SKETCH]) not in said(engines_card([brush], price, default="", retired=gone))
    card = engine_card(brush, price, default="", retired=gone)
    check(card)
    for operation in Operation:
        cost = RETIRED if operation is Operation.SKETCH else EXACT_PRICE(price=str(prices[operation]))
        assert shows(said(card), DOES_AND_COSTS(operation=NAMES[operation], price=cost))
    assert not said(card).splitlines()[0].endswith(str(RETIRED))


@pytest.mark.parametrize(
    ("rules", "shape"),
    [
        (PictureRules(ratio=None), ANY_SHAPE),
        (PictureRules(ratio=2.5), UP_TO_RATIO(ratio="2.5")),
        (PictureRules(exact=True), NEW_SHAPE),
    ],
)
def test_an_engines_card_says_what_picture_it_takes(rules: PictureRules, shape: Message | Text) -> None:
    for operation in (Operation.ERASE, Operation.OUTPAINT, Operation.STRUCTURE):
        spoken = said(engine_card(changing(operation, rules), lambda _: Price(1, 1, exact=True), default=""))
        assert shows(spoken, WANTS_PICTURE(shape=shape))
        assert shows(spoken, PART_NEEDED) is (operation is Operation.ERASE)
        assert shows(spoken, NO_WORDS_NEEDED) is (operation is not Operation.STRUCTURE)
        assert shows(spoken, EXTENDED_BY(most=rules.margin)) is (operation is Operation.OUTPAINT)


@pytest.mark.parametrize("number", [1, 20])
@pytest.mark.parametrize("price", [0, 1000])
def test_the_unit_of_prices_is_left_out_where_all_is_free(number: int, price: int) -> None:
    card = engines_card([ENGINE] * number, lambda _: Price(price, price, exact=True), default="")
    assert shows(said(card), PRICES) is (price > 0)


def test_what_is_the_same_for_all_operations_is_said_once() -> None:
    steps, guidance = Bounds(1, 77, default=8), Bounds(0, 5, default=3)
    takes = frozenset({Ability.STEPS, Ability.GUIDANCE})
    first = replace(ENGINE, abilities=takes, steps=steps, guidance=guidance, workers=9, queue_seconds=120)
    vary = replace(first, operation=Operation.IMAGE_TO_IMAGE, guidance=Bounds(0, 6, default=4))
    spoken = said(engine_card(replace(first, others=(vary,)), lambda _: Price(0, 0, exact=True), default=""))
    ranges = [t("{low} to {high}", low="1", high="77"), *(t("{low} to {high}", low="0", high=top) for top in "56")]
    assert [spoken.count(str(each)) for each in ranges] == [1, 1, 1]
    assert spoken.count(str(DOES_AND_COSTS(operation=NAMES[Operation.TEXT_TO_IMAGE], price=FREE))) == 1
    assert all(str(each) in spoken for each in busy_texts(first))
    assert len(list(busy_texts(first))) == 2


@pytest.mark.usefixtures("any_language")
def test_an_engine_with_all_options_fits() -> None:
    check(engine_card(ENGINES["easel/xl"], lambda _: Price(400, 2000, exact=False), default="easel/xl"))
    long_names = ("x" * 90, *(f"{number}{'_' * 90}" for number in range(400)))
    lists: dict[str, Any] = dict.fromkeys(("styles", "samplers", "schedulers", "loras"), long_names)
    crowded = replace(ENGINE, name="*" * 200, **lists)
    check(engine_card(crowded, lambda _: Price(1, 2, exact=True), default=""))
