"""Editing: a form filled from a job, and a new job from the submitted form."""

from __future__ import annotations

from typing import Any

import pytest
import simcord

from bot.domain.engines import SIZE_OFF_GRID
from bot.jobs import service
from bot.jobs import view as job_view
from bot.ui.interactions import APOLOGY_FOR_JOB
from storage.records import JobStatus
from tests.cogs.conftest import BASIC, CONFIRM, CORE, Studio, card, forge, told
from tests.doubles.forms import filled, offered, send
from tests.doubles.texts import shows

XL = "ai-client/stable-diffusion-xl-1024-v0-9"


async def finished(studio: Studio, **options: Any) -> simcord.InteractionResult:
    result = await studio.imagine(**options)
    await studio.finish()
    return result


async def test_the_form_contains_the_prompt_and_options(studio: Studio) -> None:
    result = await finished(studio, prompt="a fox::2 snow::0.5 --ar 16:9 --steps 20", engine=XL, style="anime")
    shown = await studio.press(studio.ada, card(result), "Edit prompt")
    assert filled(shown) == {
        "Prompt": "a fox::2 snow::0.5",
        "Engine": [XL],
        "Size": "16:9",
        "Leave out": "",
        "More settings": "--style anime --steps 20",
    }


async def test_the_form_shows_the_typed_prompt_without_default_words(studio: Studio) -> None:
    await studio.ada.slash(studio.channel, "settings set", text="in oil")
    result = await finished(studio, prompt="a fox --seed 7")
    shown = await studio.press(studio.ada, card(result), "Edit prompt")
    assert filled(shown)["Prompt"] == "a fox"
    edited = await send(studio.ada, shown, Prompt="a hen")
    await studio.finish()
    assert card(edited).text.startswith("a hen, in oil\n")
    theirs = await studio.press(studio.ben, card(result), "Edit prompt")
    assert filled(theirs)["Prompt"] == "a fox, in oil", "another person sees the whole prompt"


async def test_form_and_command_show_a_new_seed(studio: Studio) -> None:
    await studio.ada.slash(studio.channel, "settings set", text="in oil")
    result = await finished(studio, prompt="a fox --seed 7")
    pressed = await studio.press(studio.ada, card(result), "New seed")
    await studio.finish()
    job = await studio.job(2)
    seed = job.options["new_seed"]
    assert (job.options["prompt"], job.options["added"]) == ("a fox --seed 7", "in oil")
    assert filled(await studio.press(studio.ada, card(pressed), "Edit prompt"))["More settings"] == f"--seed {seed}"
    details = told(await studio.press(studio.ada, card(pressed), "Details"))
    assert f"/imagine prompt:a fox, in oil --seed {seed}" in details.text


async def test_an_edit_starts_a_child_job(studio: Studio) -> None:
    result = await finished(studio, prompt="a fox", seed=7)
    shown = await studio.press(studio.ada, card(result), "Edit prompt")
    edited = await send(studio.ada, shown, Prompt="a red fox", Leave_out="snow", More_settings="--seed 9 --images 2")
    await studio.finish()
    assert len(card(edited).images) == 2
    assert card(edited).text.startswith("a red fox\n")
    _, *bodies = [call.body for call in studio.stand_in.calls_to("aithriving.core")]
    assert [body["negative_prompt"] for body in bodies if isinstance(body, dict)] == ["snow", "snow"]
    job = await studio.job(2)
    assert (job.parent_id, job.user_id, job.status) == (1, studio.ada.id, JobStatus.DELIVERED)
    assert len(card(result).images) == 1, "the first result is unchanged"


@pytest.mark.parametrize("private", [True, False])
async def test_editing_another_persons_result_uses_the_editors_privacy_default(studio: Studio, private: bool) -> None:
    result = await finished(studio, prompt="a fox")
    await studio.ben.slash(studio.channel, "settings set", private=private)
    shown = await studio.press(studio.ben, card(result), "Edit prompt")
    edited = await send(studio.ben, shown, Prompt="a red fox")
    await studio.finish()
    assert card(edited).private is private
    assert (await studio.job(2)).private is private


async def test_the_engine_can_be_changed(studio: Studio) -> None:
    result = await finished(studio, prompt="a fox")
    shown = await studio.press(studio.ada, card(result), "Edit prompt")
    assert filled(shown)["Engine"] == [CORE]
    edited = await send(studio.ada, shown, Engine=[BASIC], More_settings="--steps 30")
    await studio.finish()
    assert "Stable Diffusion 1.6" in card(edited).text


async def test_only_engines_that_the_server_allows_are_offered(studio: Studio) -> None:
    result = await finished(studio, prompt="a fox")
    await studio.admin.slash(studio.channel, "server set", engines=f"{BASIC}, {XL}")
    shown = await studio.press(studio.ada, card(result), "Edit prompt")
    assert offered(shown)["Engine"] == [XL, BASIC]
    assert filled(shown)["Engine"] == [], "the job's own engine is no longer allowed here"
    edited = await send(studio.ada, shown, Engine=[BASIC])
    await studio.finish()
    assert "Stable Diffusion 1.6" in card(edited).text


async def test_everybody_can_edit_a_public_job_as_their_own(studio: Studio) -> None:
    result = await finished(studio, prompt="a fox")
    for person in (studio.ben, studio.admin):
        edited = await send(person, await studio.press(person, card(result), "Edit prompt"), Prompt="a blue fox")
        await studio.finish()
        assert f"-# <@{person.id}> · " in card(edited).text


async def test_only_the_author_can_edit_a_private_job(studio: Studio) -> None:
    await finished(studio, prompt="a secret", private=True)
    for person in (studio.ben, studio.admin):
        refused = await forge(studio, person, "edit", 1)
        assert refused.modal is None
        assert shows(told(refused).text, job_view.PRIVATE_JOB)


async def test_an_edit_of_a_private_job_is_private(studio: Studio) -> None:
    result = await finished(studio, prompt="a secret", private=True)
    edited = await send(studio.ada, await studio.press(studio.ada, card(result), "Edit prompt"), Prompt="another")
    await studio.finish()
    assert card(edited).private
    assert len(card(edited).images) == 1


async def test_it_works_in_direct_messages(studio: Studio) -> None:
    result = await studio.ada.user.slash("imagine", prompt="a fox")
    await studio.finish()
    edited = await send(studio.ada.user, await studio.ada.user.click(card(result).raw, label="Edit prompt"))
    await studio.finish()
    assert len(card(edited).images) == 1


async def test_a_refused_form_can_be_reopened_with_the_same_input(studio: Studio) -> None:
    result = await finished(studio, prompt="a fox")
    shown = await studio.press(studio.ada, card(result), "Edit prompt")
    refused = await send(studio.ada, shown, Prompt="a very long thought", Size="3x3", More_settings="--stepps 3")
    notice = told(refused)
    assert shows(notice.text, SIZE_OFF_GRID)
    assert "👉--stepps" in notice.text
    assert notice.labels[-1] == "Edit"
    back = await studio.press(studio.ada, notice, "Edit")
    assert filled(back)["Prompt"] == "a very long thought"
    edited = await send(studio.ada, back, Size="", More_settings="")
    await studio.finish()
    assert card(edited).text.startswith("a very long thought")
    assert (await studio.job(2)).parent_id == 1


async def test_choices_in_an_edit_need_a_confirmation(studio: Studio) -> None:
    result = await studio.confirmed(prompt="a {red, blue} fox", style="anime")
    await studio.finish()
    shown = await studio.press(studio.ada, card(result), "Edit prompt")
    assert filled(shown)["Prompt"] == "a {red, blue} fox"
    assert filled(shown)["More settings"] == "--style anime"
    edited = await send(studio.ada, shown, Prompt="a {green, white} fox")
    assert CONFIRM in card(edited).labels[0]
    assert "a green fox · 6 credits" in card(edited).text


async def test_an_error_in_a_form_is_answered_with_an_apology(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    result = await finished(studio, prompt="a fox")
    shown = await studio.press(studio.ada, card(result), "Edit prompt")

    def broken(*_: object) -> None:
        raise ZeroDivisionError("a made-up fault")

    monkeypatch.setattr(service.JobService, "check", broken)
    said = told(await send(studio.ada, shown))
    assert shows(said.text, APOLOGY_FOR_JOB(job=1))


async def test_a_failed_job_can_be_edited(studio: Studio) -> None:
    studio.stand_in.keys = frozenset({"another"})
    result = await finished(studio, prompt="a fox")
    studio.stand_in.keys = None
    edited = await send(studio.ada, await studio.press(studio.ada, card(result), "Edit prompt"))
    await studio.finish()
    assert len(card(edited).images) == 1
