"""The panel of a person's settings fits Discord's limits, whatever is set."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.domain.prompt.parser import ADDED_AT_MOST
from bot.people.user_settings import NAMES, STYLE_MISFIT, Messages, Notify, UserSettings
from bot.ui.cards.settings import DEFAULT, SettingsView, menu, reset_question, settings_card
from tests.doubles.cards import check, everything
from tests.doubles.engines import ENGINES, XL
from tests.doubles.views import ENGINE

MANY = {f"x/{number}": replace(ENGINE, id=f"x/{number}", name=f"Engine {number}") for number in range(60)}
FULLEST = UserSettings(
    engine="x/59",
    size="1024x1024",
    style="*" * 100,
    images=10,
    private=True,
    text="*" * ADDED_AT_MOST,
    png_text=False,
    messages=Messages.LATE_RESULTS,
    notify=Notify.CHANNEL,
    ask_above=999_999_999_999,
)


@pytest.mark.usefixtures("any_language")
@pytest.mark.parametrize("changed", [(), ("text", "style"), NAMES[:-1], NAMES])
@pytest.mark.parametrize("settings", [UserSettings(), FULLEST])
def test_the_fullest_panel_is_within_the_limits(settings: UserSettings, changed: tuple[str, ...]) -> None:
    crowded = replace(XL, name="*" * 100, styles=tuple(f"style-{number}" for number in range(80)))
    misfits = tuple(STYLE_MISFIT(engine="*" * 100, style="*" * 100) for _ in range(2))
    check(settings_card(SettingsView(settings, MANY, crowded, misfits, changed)))


@pytest.mark.usefixtures("any_language")
def test_the_question_is_within_the_limits() -> None:
    check(reset_question())


def test_a_menu_holds_the_current_value_even_if_there_are_too_many() -> None:
    options = menu("engine", SettingsView(FULLEST, MANY, ENGINE))
    assert options is not None
    assert len(options) == 25
    assert [option.value for option in options if option.default] == ["x/59"]
    assert options[0].value == DEFAULT


def test_each_menu_has_exactly_one_selected_option() -> None:
    for settings in (UserSettings(), FULLEST):
        card = settings_card(SettingsView(settings, dict(ENGINES), XL))
        menus = [part for part in everything(card) if part["type"] == 3]
        assert len(menus) == len(NAMES) - 1
        for each in menus:
            assert sum(option.get("default", False) for option in each["options"]) == 1, each["custom_id"]


def test_an_engine_without_a_list_of_styles_offers_those_of_the_others() -> None:
    engine = replace(ENGINE, styles=())
    options = menu("style", SettingsView(UserSettings(), {**ENGINES, engine.id: engine}, engine))
    assert options is not None
    assert {option.value for option in options} > {XL.styles[0]}


def test_the_default_engine_is_named() -> None:
    options = menu("engine", SettingsView(UserSettings(), dict(ENGINES), XL))
    assert options is not None
    assert XL.name in options[0].label
