"""``/server set pictures``: whose pictures images can be made from in a server."""

from __future__ import annotations

from typing import Any

import pytest
import simcord

from bot.domain.rules import NO_PICTURES, ONLY_RESULTS, WORD_REFUSED, PicturesAllowed
from bot.ui.cards.server import PICTURES, RULE, TITLES, changes_text
from storage.records import JobStatus
from tests.cogs.conftest import BASIC, Shown, Studio, card, told
from tests.cogs.test_imagine_picture import photo
from tests.doubles.texts import shows

pytestmark = pytest.mark.slow

EDITS: dict[str, dict[str, str]] = {
    "vary": {"prompt": "a fox"},
    "words": {"find": "the fox", "prompt": "a bear"},
    "part": {"prompt": "a boat", "area": "1,2"},
    "erase": {"area": "1,2"},
    "extend": {"by": "wider"},
    "sketch": {"prompt": "a fox"},
    "structure": {"prompt": "a fox"},
}


async def never(_: object, **__: object) -> bytes:
    raise AssertionError("a picture that is not allowed was downloaded")


async def allow(studio: Studio, pictures: str) -> simcord.InteractionResult:
    return await studio.admin.slash(studio.channel, "server set", pictures=pictures)


async def vary(studio: Studio, **options: Any) -> simcord.InteractionResult:
    return await studio.imagine(engine=BASIC, picture=("photo.jpg", photo()), **options)


async def result(studio: Studio) -> Shown:
    made = await studio.imagine()
    await studio.finish()
    return card(made)


@pytest.mark.parametrize("pictures", PicturesAllowed)
async def test_the_rule_is_shown_announced_and_reset(studio: Studio, pictures: PicturesAllowed) -> None:
    announced = told(await allow(studio, pictures.value)).text
    assert changes_text({"pictures": pictures})[0] in announced
    shown = told(await studio.admin.slash(studio.channel, "server show")).text
    assert str(RULE(rule=TITLES["pictures"], value=PICTURES[pictures])) in shown
    await studio.restart()
    assert studio.runtime.servers.rules(studio.server.id).pictures is pictures
    await studio.admin.slash(studio.channel, "server set", clear="pictures")
    assert studio.runtime.servers.rules(studio.server.id).pictures is PicturesAllowed.ANYBODYS


@pytest.mark.parametrize(("pictures", "why"), [("nobodys", NO_PICTURES), ("results", ONLY_RESULTS)])
async def test_an_attached_picture_is_refused_before_it_is_downloaded(
    studio: Studio, monkeypatch: pytest.MonkeyPatch, pictures: str, why: Any
) -> None:
    await allow(studio, pictures)
    monkeypatch.setattr("discord.Attachment.read", never)
    refused = told(await vary(studio))
    assert shows(refused.text, why)
    assert refused.private
    assert studio.stand_in.calls == []


@pytest.mark.parametrize(("pictures", "allowed"), [("nobodys", False), ("results", True), ("anybodys", True)])
async def test_images_of_the_bot_are_allowed_unless_nobodys_are(studio: Studio, pictures: str, allowed: bool) -> None:
    shown = await result(studio)
    await allow(studio, pictures)
    panel = told(await studio.press(studio.ben, shown, "Edit picture"))
    assert shows(panel.text, NO_PICTURES) is not allowed
    assert ("Use as start" in " ".join(panel.labels)) is allowed


async def test_a_panel_from_before_the_rule_starts_nothing(studio: Studio) -> None:
    shown = await result(studio)
    panel = told(await studio.press(studio.ada, shown, "Edit picture"))
    calls = len(studio.stand_in.calls)
    await allow(studio, "nobodys")
    for label in [each for each in panel.labels if each.startswith(("Vary", "Change by words", "Extend", "Use as"))]:
        refused = told(await studio.press(studio.ada, panel, label))
        assert shows(refused.text, NO_PICTURES), label
    assert len(studio.stand_in.calls) == calls


async def test_again_on_a_result_from_before_the_rule_is_refused(studio: Studio) -> None:
    made = await vary(studio)
    await studio.finish()
    calls = len(studio.stand_in.calls)
    await allow(studio, "results")
    assert shows(told(await studio.press(studio.ada, card(made), "Again")).text, ONLY_RESULTS)
    assert len(studio.stand_in.calls) == calls


async def test_direct_messages_have_no_rules(studio: Studio) -> None:
    await allow(studio, "nobodys")
    await studio.ada.user.slash("imagine", prompt="a fox", engine=BASIC, picture=("photo.jpg", photo()))
    await studio.finish()
    assert (await studio.job()).status is JobStatus.DELIVERED


async def test_refused_words_count_with_a_picture_too(studio: Studio) -> None:
    await studio.admin.slash(studio.channel, "server set", refused_words="knife")
    assert shows(told(await vary(studio, prompt="a knife")).text, WORD_REFUSED(word="knife"))
    assert studio.stand_in.calls == []


async def test_the_commands_for_edits_follow_the_rule(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    await result(studio)
    calls = len(studio.stand_in.calls)
    await allow(studio, "results")
    monkeypatch.setattr("discord.Attachment.read", never)
    brought = {"picture": ("photo.jpg", photo())}
    for name, options in EDITS.items():
        refused = told(await studio.ada.slash(studio.channel, f"edit {name}", **brought, **options))
        assert shows(refused.text, ONLY_RESULTS), name
    await allow(studio, "nobodys")
    for name, options in EDITS.items():
        refused = told(await studio.ada.slash(studio.channel, f"edit {name}", image="1-1", **options))
        assert shows(refused.text, NO_PICTURES), name
    assert len(studio.stand_in.calls) == calls


async def test_a_part_cannot_be_marked_in_a_picture_that_is_not_allowed(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    await result(studio)
    await allow(studio, "results")
    marked = told(await studio.ada.slash(studio.channel, "edit erase", image="1-1"))
    assert marked.menus
    monkeypatch.setattr("discord.Attachment.read", never)
    refused = told(await studio.ada.slash(studio.channel, "edit erase", picture=("photo.jpg", photo())))
    assert shows(refused.text, ONLY_RESULTS)
    await allow(studio, "nobodys")
    refused = told(await studio.ada.slash(studio.channel, "edit erase", image="1-1"))
    assert shows(refused.text, NO_PICTURES)


@pytest.mark.parametrize(("pictures", "why"), [("nobodys", NO_PICTURES), ("results", ONLY_RESULTS)])
async def test_a_picture_of_a_message_is_not_downloaded_if_it_is_not_allowed(
    studio: Studio, monkeypatch: pytest.MonkeyPatch, pictures: str, why: Any
) -> None:
    message = await studio.ben.send(studio.channel, "look", attachments=[("photo.jpg", photo())])
    await allow(studio, pictures)
    monkeypatch.setattr("discord.Attachment.read", never)
    refused = told(await studio.ada.context_menu(studio.channel, "Edit this picture", message))
    assert shows(refused.text, why)
