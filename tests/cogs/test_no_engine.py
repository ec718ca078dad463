"""A bot without any engine: its only image server was away when it started."""

from __future__ import annotations

from typing import Any

import pytest

from bot.domain.engines import NO_ENGINES
from bot.ui.cards.setup import WELCOME
from bot.ui.welcome import NO_ENGINE
from tests.cogs.conftest import MakeStudio, Studio, card, told
from tests.cogs.test_welcome import cards, joins, words
from tests.doubles.texts import shows

NOWHERE = "http://127.0.0.1:9"


@pytest.fixture
async def studio(make_studio: MakeStudio) -> Studio:
    return await make_studio(AI_CLIENT_TOKEN="", AITHRIVING_KEY="", DEFAULT_ENGINE="", COMFYUI_URL=NOWHERE)


@pytest.mark.parametrize("command", ["help", "engines", "imagine", "compare"])
async def test_commands_about_images_say_that_there_is_no_engine(studio: Studio, command: str) -> None:
    options: dict[str, Any] = {"prompt": "a fox"} if command in {"imagine", "compare"} else {}
    answer = told(await studio.ada.slash(studio.channel, command, **options))
    assert shows(answer.text, NO_ENGINES)


async def test_settings_work(studio: Studio) -> None:
    answer = card(await studio.ada.slash(studio.channel, "settings show"))
    assert not shows(answer.text, NO_ENGINES)
    assert "Edit text" in answer.labels


async def test_admins_are_told(studio: Studio) -> None:
    for command, options in (("setup", {}), ("server test", {"member": studio.ada})):
        answer = told(await studio.admin.slash(studio.channel, command, **options))
        assert shows(answer.text, NO_ENGINES), command


async def test_the_welcome_card_says_it(studio: Studio) -> None:
    await joins(studio)
    (welcome,) = cards(studio.channel)
    assert shows(words(welcome), WELCOME)
    assert shows(words(welcome), NO_ENGINE)
