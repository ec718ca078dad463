"""The users who edit results use the real bot's panel and forms."""

from __future__ import annotations

import random

import pytest

from chaos import users
from chaos.editors import TOOLS, Editors, is_panel
from chaos.outcomes import number_in, traces
from chaos.users import CORE, Crowd
from fakes.discord.seen import look_at
from tests.wire.conftest import ada, channel, discord, home
from tests.wire.house import CORE_ROUTE, House

pytestmark = pytest.mark.slow

__all__ = ["ada", "channel", "discord", "home"]

COMMANDS = {
    "vary": "image_to_image",
    "words": "search_and_replace",
    "part": "inpaint",
    "extend": "outpaint",
    "sketch": "sketch",
    "structure": "structure",
}
ROUTES = {"words": "search_and_replace", "structure": "structure", "sketch": "sketch", "start": "image_to_image"}


def uploaded(home: House) -> tuple[str, int | None]:
    """The operation and the number of the only call with a picture."""
    (call,) = [call for call in home.services.calls if call.files]
    return call.route.rpartition(".")[2], number_in(str(call.body))


@pytest.mark.parametrize(("tool", "images"), [*((tool, 1) for tool in TOOLS), ("words", 2)])
async def test_an_image_of_a_result_is_edited(home: House, tool: str, images: int) -> None:
    crowd = Crowd(home.discord, random.Random(1))
    editors = Editors(crowd, random.Random(1), [tool])
    first = await crowd.ask(engine=CORE, images=images, words="paper", attached=False)
    await home.services.called(CORE_ROUTE, images)
    await home.done()
    while len(crowd.asks) == 1:
        for handle in await editors.step():
            await handle.acknowledged()
            original = handle.interaction.original
            if original is not None:
                await handle.answered()
    edit = crowd.asks[-1]
    assert (first.edited, edit.number, edit.images) == (True, 2, 1)
    await home.discord.until(lambda: any(call.files for call in home.services.calls), "the upload")
    await home.done(2)
    await home.discord.until(lambda: edit.card is not None and edit.card.pictures, "the result")
    assert uploaded(home) == (ROUTES[tool], 2)
    assert {number: len(its.shown) for number, its in traces(home.discord).items()} == {1: 1, 2: 1}
    assert any(is_panel(look_at(message)) for message in home.discord.world.everything_said())


@pytest.mark.parametrize("command", users.EDITS)
async def test_a_photo_is_edited_and_its_place_leaves_nowhere(
    home: House, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setattr(users, "EDITS", {command: users.EDITS[command]})
    monkeypatch.setattr(users, "OF_RESULTS", 0.0)
    crowd = Crowd(home.discord, random.Random(1))
    edit = await crowd.edit()
    await home.discord.until(lambda: any(call.files for call in home.services.calls), "the upload")
    await home.done()
    await home.discord.until(lambda: edit.card and edit.card.pictures, "the result")
    assert (uploaded(home), edit.attached) == ((COMMANDS[command], 1), True)
    assert [upload.metadata for call in home.services.calls for upload in call.files.values() if upload.metadata] == []


async def test_an_edit_may_start_from_a_result(home: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(users, "EDITS", {"words": users.EDITS["words"]})
    monkeypatch.setattr(users, "OF_RESULTS", 1.0)
    crowd = Crowd(home.discord, random.Random(1))
    first = await crowd.ask(engine=CORE, images=1, words="paper", attached=False)
    await home.services.called(CORE_ROUTE)
    await home.done()
    edit = await crowd.edit()
    await home.discord.until(lambda: any(call.files for call in home.services.calls), "the upload")
    await home.done(2)
    await home.discord.until(lambda: edit.card and edit.card.pictures, "the result")
    assert (uploaded(home), edit.attached, first.edited) == (("search_and_replace", 2), False, True)
