"""The engines of AI Thriving, by operation, and their prices."""

from __future__ import annotations

import pytest

from bot.providers.aithriving import Aithriving
from bot.providers.aithriving_prices import LIST_PRICES
from bot.providers.base import Ability, Bounds, Engine, Quote
from bot.providers.operations import Operation, Size
from bot.providers.settings import WrongSetting
from tests.providers.workbench import asked, make_aithriving, reader

ENGINES = {engine.model: engine for engine in make_aithriving("http://127.0.0.1:1").engines}
OPERATIONS = [each for engine in ENGINES.values() for each in (engine, *engine.others)]
SD3 = ("sd3-large", "sd3-large-turbo", "sd3-medium")


def doing(model: str, operation: Operation) -> Engine:
    found = ENGINES[model].doing(operation)
    assert found is not None
    return found


def configured(**settings: str) -> Aithriving:
    provider = Aithriving.configure(reader(AITHRIVING_KEY="x", **settings))
    assert provider is not None
    return provider


def test_the_operations_of_each_engine() -> None:
    both = (Operation.TEXT_TO_IMAGE, Operation.IMAGE_TO_IMAGE)
    assert {model: engine.operations for model, engine in ENGINES.items()} == {
        "sd-1.6": both,
        "core": (Operation.TEXT_TO_IMAGE,),
        "ultra": (Operation.TEXT_TO_IMAGE,),
        "sd3-large": both,
        "sd3-large-turbo": both,
        "sd3-medium": both,
        "edit": (Operation.INPAINT, Operation.ERASE, Operation.OUTPAINT, Operation.SEARCH_AND_REPLACE),
        "control": (Operation.SKETCH, Operation.STRUCTURE),
    }


def test_the_other_operations_have_the_same_id_and_name() -> None:
    for engine in ENGINES.values():
        assert {(each.id, each.name) for each in (engine, *engine.others)} == {(engine.id, engine.name)}
        assert not any(each.others for each in engine.others)


@pytest.mark.parametrize("engine", OPERATIONS, ids=lambda each: f"{each.model} {each.operation}")
def test_what_every_operation_declares(engine: Engine) -> None:
    assert (engine.picture is not None) is engine.operation.has_source
    assert engine.images_per_submission == 1
    assert Ability.SEED in engine.abilities
    assert (engine.strength is not None) is (Ability.STRENGTH in engine.abilities)
    assert bool(engine.styles) is (Ability.STYLE in engine.abilities)
    assert engine.price is not None
    assert engine.price.low <= engine.price.high <= engine.price.hold
    made_at_will = engine.operation in {Operation.TEXT_TO_IMAGE, Operation.IMAGE_TO_IMAGE}
    assert engine.sized is made_at_will
    assert not made_at_will or engine.takes_size(engine.default_size)


def test_pictures_of_a_set_size_are_sent_in_that_size() -> None:
    for model in ("sd-1.6", *SD3):
        rules = doing(model, Operation.IMAGE_TO_IMAGE).picture
        assert rules is not None
        assert rules.exact
        assert rules.ratio is None
        assert rules.bytes == 8 << 20
        assert ("image/webp" in rules.formats) is (model != "sd-1.6")


@pytest.mark.parametrize(
    ("model", "operation", "ratio"),
    [
        ("edit", Operation.INPAINT, None),
        ("edit", Operation.ERASE, None),
        ("edit", Operation.OUTPAINT, 2.5),
        ("edit", Operation.SEARCH_AND_REPLACE, 2.5),
        ("control", Operation.SKETCH, 2.5),
        ("control", Operation.STRUCTURE, 2.5),
    ],
)
def test_the_limits_of_pictures(model: str, operation: Operation, ratio: float | None) -> None:
    rules = doing(model, operation).picture
    assert rules is not None
    assert not rules.exact
    assert rules.ratio == ratio
    assert (rules.least_side, rules.least_pixels, rules.most_pixels) == (64, 4_096, 9_437_184)


def test_strengths_are_in_percent_with_the_defaults_of_the_pages() -> None:
    assert doing("sd-1.6", Operation.IMAGE_TO_IMAGE).strength == Bounds(0, 100, default=65)
    for model in SD3:
        assert doing(model, Operation.IMAGE_TO_IMAGE).strength == Bounds(0, 100, default=60)
    assert doing("control", Operation.SKETCH).strength == Bounds(0, 100)


def test_negative_prompts_are_taken_where_they_have_an_effect() -> None:
    without = {each.model for each in OPERATIONS if Ability.NEGATIVE not in each.abilities}
    assert without == {"sd-1.6", "sd3-large-turbo", "edit"}
    assert {each.operation for each in OPERATIONS if each.model == "edit" and Ability.NEGATIVE in each.abilities} == {
        Operation.INPAINT,
        Operation.SEARCH_AND_REPLACE,
    }


# --- prices -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "operation", "price"),
    [
        ("core", Operation.TEXT_TO_IMAGE, 6),
        ("ultra", Operation.TEXT_TO_IMAGE, 16),
        *((model, operation, 8) for model in SD3 for operation in ENGINES[model].operations),
        ("edit", Operation.INPAINT, 6),
        ("edit", Operation.ERASE, 6),
        ("edit", Operation.OUTPAINT, 8),
        ("edit", Operation.SEARCH_AND_REPLACE, 8),
        ("control", Operation.SKETCH, 6),
        ("control", Operation.STRUCTURE, 6),
    ],
)
def test_list_prices(model: str, operation: Operation, price: int) -> None:
    quote = Quote(price * 1000, price * 1000, price * 1000, exact=model not in SD3)
    assert doing(model, operation).price == quote
    request = asked(f"aithriving/{model}", operation=operation)
    assert make_aithriving("http://127.0.0.1:1").quote(request) == quote


def test_varying_costs_what_making_costs_with_sd_1_6() -> None:
    provider = make_aithriving("http://127.0.0.1:1")
    for size, steps in ((Size(512, 512), 30), (Size(1536, 1536), 50)):
        requests = [
            asked("aithriving/sd-1.6", operation=operation, size=size, steps=steps)
            for operation in ENGINES["sd-1.6"].operations
        ]
        assert len({provider.quote(request) for request in requests}) == 1


@pytest.mark.parametrize(
    "setting",
    [
        "ultra=20,erase=6.5 sd3-large=13",
        "ULTRA = 20 , erase= 6.50, SD3-Large =13.000",
        "ultra=20\nerase=6.5\nsd3-large=13",
    ],
)
def test_prices_can_be_set_by_engine_or_operation(setting: str) -> None:
    if "\n" in setting:
        setting = " ".join(setting.split())
    provider = configured(AITHRIVING_PRICES=setting)
    for model, operation, price in (
        ("ultra", Operation.TEXT_TO_IMAGE, 20_000),
        ("edit", Operation.ERASE, 6_500),
        ("sd3-large", Operation.IMAGE_TO_IMAGE, 13_000),
    ):
        quote = provider.quote(asked(f"aithriving/{model}", operation=operation))
        assert quote == Quote(price, price, price, exact=True)
        engine = next(each for each in provider.engines if each.model == model).doing(operation)
        assert engine is not None
        assert engine.price == quote
    assert provider.quote(asked("aithriving/core")).high == LIST_PRICES["core"]


def test_sd_1_6_can_have_a_flat_price_and_spelling_does_not_matter() -> None:
    provider = configured(AITHRIVING_PRICES="sd-1.6=1, search_and_replace=0")
    assert provider.quote(asked("aithriving/sd-1.6", steps=50)) == Quote(1000, 1000, 1000, exact=True)
    request = asked("aithriving/edit", operation=Operation.SEARCH_AND_REPLACE)
    assert provider.quote(request) == Quote(0, 0, 0, exact=True)


@pytest.mark.parametrize(
    "setting",
    ["16", "ultra", "ultra=", "ultra=x", "ultra=-1", "ultra=1.2345", "ultra=1e3", "ultra==1", "sd-xl=1", "=3"],
)
def test_invalid_prices(setting: str) -> None:
    with pytest.raises(WrongSetting) as caught:
        configured(AITHRIVING_PRICES=setting)
    assert caught.value.name == "AITHRIVING_PRICES"


def test_a_request_of_another_version_is_still_shown_with_a_price() -> None:
    provider = make_aithriving("http://127.0.0.1:1")
    for request in (asked("aithriving/gone"), asked("aithriving/core", operation=Operation.SKETCH)):
        assert provider.quote(request) == Quote(0, 0, 0, exact=False)
