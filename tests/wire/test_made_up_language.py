"""In a language a third longer than English, all that can be typed and pressed is still within Discord's limits.

The loopback Discord holds each message, form and list of choices against those limits.
"""

from __future__ import annotations

import pytest

from bot.ui.buttons import ACTIONS
from bot.ui.cards.help import SUBJECTS
from fakes.discord.constants import Answer
from fakes.discord.people import Person
from tests.wire.everything import JOB, MENUS, PAGES, TYPED, filled, result_of, stand
from tests.wire.house import House

pytestmark = pytest.mark.usefixtures("made_up_language")


@pytest.fixture
async def home(made_up_language: None, home: House) -> House:
    return home


async def test_every_command(home: House, admin: Person) -> None:
    await result_of(home, admin)
    typed = TYPED | {"help": [{}, *({"about": subject} for subject in SUBJECTS)]}
    # What deletes comes last, so that the other commands find something to show.
    for name in sorted(typed, key=lambda name: "delete" in name):
        for options in typed[name]:
            values = {option: admin if value is None else value for option, value in options.items()}
            await filled(await admin.slash(home.channel, name, **values))
    home.services.finish_all()


async def test_every_button(home: House, admin: Person) -> None:
    result = await result_of(home, admin)
    for name in sorted(MENUS):
        await filled(await admin.context(result, name))
    buttons = [f"easel:{action}:{JOB}" for action in sorted(ACTIONS, key=lambda name: "delete" in name)]
    for message in await stand(home, *PAGES.values(), *buttons):
        await filled(await admin.press(message, "Press"))
    home.services.finish_all()


async def test_a_form_that_is_refused(home: House, admin: Person) -> None:
    await result_of(home, admin)
    (message,) = await stand(home, f"easel:edit:{JOB}")
    opened = await admin.press(message, "Press")
    assert await opened.acknowledged() is Answer.MODAL
    await opened.modal()
    sent = await admin.submit(opened, Prompt="a fox --nonsense")
    await filled(sent)
