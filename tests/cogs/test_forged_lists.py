"""Forged buttons of lists: they show no data of another person, and nothing private in public."""

from __future__ import annotations

import pytest

from bot.people import threads as verbs
from bot.ui.cards.buttons import OLD_LIST
from bot.ui.cards.threads import NO_PREVIEW
from bot.ui.interactions import APOLOGY
from storage import jobs
from storage import threads as stored
from storage.jobs import JobFilter
from tests.cogs.conftest import MakeStudio, Studio, card, told
from tests.cogs.test_threads import forge, made, run, seen_by
from tests.doubles.texts import shows

pytestmark = pytest.mark.slow


async def test_forged_lists_show_nothing_of_another_person(studio: Studio) -> None:
    await made(studio, "a secret fox", private=True)
    for name, options in (("use", {}), ("show", {}), ("rename", {"title": "mine"}), ("delete", {})):
        for wanted in ("1", "a secret fox"):
            for person in (studio.ben, studio.admin):
                said = await run(studio, name, person, thread=wanted, **options)
                assert "no such thread" in said.text
                assert "secret" not in said.text
    for person in (studio.ben, studio.admin):
        for wanted in ("page:gallery:1:1", "page:use:1:1", "page:delete:1:1", "page:threads:1"):
            said = told(await forge(studio, person, wanted))
            assert said.private
            assert "secret" not in said.text
            assert not said.images
        assert await studio.ben.autocomplete(studio.channel, "thread show", "thread", "") == []
    async with studio.runtime.database.read() as connection:
        assert await jobs.count_jobs(connection, studio.ada.id, JobFilter()) == 1
        (thread,) = await stored.find_threads(connection, studio.ada.id, studio.server.id, "")
    assert thread.title == "a secret fox"


@pytest.mark.parametrize("wanted", ["9" * 18, "9" * 19, "-1", "0", "1 OR 1=1", "%", "", "１"])
async def test_invalid_ids_are_refused(studio: Studio, wanted: str) -> None:
    await made(studio, "a fox")
    assert "no such thread" in told(await forge(studio, studio.ada, f"page:gallery:1:{wanted}")).text


async def test_a_list_of_another_version_is_refused(studio: Studio) -> None:
    assert shows(told(await forge(studio, studio.ada, "page:nothing:1")).text, OLD_LIST)


async def test_a_list_never_appears_in_a_public_message(studio: Studio) -> None:
    await made(studio, "a secret fox", private=True)
    pressed = await forge(studio, studio.ada, "page:gallery:1:1")
    assert told(pressed).images
    assert "Forged" in seen_by(studio, studio.ben)
    assert "secret" not in seen_by(studio, studio.ben)


async def test_an_error_in_a_list_is_reported(
    studio: Studio, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(*_: object) -> None:
        raise ZeroDivisionError("a made-up fault")

    monkeypatch.setattr(verbs.Threads, "list", broken)
    assert shows(told(await forge(studio, studio.ada, "page:threads:1")).text, APOLOGY)
    assert "a made-up fault" in caplog.text
    caplog.clear()


async def test_jobs_continue_if_previews_cannot_be_made(
    make_studio: MakeStudio, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("bot.jobs.image_files.small", lambda _: 1 / 0)
    studio = await make_studio()
    result = await studio.imagine(prompt="a fox")
    await studio.finish()
    assert len(card(result).images) == 1
    shown = await run(studio, "show")
    assert shows(shown.text, NO_PREVIEW(number=1))
    assert not shown.images
    assert "preview.not_made" in caplog.text
