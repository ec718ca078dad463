"""The panel of /settings: each choice is stored at once, for the person who makes it."""

from __future__ import annotations

from typing import Any

import pytest
import simcord

from bot.domain.prompt.parser import NOT_PLAIN_WORDS
from bot.people.user_settings import NAMES, Messages, Notify, UserSettings
from bot.ui.cards.buttons import OLD_LIST, menu_id
from bot.ui.cards.settings import (
    ABOVE,
    ALL_RESET,
    CHANGED,
    DEFAULT,
    NO,
    RESET,
    RESET_QUESTION,
    ROWS,
    SET,
    YES,
)
from tests.cogs.conftest import BASIC, CORE, Shown, Studio, card, engine, retire, told
from tests.cogs.test_threads import forge
from tests.doubles.forms import filled, send
from tests.doubles.texts import shows

pytestmark = pytest.mark.slow

XL = "ai-client/stable-diffusion-xl-1024-v0-9"
MENUS = [menu_id("setting", name) for name in NAMES if name != "text"]


async def panel(studio: Studio, person: simcord.MemberActor | None = None) -> Shown:
    return told(await (person or studio.ada).slash(studio.channel, "settings show"))


async def choose(
    studio: Studio, shown: Shown, name: str, value: str, person: simcord.MemberActor | None = None
) -> simcord.InteractionResult:
    return await (person or studio.ada).select(shown.raw, [value], custom_id=menu_id("setting", name))


def mine(studio: Studio) -> UserSettings:
    return studio.runtime.personal.of(studio.ada.id)


def values(shown: Shown, name: str) -> list[str]:
    return [option["value"] for option in shown.menus[menu_id("setting", name)]["options"]]


async def test_there_is_a_menu_for_each_setting_and_a_form_for_the_text(studio: Studio) -> None:
    shown = await panel(studio)
    assert shown.private
    assert [*shown.menus] == MENUS
    assert set(ROWS) == set(NAMES)
    assert shown.selected(menu_id("setting", "images")) == [str(ROWS["images"].default)]
    assert len(shown.labels) == 1, "there is nothing to reset"


@pytest.mark.parametrize(
    ("name", "value", "stored"),
    [
        ("engine", BASIC, BASIC),
        ("size", "wide", "wide"),
        ("style", "neon-punk", "neon-punk"),
        ("images", "3", 3),
        ("private", "True", True),
        ("png_text", "False", False),
        ("messages", Messages.NEVER.value, Messages.NEVER),
        ("notify", Notify.DM.value, Notify.DM),
        ("ask_above", "0", 0),
        ("ask_above", "5000", 5000),
    ],
)
async def test_a_choice_is_stored_at_once_and_confirmed(studio: Studio, name: str, value: str, stored: Any) -> None:
    shown = await panel(studio)
    changed = card(await choose(studio, shown, name, value))
    assert changed.raw.id == shown.raw.id
    assert mine(studio) == UserSettings(**{name: stored})
    (label,) = changed.selected(menu_id("setting", name))
    assert shows(changed.text, CHANGED(title=ROWS[name].title, value=label))
    await studio.restart()
    assert mine(studio) == UserSettings(**{name: stored})
    reset = card(await choose(studio, changed, name, DEFAULT))
    assert shows(reset.text, RESET)
    assert mine(studio) == UserSettings()


async def test_the_panel_shows_what_is_set(studio: Studio) -> None:
    await studio.ada.slash(
        studio.channel, "settings set", engine=BASIC, size="1024x512", private=False, ask_above=7.5, text="in *oil*"
    )
    shown = await panel(studio)
    assert shown.selected(menu_id("setting", "engine")) == [engine(studio, BASIC).name]
    assert shown.selected(menu_id("setting", "size")) == ["1024x512"]
    assert shown.selected(menu_id("setting", "private")) == [str(NO)]
    assert shown.selected(menu_id("setting", "png_text")) != [str(YES)], "a default is marked as one"
    assert shown.selected(menu_id("setting", "ask_above")) == [str(ABOVE(price=7500))]
    assert shows(shown.text, SET(title=ROWS["text"].title, value=r"in \*oil\*"))
    assert values(shown, "size")[:2] == [DEFAULT, "1024x512"]


async def test_a_setting_is_used_by_the_next_command(studio: Studio) -> None:
    await choose(studio, await panel(studio), "images", "2")
    result = await studio.imagine()
    await studio.finish()
    assert len(card(result).images) == 2


async def test_styles_and_sizes_fit_the_engine_that_is_used(studio: Studio) -> None:
    shown = await panel(studio)
    assert values(shown, "style") == [DEFAULT, *engine(studio, CORE).styles]
    changed = card(await choose(studio, shown, "engine", XL))
    assert values(changed, "style") == [DEFAULT, *engine(studio, XL).styles]
    assert "21:9" in values(changed, "size")


async def test_the_text_has_a_form(studio: Studio) -> None:
    shown = await panel(studio)
    form = await studio.press(studio.ada, shown, shown.labels[0])
    sent = await send(studio.ada, form, Words_to_add="  in oil ")
    assert card(sent).raw.id == shown.raw.id
    assert shows(card(sent).text, CHANGED(title=ROWS["text"].title, value="in oil"))
    assert mine(studio).text == "in oil"
    again = await studio.press(studio.ada, card(sent), shown.labels[0])
    refused = await send(studio.ada, again, Words_to_add="a --no b")
    assert shows(told(refused).text, NOT_PLAIN_WORDS)
    assert mine(studio).text == "in oil"
    offered = await studio.press(studio.ada, told(refused), "Edit again")
    assert filled(offered) == {"Words to add": "a --no b"}
    cleared = await send(studio.ada, await studio.press(studio.ada, card(sent), shown.labels[0]), Words_to_add="")
    assert mine(studio) == UserSettings()
    assert shows(card(cleared).text, RESET)


async def test_reset_asks_first(studio: Studio) -> None:
    await studio.ada.slash(studio.channel, "settings set", engine=BASIC, text="in oil", png_text=False)
    shown = await panel(studio)
    question = card(await studio.press(studio.ada, shown, "Reset all"))
    assert question.raw.id == shown.raw.id
    assert shows(question.text, RESET_QUESTION)
    kept = card(await studio.press(studio.ada, question, "Keep"))
    assert [*kept.menus] == MENUS
    assert mine(studio).engine == BASIC
    question = card(await studio.press(studio.ada, kept, "Reset all"))
    await studio.restart()
    done = card(await studio.press(studio.ada, question, "Reset all"))
    assert shows(done.text, ALL_RESET)
    assert mine(studio) == UserSettings()
    assert "Reset all" not in done.labels


async def test_the_panel_works_after_a_restart_and_in_direct_messages(studio: Studio) -> None:
    shown = card(await studio.ada.user.slash("settings show"))
    await studio.restart()
    await studio.ada.user.select(shown.raw, ["2"], custom_id=menu_id("setting", "images"))
    assert mine(studio) == UserSettings(images=2)
    assert (await studio.ada.user.click(shown.raw, label=shown.labels[0])).modal is not None


@pytest.mark.parametrize("custom_id", ["page:reset:1", "page:settings:1", "page:resetask:1"])
async def test_a_forged_button_concerns_only_the_settings_of_the_person_who_presses_it(
    studio: Studio, custom_id: str
) -> None:
    await studio.ada.slash(studio.channel, "settings set", images=2)
    shown = told(await forge(studio, studio.ben, custom_id))
    assert shown.private
    assert mine(studio) == UserSettings(images=2)


async def test_a_choice_that_is_no_longer_offered_is_refused(studio: Studio) -> None:
    shown = await panel(studio)
    retire(studio, XL)
    refused = await choose(studio, shown, "engine", XL)
    assert shows(told(refused).text, OLD_LIST)
    assert mine(studio) == UserSettings()


async def test_an_engine_that_is_gone_is_still_shown(studio: Studio) -> None:
    await studio.ada.slash(studio.channel, "settings set", engine=XL)
    retire(studio, XL)
    (label,) = (await panel(studio)).selected(menu_id("setting", "engine"))
    assert XL in label
