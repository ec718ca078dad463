"""Edits in servers, direct messages, and places where only the person has installed the app."""

from __future__ import annotations

import pytest

from fakes.discord.people import Person
from storage.records import JobStatus
from tests.wire.house import House

ERASE = "aithriving.erase"


@pytest.mark.parametrize("place", ["server", "direct message", "installed by the person"])
async def test_an_image_is_edited_by_command_and_from_the_menu_of_its_message(
    home: House, ada: Person, place: str
) -> None:
    person, where = ada, home.channel
    if place == "direct message":
        where = ada.dm
    elif place == "installed by the person":
        person = home.discord.user("guest", installed_app=True)
        where = home.discord.guild("Elsewhere", bot_present=False).channel("lounge")
    asked = await home.begun(person, where)
    await home.done()
    panel = await (await person.context(await asked.message(), "Edit this picture")).answered()
    assert panel.private
    assert any(label.startswith("Vary a little") for label in panel.labels)
    typed = await person.slash(where, "edit erase", image="1-1", area="1,2")
    await typed.acknowledged()
    await home.services.called(ERASE, 1)
    job = await home.done(2)
    assert (job.status, job.parent_id) == (JobStatus.DELIVERED, 1)
    assert (await typed.message()).id in {seen.id for seen in home.shown()}
