"""The table of options: one row is enough for parsing, printing, checks, comparisons and the form."""

from __future__ import annotations

from dataclasses import fields

import pytest

from bot.domain.engines import NAME_MISSPELT, NOT_TAKEN_BY_ANY, OUT_OF_RANGE, ImageSpec, fitted, misfits
from bot.domain.features import Option
from bot.domain.money import Price
from bot.domain.options import FLAGS, OPTIONS, Defaults, ImagineOptions
from bot.domain.prompt.parser import ParsedPrompt, parse, parse_leniently
from bot.domain.prompt.tokens import PromptError
from bot.domain.requests import merged, plan, read_command
from bot.domain.values import decimal_number, means_nothing, value_text, whole_number
from bot.errors import UserError
from bot.people.user_settings import UserSettings
from bot.providers.base import Ability, Bounds, ImageRequest, WeightedText
from bot.text import Message, t
from bot.ui.cards.engines import engine_card
from tests.doubles.cards import said
from tests.doubles.engines import BASIC, CORE, ENGINES, XL
from tests.doubles.texts import codes

MOOD = Option(
    name="mood",
    label=t("Mood"),
    noun=t("a mood"),
    ability=Ability.SAMPLER,
    description=t("How it feels"),
    kind=str,
    low=1,
    high=20,
    flags=("mood", "feel"),
    expects=t("the name of a mood"),
    read=str,
    said=Message("", "{value} mood"),
    names=lambda engine: ("grim", "merry") if engine is BASIC else (),
)
WEIRDNESS = Option(
    name="weirdness",
    label=t("Strength"),
    noun=t("a weirdness"),
    bounds=lambda engine: Bounds(0, 1),
    description=t("How much of it"),
    kind=float,
    low=0,
    high=1,
    flags=("weirdness",),
    expects=t("a number such as 0.5"),
    read=decimal_number,
    said=Message("", "weirdness {value}"),
)


@pytest.fixture
def two_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """The table with two additional rows."""
    for option in (MOOD, WEIRDNESS):
        monkeypatch.setitem(OPTIONS, option.name, option)
        for flag in option.flags:
            monkeypatch.setitem(FLAGS, flag, option)
    parse_leniently.cache_clear()


@pytest.mark.usefixtures("two_more")
def test_a_row_is_enough_for_a_flag() -> None:
    prompt = parse("a fox --feel grim --weirdness .5")
    assert prompt == ParsedPrompt((WeightedText("a fox"),), {"mood": "grim", "weirdness": 0.5})
    assert prompt.text() == "a fox --mood grim --weirdness 0.5"
    for wrong in ("a fox --mood", "a fox --weirdness much", "a fox --mood grim --feel merry", "a fox --mood grim day"):
        with pytest.raises(PromptError):
            parse(wrong)
    parse_leniently.cache_clear()


@pytest.mark.usefixtures("two_more")
def test_a_row_is_enough_for_the_checks() -> None:
    with pytest.raises(UserError) as caught:
        plan(read_command(ImagineOptions("a fox --mood grim")), {XL.id: XL, CORE.id: CORE}, XL.id)
    assert NOT_TAKEN_BY_ANY.code in codes(caught.value)
    with pytest.raises(UserError) as caught:
        plan(read_command(ImagineOptions("a fox --mood grimm --weirdness 2")), ENGINES, BASIC.id)
    assert codes(caught.value) == [NAME_MISSPELT.code, OUT_OF_RANGE.code]


@pytest.mark.usefixtures("two_more")
def test_a_row_is_enough_for_the_left_out_list_of_a_comparison() -> None:
    spec = ImageSpec((WeightedText("a fox"),), merged(ImagineOptions("a fox"), {"mood": "grim", "weirdness": 2.0}, []))
    assert [each.feature for each in misfits(spec, BASIC)] == [WEIRDNESS]
    fit, left_out = fitted(spec, XL)
    assert (dict(fit.values), left_out) == ({}, (MOOD.noun, WEIRDNESS.text(2.0)))


@pytest.mark.usefixtures("two_more")
def test_a_row_is_enough_for_the_card_of_an_engine() -> None:
    words = said(engine_card(BASIC, lambda _: Price(400, 2000, exact=False), default=""))
    assert "Mood: grim, merry" in words
    assert str(MOOD.label) not in said(engine_card(XL, lambda _: Price(400, 2000, exact=False), default=""))


def test_every_option_can_be_stored_sent_and_set_as_a_default() -> None:
    assert OPTIONS.keys() <= {field.name for field in fields(ImagineOptions)}
    assert OPTIONS.keys() <= {field.name for field in fields(ImageRequest)}
    for holder in (Defaults, UserSettings):
        assert {option.name for option in OPTIONS.values() if option.has_default} <= {
            each.name for each in fields(holder)
        }


def test_every_flag_belongs_to_one_option() -> None:
    assert [flag for option in OPTIONS.values() for flag in option.flags] == list(FLAGS)


@pytest.mark.parametrize(
    ("value", "text"),
    [(1.0, "1"), (-0.5, "-0.5"), (0.00001, "0.00001"), (10, "10"), (1e22, "1" + "0" * 22), (0.0, "0")],
)
def test_numbers_are_written_as_people_write_them(value: float, text: str) -> None:
    assert value_text(value) == text


@pytest.mark.parametrize("text", ["", "x", "1.5", "-1", "1" * 13, "٣", "1_0"])
def test_invalid_integers(text: str) -> None:
    with pytest.raises(ValueError):
        whole_number(text)


@pytest.mark.parametrize("text", ["none", " No ", "-", "—", "“nothing”", "Clear"])
def test_values_that_clear_a_setting(text: str) -> None:
    assert means_nothing(text)
    assert not means_nothing(f"{text} cats")
