"""In a language a third longer than English, all commands and buttons stay within Discord's limits.

The loopback Discord checks each message, form and list of choices against those limits.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bot.text import t
from bot.ui.cards.buttons import JOB_ACTIONS, SERVER_ACTIONS, server_id
from bot.ui.cards.help import SUBJECTS
from fakes.discord.components import Component, walk
from fakes.discord.constants import Answer
from fakes.discord.people import Person
from fakes.discord.seen import Seen
from tests.doubles.texts import MARK
from tests.wire.everything import (
    CHOICES,
    JOB,
    MESSAGE_MENU,
    PAGES,
    PARTS,
    PICTURE_MENUS,
    PICTURES,
    SINGLE,
    TYPED,
    filled,
    result_of,
    stand,
    stand_menu,
)
from tests.wire.house import House

pytestmark = pytest.mark.usefixtures("made_up_language")


@pytest.fixture
async def home(made_up_language: None, home: House) -> House:
    return home


def said(seen: Seen) -> Iterator[str]:
    """The labels of all buttons, and all texts except the heading of a job with its prompt and engine."""
    for component in walk(seen.message.history[-1].components):
        if component["type"] == Component.BUTTON:
            yield component["label"]
        elif component["type"] == Component.TEXT and "Stable Image Core" not in component["content"]:
            yield component["content"]


@pytest.mark.slow
async def test_every_command(home: House, admin: Person) -> None:
    await result_of(home, admin)
    typed = TYPED | {"help": [{}, *({"about": subject} for subject in SUBJECTS)]}
    # Commands that delete come last, so that the other commands have something to show.
    for name in sorted(typed, key=lambda name: "delete" in name):
        for options in typed[name]:
            values = {option: admin if value is None else value for option, value in options.items()}
            seen = await filled(await admin.slash(home.channel, name, **values))
            if seen is not None:
                assert [words for words in said(seen) if MARK not in words] == [], f"/{name} has words in English"
    await home.done()


@pytest.mark.slow
async def test_every_button(home: House, admin: Person) -> None:
    result = await result_of(home, admin)
    for name in sorted(MESSAGE_MENU):
        await filled(await admin.context(result, name))
    of_server = [server_id(action) for action in SERVER_ACTIONS]
    buttons = [f"easel:{action}:{JOB}" for action in sorted(JOB_ACTIONS, key=lambda name: "delete" in name)]
    buttons += (*PICTURES.values(), *PARTS.values())
    for custom_id, value in (*CHOICES.values(), *PICTURE_MENUS.values()):
        await filled(await admin.choose(await stand_menu(home, custom_id, value), value))
    for message in await stand(home, *PAGES.values(), *of_server, *SINGLE.values(), *buttons):
        await filled(await admin.press(message, "Press"))
    home.services.finish_all()
    await home.runtime.worker.idle()


async def test_a_form_that_is_refused(home: House, admin: Person) -> None:
    await result_of(home, admin)
    (message,) = await stand(home, f"easel:edit:{JOB}")
    opened = await admin.press(message, "Press")
    assert await opened.acknowledged() is Answer.MODAL
    await opened.modal()
    sent = await admin.submit(opened, **{str(t("Prompt")): "a fox --nonsense"})
    await filled(sent)
