"""Each button of a result, pressed by the author, another member, an admin, and in a direct message."""

from __future__ import annotations

import pytest
import simcord

from bot.jobs.results import DELETE_NOT_ALLOWED
from bot.ui.cards.event_log import TITLE
from bot.ui.cards.job import JOB_STATUS
from storage.records import JobStatus
from tests.cogs.conftest import Studio, card, told
from tests.doubles.texts import shows

pytestmark = pytest.mark.slow

WHO = ("author", "member", "admin", "direct message")


async def pressed(studio: Studio, who: str, label: str) -> tuple[simcord.InteractionResult, simcord.InteractionResult]:
    """Press a button on a result with a fixed seed; returns the outcome."""
    person: simcord.MemberActor | simcord.UserHandle
    if who == "direct message":
        person = studio.ada.user
        result = await studio.ada.user.slash("imagine", prompt="a fox", seed=7)
    else:
        person = {"author": studio.ada, "member": studio.ben, "admin": studio.admin}[who]
        result = await studio.imagine(studio.ada, prompt="a fox", seed=7)
    await studio.finish()
    answer = await person.click(card(result).raw, label=label)
    if label == "Again":
        answer = await person.click(told(answer).raw, label="Same seed: 6 credits")
    await studio.finish()
    return result, answer


@pytest.mark.parametrize("who", WHO)
@pytest.mark.parametrize("label", ["Again", "New seed"])
async def test_everybody_can_use_again_and_new_seed(studio: Studio, who: str, label: str) -> None:
    result, answer = await pressed(studio, who, label)
    assert card(answer).raw.id != card(result).raw.id
    assert len(card(answer).images) == 1
    asker = {"member": studio.ben, "admin": studio.admin}.get(who, studio.ada)
    assert f"<@{asker.id}>" in card(answer).text


@pytest.mark.parametrize("who", WHO)
async def test_everybody_can_edit(studio: Studio, who: str) -> None:
    _, answer = await pressed(studio, who, "Edit prompt")
    assert answer.modal is not None


@pytest.mark.parametrize("who", WHO)
async def test_everybody_can_open_the_panel_of_the_picture_privately(studio: Studio, who: str) -> None:
    _, answer = await pressed(studio, who, "Edit picture")
    assert told(answer).labels[-1] == "Original file"


@pytest.mark.parametrize("who", WHO)
@pytest.mark.parametrize("label", ["Vary a little", "Vary a lot"])
async def test_everybody_can_vary_the_picture(studio: Studio, who: str, label: str) -> None:
    result, panel = await pressed(studio, who, "Edit picture")
    person = {"member": studio.ben, "admin": studio.admin, "author": studio.ada}.get(who, studio.ada.user)
    (found,) = [each for each in told(panel).labels if each.startswith(label)]
    varied = await person.click(told(panel).raw, label=found)
    await studio.finish()
    assert card(varied).raw.id != card(result).raw.id
    assert len(card(varied).images) == 1


@pytest.mark.parametrize("who", WHO)
async def test_everybody_can_open_details_privately(studio: Studio, who: str) -> None:
    _, answer = await pressed(studio, who, "Details")
    assert str(JOB_STATUS[JobStatus.DELIVERED]) in told(answer).text


@pytest.mark.parametrize("who", WHO)
async def test_everybody_can_read_the_log_privately(studio: Studio, who: str) -> None:
    _, answer = await pressed(studio, who, "Details")
    person = {"member": studio.ben, "admin": studio.admin, "author": studio.ada}.get(who, studio.ada.user)
    log = await person.click(told(answer).raw, label="Log")
    assert card(log).private
    assert shows(card(log).text, TITLE(job=1))


@pytest.mark.parametrize("who", WHO)
async def test_only_the_author_and_moderators_can_delete(studio: Studio, who: str) -> None:
    result, answer = await pressed(studio, who, "Delete")
    if who == "member":
        assert shows(told(answer).text, DELETE_NOT_ALLOWED)
    else:
        assert told(answer).labels == ["Delete for good", "Keep"]
    assert len(card(result).images) == 1
