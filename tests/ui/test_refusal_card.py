"""The card of a refusal and the form fit Discord's limits and a phone."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import cast

import pytest

from bot.domain.alternatives import Changes
from bot.domain.features import Feature
from bot.domain.form_data import draft_of
from bot.domain.money import Price
from bot.domain.options import OPTIONS, SEED, SIZE, WEIGHTS, ImagineOptions, features
from bot.domain.values import Value
from bot.jobs.refusals import Offer
from bot.providers.operations import Size
from bot.ui.cards.buttons import EDIT_COMMAND
from bot.ui.cards.refusal import offer_label, refused_card
from bot.ui.cards.wording import units
from bot.ui.forms import EditForm
from bot.ui.job_starter import JobStarter
from tests.doubles.cards import check, labels
from tests.doubles.views import ENGINE


@pytest.mark.usefixtures("any_language")
@pytest.mark.parametrize("price", [Price(5000, 5000, exact=True), Price(123_456_789, 987_654_321, exact=False)])
def test_a_refusal_with_the_longest_offers_fits(price: Price) -> None:
    name = "Ӝ* " * 60
    engines = tuple(replace(ENGINE, id=f"scripted/{number}", name=name) for number in range(3))
    values: tuple[tuple[Feature, Value], ...] = (
        (SIZE, Size(99_999, 99_999)),
        (OPTIONS["style"], name),
        (OPTIONS["guidance"], 34.999),
        (WEIGHTS, 9.99),
    )
    every = Changes(engines, values, tuple(features()), images=10, private=True, flags=("--negative",) * 5)
    for changes in (every, Changes(images=1), Changes(dropped=(SEED,)), Changes(private=False)):
        for options in (ImagineOptions("a"), ImagineOptions("a", engines=("x", "y"))):
            offer = Offer(options, changes, price)
            assert 0 < units(offer_label(offer)) <= 80
            card = refused_card(["*" * 2000] * 20, [offer] * 4, "0" * 16)
            check(card)
            assert labels(card)[-1] == str(EDIT_COMMAND)
    check(refused_card(["Why."], [], "0" * 16))


@pytest.mark.usefixtures("any_language")
@pytest.mark.parametrize("private", [True, False])
def test_a_long_label_still_says_who_will_see_the_images(*, private: bool) -> None:
    price = Price(123_456_789, 987_654_321, exact=False)
    who = offer_label(Offer(ImagineOptions("a"), Changes(private=private), price)).partition(":")[0]
    engine = replace(ENGINE, name="x" * 80)
    long = Changes((engine,), dropped=tuple(features()), images=10, private=private, flags=("--negative",) * 5)
    for options in (ImagineOptions("a"), ImagineOptions("a", engines=("x", "y"))):
        assert offer_label(Offer(options, long, price)).startswith(who)


def test_a_name_keeps_its_capitals() -> None:
    price = Price(5000, 5000, exact=True)
    dropped = offer_label(Offer(ImagineOptions("a"), Changes(dropped=(OPTIONS["steps"], OPTIONS["lora"])), price))
    assert "LoRA" in dropped
    assert str(OPTIONS["steps"].label) not in dropped


def test_short_offers_share_a_row_and_long_ones_do_not() -> None:
    price = Price(5000, 5000, exact=True)
    short = Offer(ImagineOptions("a"), Changes(images=2), price)
    long = Offer(ImagineOptions("a"), Changes(dropped=tuple(features())), price)
    (card,) = refused_card(["Why."], [short, short, long], "0" * 16).to_components()  # type: ignore[no-untyped-call]  # the library leaves it untyped
    rows = [len(each["components"]) for each in card["components"] if each["type"] == 1]
    assert rows == [2, 1, 1]


def test_a_form_explains_how_to_use_an_unlisted_engine() -> None:
    crowd = {f"scripted/{number}": replace(ENGINE, id=f"scripted/{number}") for number in range(60)}
    draft = draft_of(ImagineOptions("a fox"), engine="scripted/59")
    form = json.dumps(EditForm(draft, crowd, cast("JobStarter", None), job_id=1, title="Edit").to_dict())
    assert "--engine" in form
    assert "scripted/59" in form
    few = json.dumps(
        EditForm(draft, dict(list(crowd.items())[-3:]), cast("JobStarter", None), job_id=1, title="Edit").to_dict()
    )
    assert "--engine" not in few.replace("--images", "")
