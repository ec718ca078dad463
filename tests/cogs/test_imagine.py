"""``/imagine`` as a person uses it, from the command to the finished images."""

from __future__ import annotations

import discord
import pytest

from bot.domain.options import SEED, STYLE
from bot.jobs.limits import TOO_EXPENSIVE, LimitKind
from bot.jobs.new_jobs import NO_SUCH_THREAD
from bot.people.threads import Threads
from bot.ui.cards import job as cards
from bot.ui.cards.waiting import EXACT_HOLD
from storage.records import JobStatus, SubmissionStatus
from tests.cogs.conftest import BASIC, CORE, MakeStudio, Studio, card, told
from tests.doubles.engines import PAINTER
from tests.doubles.provider import ScriptedProvider
from tests.doubles.texts import shows

XL = "ai-client/stable-diffusion-xl-1024-v0-9"


@pytest.mark.parametrize("engine", [XL, BASIC, CORE])
async def test_the_finished_images_replace_the_waiting_card(studio: Studio, engine: str) -> None:
    result = await studio.imagine(prompt="a lighthouse on a cliff", engine=engine, images=2)
    waiting = card(result)
    assert waiting.text.startswith("a lighthouse on a cliff\n")
    await studio.finish()
    shown = card(result)
    assert shown.raw.id == waiting.raw.id
    assert not shown.private
    assert [image["description"] for image in shown.images] == [
        "a lighthouse on a cliff (image 1 of 2)",
        "a lighthouse on a cliff (image 2 of 2)",
    ]
    assert len(shown.raw.attachments) == 2
    assert shown.labels == ["Edit prompt", "Again", "Details", "Delete"]
    assert (await studio.job()).status is JobStatus.DELIVERED


async def test_the_card_shows_progress(slow_studio: Studio) -> None:
    result = await slow_studio.imagine(prompt="a fox", style="anime", seed=7)
    await slow_studio.begun()
    await slow_studio.until(lambda: shows(card(result).text, cards.SUBMISSION_STATUS[SubmissionStatus.SUBMITTING]))
    shown = card(result)
    assert f"1024x1024 · {STYLE.text('anime')} · {SEED.text(7)}" in shown.text
    assert shows(shown.text, EXACT_HOLD(held=6000))
    assert f"<@{slow_studio.ada.id}>" in shown.text
    assert shown.labels == []
    slow_studio.stand_in.finish_all()
    await slow_studio.finish()
    assert " · 6 credits · " in card(result).text
    assert card(result).labels == ["Edit picture", "Edit prompt", "Again", "New seed", "Details", "Delete"]


async def test_all_problems_are_reported_privately_at_once(studio: Studio) -> None:
    result = await studio.imagine(prompt="a fox", engine=CORE, sampler="DDIM", steps=30, size="100x100")
    notice = told(result)
    assert result.response is not None
    assert not result.deferred
    for word in ("sampler", "steps", "100x100"):
        assert word in notice.text
    assert studio.stand_in.calls == []


async def test_a_prompt_error_shows_its_position(studio: Studio) -> None:
    notice = told(await studio.imagine(prompt="a {red, blue car"))
    assert "never closed" in notice.text


async def test_a_private_job_stays_private(studio: Studio) -> None:
    result = await studio.imagine(private=True)
    assert card(result).private
    await studio.finish()
    shown = card(result)
    assert shown.private
    assert len(shown.images) == 1
    refused = told(await studio.imagine(engine="nobody/nothing", private=True))
    assert "nobody/nothing" in refused.text


async def test_a_spoiler_hides_the_images(studio: Studio) -> None:
    result = await studio.imagine(spoiler=True)
    await studio.finish()
    assert all(image["spoiler"] for image in card(result).images)


async def test_permutations_share_one_card(studio: Studio) -> None:
    result = await studio.confirmed(prompt="a {red, blue} car")
    await studio.finish()
    shown = card(result)
    assert [image["description"] for image in shown.images] == [
        "a red car (image 1 of 2)",
        "a blue car (image 2 of 2)",
    ]
    assert "12 credits" in shown.text


async def test_prompts_cannot_ping_or_break_the_card(studio: Studio) -> None:
    prompt = f"<@{studio.ben.id}> @everyone # big\n-# small [link](https://evil.example) ||x||"
    result = await studio.imagine(prompt=prompt)
    await studio.finish()
    message = card(result).raw.message
    assert not message.mention_everyone
    assert studio.ben.id not in [user.id for user in message.mentions]
    assert "[link](https://" not in card(result).text


async def test_a_failure_is_reported_as_free(studio: Studio) -> None:
    studio.stand_in.keys = frozenset({"another"})
    result = await studio.imagine()
    await studio.finish()
    shown = card(result)
    assert shows(shown.text, cards.NOT_MADE)
    assert shows(shown.text, cards.NOT_CHARGED)
    assert shown.labels == ["Again", "Edit prompt", "Details", "Delete"]
    assert shown.images == []


async def test_a_limit_is_reported_privately_and_leaves_no_card(make_studio: MakeStudio) -> None:
    studio = await make_studio(USER_DAILY_CREDITS="5")
    result = await studio.imagine()
    notice = told(result)
    assert shows(notice.text, TOO_EXPENSIVE[LimitKind.USER_DAILY])
    assert result.response is None, "the deferred card is deleted"
    private = await studio.imagine(private=True)
    assert shows(told(private).text, TOO_EXPENSIVE[LimitKind.USER_DAILY])
    assert studio.stand_in.calls == []


async def test_missing_permissions_are_reported_before_any_request(studio: Studio) -> None:
    quiet = studio.server.create_text_channel(
        "quiet", overwrites={studio.server.default_role: discord.PermissionOverwrite(attach_files=False)}
    )
    refused = told(await studio.ada.slash(quiet, "imagine", prompt="a fox"))
    assert "Attach Files" in refused.text
    assert studio.stand_in.calls == []
    allowed = await studio.ada.slash(quiet, "imagine", prompt="a fox", private=True)
    await studio.finish()
    assert len(card(allowed).images) == 1


async def test_it_works_in_direct_messages(studio: Studio) -> None:
    result = await studio.ada.user.slash("imagine", prompt="a fox")
    await studio.finish()
    assert len(card(result).images) == 1


async def test_jobs_of_several_people_do_not_mix(slow_studio: Studio) -> None:
    results = {
        prompt: await slow_studio.imagine(person, prompt)
        for person, prompt in ((slow_studio.ada, "one"), (slow_studio.ben, "two"), (slow_studio.ada, "three"))
    }
    await slow_studio.begun(count=3)
    slow_studio.stand_in.finish_all()
    await slow_studio.finish()
    for prompt, result in results.items():
        assert [image["description"] for image in card(result).images] == [prompt]


# --- autocomplete -------------------------------------------------------------------------------------------------


async def suggested(studio: Studio, option: str, typed: str = "", **filled: str) -> dict[str, str]:
    choices = await studio.ada.autocomplete(studio.channel, "imagine", option, typed, prompt="a fox", **filled)
    assert len(choices) <= 25
    return {choice["value"]: choice["name"] for choice in choices}


async def test_engines_are_suggested_with_prices(studio: Studio) -> None:
    engines = await suggested(studio, "engine")
    assert list(engines) == list(studio.runtime.service.engines)
    assert "6 credits" in engines[CORE]
    assert list(await suggested(studio, "engine", "1.6")) == [BASIC]


async def test_sizes_styles_and_samplers_match_the_chosen_engine(studio: Studio) -> None:
    assert (await suggested(studio, "size", engine=XL))["1024x1024"] == "1024x1024 · square"
    assert "16:9" in (await suggested(studio, "size", "1344", engine=XL))["1344x768"]
    assert next(iter(await suggested(studio, "size", "portrait", engine=XL))) == "832x1216"
    for typed in ("neon", "Neon p", "neon-p"):
        assert await suggested(studio, "style", typed) == {"neon-punk": "Neon punk"}
    assert "DDIM" in await suggested(studio, "sampler", engine=BASIC)
    assert await suggested(studio, "sampler", engine=CORE) == {}
    assert await suggested(studio, "sampler", engine="nobody/nothing") == {}


async def test_the_last_lora_of_a_list_is_suggested(make_studio: MakeStudio) -> None:
    provider = ScriptedProvider(name=PAINTER.provider)
    provider.engines = (PAINTER,)
    studio = await make_studio(providers=[provider])
    assert list(await suggested(studio, "scheduler", engine=PAINTER.id)) == list(PAINTER.schedulers)
    assert list(await suggested(studio, "lora", engine=PAINTER.id)) == list(PAINTER.loras)
    found = await suggested(studio, "lora", "ink:0.5, ne", engine=PAINTER.id)
    assert found == {text: text for text in ("ink:0.5, neon_v2", "ink:0.5, neon_v3")}
    assert await suggested(studio, "lora", engine=CORE) == {}


async def test_a_shape_can_be_a_word_and_a_style_its_readable_name(studio: Studio) -> None:
    await studio.imagine(prompt="a fox --ar wide", engine=XL, style="Neon punk")
    await studio.finish()
    view = await studio.runtime.service.view(1)
    assert (str(view.requests[0].size), view.requests[0].style) == ("1344x768", "neon-punk")


@pytest.mark.parametrize(
    "wanted", ["9223372036854775807", "9223372036854775808", "9" * 100, "٣", "²", "-1", "0", "no such title", " "]
)
async def test_an_unknown_thread_is_refused_privately(studio: Studio, wanted: str) -> None:
    refused = told(await studio.imagine(prompt="a fox", thread=wanted))
    assert shows(refused.text, NO_SUCH_THREAD)
    assert studio.stand_in.calls == []
    for command in ("thread use", "thread show", "thread delete", "history"):
        assert shows(told(await studio.ada.slash(studio.channel, command, thread=wanted)).text, NO_SUCH_THREAD)
    renamed = await studio.ada.slash(studio.channel, "thread rename", title="Foxes", thread=wanted)
    assert shows(told(renamed).text, NO_SUCH_THREAD)


@pytest.mark.parametrize("wanted", ["Foxes", " foxes ", "FOXES", "1"])
async def test_a_thread_can_be_named_by_its_title(studio: Studio, wanted: str) -> None:
    await studio.ada.slash(studio.channel, "thread new", title="Foxes")
    await studio.ada.slash(studio.channel, "thread new", title="2024")
    result = await studio.imagine(prompt="a fox", thread=wanted)
    await studio.finish()
    job = await studio.job()
    assert (job.thread_id, job.options["thread"]) == (1, "1")
    # A repeated job stays in its thread, even if the thread has been renamed.
    await studio.ada.slash(studio.channel, "thread rename", title="Vixens", thread="Foxes")
    await studio.press(studio.ada, card(result), "Again")
    await studio.finish()
    assert (await studio.job(2)).thread_id == 1
    await studio.imagine(prompt="a year", thread="2024")
    assert (await studio.job(3)).thread_id == 2


async def test_people_can_use_only_their_own_threads(studio: Studio) -> None:
    await studio.imagine(prompt="a lighthouse")
    await studio.finish()
    threads = await suggested(studio, "thread")
    assert list(threads.values()) == ["a lighthouse"]
    others = await studio.ben.autocomplete(studio.channel, "imagine", "thread", "", prompt="x")
    assert others == []
    result = await studio.imagine(prompt="another", thread=next(iter(threads)))
    await studio.finish()
    assert len(card(result).images) == 1
    refused = told(await studio.imagine(studio.ben, "another", thread=next(iter(threads))))
    assert shows(refused.text, NO_SUCH_THREAD)


async def test_a_failed_autocomplete_is_empty_and_logged(
    studio: Studio, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(Threads, "matching", None)
    assert await suggested(studio, "thread") == {}
    assert "autocomplete.failed" in caplog.text
