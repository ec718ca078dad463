"""/settings as people use it: setting, using, showing and clearing defaults."""

from __future__ import annotations

import traceback

import pytest

from bot.domain.engines import NO_ENGINE_MAKES, UNKNOWN_ENGINE
from bot.domain.options import ImagineOptions
from bot.domain.place import Origin
from bot.domain.prompt.parser import NOT_PLAIN_WORDS
from bot.people.user_settings import STYLE_OF_NO_ENGINE, Messages, Notify, UserSettings
from bot.providers.base import WeightedText
from bot.text import t
from bot.ui.cards.buttons import menu_id
from bot.ui.cards.settings import ABOVE, CHANGED, RESET, ROWS
from bot.ui.interactions import APOLOGY_FOR_JOB
from cogs.settings import NOTHING_TO_SET
from storage import jobs, settings
from storage.database import Database
from storage.records import JobStatus
from tests.cogs.conftest import BASIC, CORE, Studio, card, engine, told
from tests.doubles.texts import shows

XL = "ai-client/stable-diffusion-xl-1024-v0-9"


async def chosen(studio: Studio, job_id: int) -> dict[str, object]:
    return (await studio.job(job_id)).options


async def test_settings_are_used_for_options_that_are_not_typed(studio: Studio) -> None:
    said = told(
        await studio.ada.slash(
            studio.channel, "settings set", engine=BASIC, size="16:9", images=2, private=True, text="in oil"
        )
    ).text
    assert shows(said, CHANGED(title=ROWS["engine"].title, value="Stable Diffusion 1.6"))
    assert shows(said, CHANGED(title=ROWS["text"].title, value="in oil"))
    result = await studio.imagine(prompt="a lighthouse")
    await studio.finish()
    assert card(result).private
    assert len(card(result).images) == 2
    options = await chosen(studio, 1)
    assert options["engine"] == BASIC
    assert (options["prompt"], options["added"]) == ("a lighthouse", "in oil")
    assert card(result).text.startswith("a lighthouse, in oil\n")
    assert options["size"] == "16:9"
    others = await studio.imagine(studio.ben)
    await studio.finish()
    assert not card(others).private
    assert (await chosen(studio, 2))["engine"] is None


async def test_typed_options_override_settings(studio: Studio) -> None:
    await studio.ada.slash(
        studio.channel, "settings set", engine=BASIC, size="16:9", style="anime", images=2, private=True
    )
    result = await studio.imagine(prompt="a fox --ar 1:1 --images 1", engine=CORE, style="cinematic", private=False)
    await studio.finish()
    assert not card(result).private
    assert len(card(result).images) == 1
    options = await chosen(studio, 1)
    assert (options["engine"], options["style"], options["size"], options["images"]) == (CORE, "cinematic", None, None)


async def test_a_default_that_the_engine_does_not_support_is_ignored(studio: Studio) -> None:
    said = told(await studio.ada.slash(studio.channel, "settings set", size="320x320", style="anime")).text
    assert shows(said, CHANGED(title=ROWS["size"].title, value="320x320"))
    result = await studio.imagine(engine=XL)
    await studio.finish()
    assert len(card(result).images) == 1
    assert (await chosen(studio, 1))["size"] is None


@pytest.mark.parametrize("nothing", ["none", "-", "Clear"])
async def test_the_word_none_clears_a_setting(studio: Studio, nothing: str) -> None:
    chosen = {"engine": BASIC, "size": "16:9", "style": "anime", "text": "in oil"}
    await studio.ada.slash(studio.channel, "settings set", **chosen)
    await studio.ada.slash(studio.channel, "settings set", **dict.fromkeys(chosen, nothing))
    assert studio.runtime.personal.of(studio.ada.id) == UserSettings()


@pytest.mark.parametrize("name", ["text", "style", "size", "engine"])
async def test_invisible_characters_are_not_stored(studio: Studio, name: str) -> None:
    await studio.ada.slash(studio.channel, "settings set", **{name: "\u3164"})
    assert studio.runtime.personal.of(studio.ada.id) == UserSettings()


async def test_an_invalid_value_is_refused_and_nothing_is_set(studio: Studio) -> None:
    result = await studio.ada.slash(
        studio.channel,
        "settings set",
        engine="nonsense",
        size="77x77",
        style="no such style",
        text="a --no b",
        images=3,
    )
    said = told(result).text
    for problem in (UNKNOWN_ENGINE, NO_ENGINE_MAKES, STYLE_OF_NO_ENGINE, NOT_PLAIN_WORDS):
        assert shows(said, problem)
    assert studio.runtime.personal.of(studio.ada.id) == UserSettings()


async def test_settings_survive_a_restart_and_can_be_cleared(studio: Studio) -> None:
    await studio.ada.slash(
        studio.channel, "settings set", engine=BASIC, png_text=False, messages="never", notify="dm", ask_above=7.5
    )
    await studio.restart()
    mine = studio.runtime.personal.of(studio.ada.id)
    assert mine == UserSettings(engine=BASIC, png_text=False, messages=Messages.NEVER, notify=Notify.DM, ask_above=7500)
    said = told(await studio.ada.slash(studio.channel, "settings reset", setting="engine"))
    assert shows(
        said.text, RESET(title=ROWS["engine"].title, default=t("{engine} (default)", engine="Stable Image Core"))
    )
    assert said.selected(menu_id("setting", "ask_above")) == [str(ABOVE(price=7500))]
    await studio.ada.slash(studio.channel, "settings reset")
    assert studio.runtime.personal.of(studio.ada.id) == UserSettings()
    await studio.restart()
    assert studio.runtime.personal.of(studio.ada.id) == UserSettings()


async def test_suggestions_fit_the_engine(studio: Studio) -> None:
    offered = await studio.ada.autocomplete(studio.channel, "settings set", "engine", "core")
    assert [choice["value"] for choice in offered] == [CORE]
    sizes = await studio.ada.autocomplete(studio.channel, "settings set", "size", "16:9", engine=XL)
    assert "1344x768" in [choice["value"] for choice in sizes]
    await studio.ada.slash(studio.channel, "settings set", engine=XL)
    # From now on, suggestions are for the engine that was set.
    mine = await studio.ada.autocomplete(studio.channel, "imagine", "size", "")
    assert {choice["value"] for choice in mine} == {str(size) for size in engine(studio, XL).sizes}


async def test_the_first_answer_does_not_wait_for_the_database(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    await studio.ada.slash(studio.channel, "settings set", engine=BASIC, private=True, text="in oil")

    def asked(*_: object) -> None:
        raise AssertionError("the database was read before the first answer")

    monkeypatch.setattr(Database, "read", asked)
    monkeypatch.setattr(Database, "write", asked)
    origin = Origin(studio.ada.id, "ada", studio.server.id, studio.channel.id, 2**20)
    plan = studio.runtime.service.check(origin, ImagineOptions(prompt="a fox"))
    assert (plan.engines, plan.options.prompt, plan.options.added) == ((BASIC,), "a fox", "in oil")
    assert plan.requests[0].prompts == (WeightedText("a fox, in oil"),)
    assert studio.runtime.service.private_by_default(origin)
    monkeypatch.undo()


async def test_a_command_without_options_is_reported(studio: Studio) -> None:
    assert shows(told(await studio.ada.slash(studio.channel, "settings set")).text, NOTHING_TO_SET)


@pytest.mark.parametrize("again", ["Again", "New seed"])
async def test_again_ignores_the_current_settings(studio: Studio, again: str) -> None:
    result = await studio.imagine(prompt="a fox", engine=CORE, seed=7)
    await studio.finish()
    await studio.ada.slash(studio.channel, "settings set", size="512x512", text="in oil", private=True)
    answer = (
        studio.again(studio.ada, card(result)) if again == "Again" else studio.press(studio.ada, card(result), again)
    )
    pressed = await answer
    await studio.finish()
    assert not card(pressed).private
    options = await chosen(studio, 2)
    assert (options["prompt"], options["added"], options["size"]) == ("a fox", None, None)


async def test_no_result_is_sent_if_messages_are_off(slow_studio: Studio) -> None:
    studio = slow_studio
    await studio.ada.slash(studio.channel, "settings set", messages="never")
    await studio.imagine(private=True)
    await studio.begun()
    studio.clock.advance(16 * 60)
    await studio.env.advance_time(16 * 60)
    studio.stand_in.finish_all()
    await studio.finish()
    assert (await studio.job(1)).status is JobStatus.UNDELIVERED
    assert not studio.env.backend.messages[studio.ada.user.dm_channel.id]


async def test_unreadable_settings_are_not_logged(studio: Studio, caplog: pytest.LogCaptureFixture) -> None:
    async with studio.runtime.database.write() as tx:
        await settings.set_user(tx, studio.ada.id, {"text": ["heliotrope"], "images": 2}, at=1)
        await settings.set_server(tx, studio.server.id, {"refused": "heliotrope"}, at=1)
    await studio.restart()
    assert "settings.unreadable" in caplog.text
    assert "server.rules_unreadable" in caplog.text
    assert "heliotrope" not in caplog.text
    assert not [record for record in caplog.records if "heliotrope" in str(record.exc_info)]


async def test_an_error_about_a_damaged_job_hides_its_prompt(studio: Studio, caplog: pytest.LogCaptureFixture) -> None:
    result = await studio.imagine(prompt="a fox")
    await studio.finish()
    async with studio.runtime.database.write() as tx:
        await jobs.update_job(tx, 1, options={"prompt": "heliotrope", "steps": "heliotrope"})
    for label in ("Details", "Again", "Edit prompt"):
        assert shows(told(await studio.press(studio.ada, card(result), label)).text, APOLOGY_FOR_JOB)
    events = [record.msg for record in caplog.records]
    exceptions = [event["exc_info"] for event in events if isinstance(event, dict) and "exc_info" in event]
    assert exceptions
    assert not [error for error in exceptions if "heliotrope" in "".join(traceback.format_exception(error))]
