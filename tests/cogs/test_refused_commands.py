"""A way back from every refusal: buttons that start what could be made instead, and the command in a form."""

from __future__ import annotations

from typing import Any

import discord
import pytest
import simcord

from bot.domain.engines import NOT_TAKEN, OUT_OF_RANGE, SIZE_NOT_LISTED, UNKNOWN_ENGINE
from bot.domain.options import SEED
from bot.domain.rules import PRIVATE_OFF, WORD_REFUSED, Privacy
from bot.jobs.limits import TOO_EXPENSIVE, LimitKind
from bot.ui.cards.job import NOT_CHARGED
from bot.ui.cards.job_text import CHOSEN
from bot.ui.interactions import MISSING_PERMISSIONS
from bot.ui.refused_commands import FORGOTTEN, PRESSED_BEFORE, SOMEBODY_ELSES
from storage.records import JobStatus
from tests.cogs.conftest import BASIC, CONFIRM, CORE, MakeStudio, Shown, Studio, card, stand, told
from tests.doubles.forms import filled, send
from tests.doubles.texts import shows

XL = "ai-client/stable-diffusion-xl-1024-v0-9"


async def refused(studio: Studio, person: simcord.MemberActor | None = None, /, **options: Any) -> Shown:
    """The private refusal of /imagine."""
    notice = told(await studio.imagine(person, **options))
    assert notice.text.count(str(NOT_CHARGED)) == 1
    assert notice.text.endswith(f"-# {NOT_CHARGED}")
    return notice


async def accepted(studio: Studio, notice: Shown, label: str) -> simcord.InteractionResult:
    """Press an offer and wait for its result."""
    result = await studio.press(studio.ada, notice, label)
    await studio.finish()
    return result


async def options(studio: Studio, job_id: int = 1) -> dict[str, Any]:
    return (await studio.job(job_id)).options


async def test_the_closest_size_is_one_press_away(studio: Studio) -> None:
    notice = await refused(studio, prompt="a fox", engine=XL, size="1300x760")
    assert shows(notice.text, SIZE_NOT_LISTED)
    assert notice.labels[0].startswith("Use 1344x768: ")
    assert notice.labels[-1] == "Edit"
    assert len(notice.labels) <= 5
    result = await accepted(studio, notice, "Use 1344x768")
    assert len(card(result).images) == 1
    assert not card(result).private
    job = await studio.job()
    assert (job.status, job.user_id, job.parent_id) == (JobStatus.DELIVERED, studio.ada.id, None)
    assert (job.options["engine"], job.options["size"]) == (XL, "1344x768")
    (call,) = studio.stand_in.calls_to("ai-client.entry")
    assert "1344" in str(call.body)


async def test_an_engine_that_takes_it_or_without_it(studio: Studio) -> None:
    notice = await refused(studio, prompt="a fox --seed 7", engine=XL)
    first, second = notice.labels[:2]
    assert first.startswith("Use ")
    assert second.startswith("Without seed: ")
    result = await accepted(studio, notice, "Without seed")
    assert (await options(studio))["prompt"] == "a fox"
    assert (await options(studio))["engine"] == XL
    assert len(card(result).images) == 1
    assert not shows(card(result).text, SEED.text(7))


async def test_a_misspelt_flag(studio: Studio) -> None:
    notice = await refused(studio, prompt="a fox --sed 7", engine=CORE)
    assert notice.labels == ["Use --seed: 6 credits", "Edit"]
    await accepted(studio, notice, "Use --seed")
    assert (await options(studio))["prompt"] == "a fox --seed 7"


async def test_fewer_images_for_what_is_left(make_studio: MakeStudio) -> None:
    studio = await make_studio(USER_DAILY_CREDITS="13")
    result = await studio.imagine(prompt="a fox", engine=CORE, images=3)
    assert result.response is None, "the deferred card is deleted"
    notice = told(result)
    assert shows(notice.text, TOO_EXPENSIVE[LimitKind.USER_DAILY])
    assert notice.labels[0] == "2 images: 12 credits"
    made = await accepted(studio, notice, "2 images")
    assert len(card(made).images) == 2
    assert (await options(studio))["images"] == 2
    notice = told(await studio.imagine(prompt="a fox", engine=CORE))
    assert [label.partition(":")[0] for label in notice.labels] == ["Edit"], "nothing is affordable any more"


async def test_an_offer_is_checked_again_when_it_is_pressed(make_studio: MakeStudio) -> None:
    studio = await make_studio(USER_DAILY_CREDITS="13")
    notice = told(await studio.imagine(prompt="a fox", engine=CORE, images=3))
    await studio.imagine(prompt="a hen", engine=CORE)
    await studio.finish()
    later = told(await studio.press(studio.ada, notice, "2 images"))
    assert shows(later.text, TOO_EXPENSIVE[LimitKind.USER_DAILY])
    assert later.labels[0].startswith("1 image: ")
    await studio.admin.slash(studio.channel, "server set", refused_words="fox")
    forbidden = told(await studio.press(studio.ada, later, "1 image"))
    assert shows(forbidden.text, WORD_REFUSED(word="fox"))
    assert forbidden.labels == ["Edit"]


async def test_the_price_is_confirmed_as_for_the_command(studio: Studio) -> None:
    notice = await refused(studio, prompt="a {red, blue} fox", engine=XL, size="1300x760")
    proposal = card(await studio.press(studio.ada, notice, "Use 1344x768"))
    assert proposal.labels[0].startswith(CONFIRM)
    assert (await studio.job()).status is JobStatus.PROPOSED


async def test_one_offer_starts_one_job(studio: Studio) -> None:
    notice = await refused(studio, prompt="a fox", engine=XL, size="1300x760")
    await accepted(studio, notice, "Use 1344x768")
    assert shows(told(await studio.press(studio.ada, notice, "Use 1344x768")).text, PRESSED_BEFORE)


async def test_an_offer_that_started_nothing_can_be_pressed_again(make_studio: MakeStudio) -> None:
    studio = await make_studio(USER_DAILY_CREDITS="13")
    notice = told(await studio.imagine(prompt="a fox", engine=CORE, images=3))
    await studio.admin.slash(studio.channel, "quota set", user=studio.ada.user, credits=6)
    assert shows(told(await studio.press(studio.ada, notice, "2 images")).text, TOO_EXPENSIVE[LimitKind.SERVER_USER])
    await studio.admin.slash(studio.channel, "quota set", user=studio.ada.user, credits=60)
    assert len(card(await accepted(studio, notice, "2 images")).images) == 2


async def test_an_offer_never_starts_anything_dearer_than_its_label(studio: Studio) -> None:
    """It uses the default engine, which an admin or the person may have changed meanwhile."""
    await studio.admin.slash(studio.channel, "server set", default_engine=BASIC)
    notice = await refused(studio, prompt="a fox --imges 2")
    assert notice.labels[0] == "Use --images: about 1.8 credits"
    await studio.admin.slash(studio.channel, "server set", default_engine=CORE)
    result = await accepted(studio, notice, "Use --images")
    assert card(result).private
    assert card(result).labels[0] == "Confirm: 12 credits"
    assert (await studio.job()).status is JobStatus.PROPOSED
    assert studio.stand_in.calls == []


async def test_after_a_restart_or_half_an_hour_the_buttons_say_what_to_do(studio: Studio) -> None:
    notice = await refused(studio, prompt="a fox", engine=XL, size="1300x760")
    studio.clock.advance(29 * 60)
    assert (await studio.press(studio.ada, notice, "Edit")).modal is not None
    studio.clock.advance(2 * 60)
    for label in ("Use 1344x768", "Edit"):
        assert shows(told(await studio.press(studio.ada, notice, label)).text, FORGOTTEN)
    notice = await refused(studio, prompt="a fox", engine=XL, size="1300x760")
    await studio.restart()
    for label in ("Use 1344x768", "Edit"):
        assert shows(told(await studio.press(studio.ada, notice, label)).text, FORGOTTEN)
    assert studio.stand_in.calls == []


async def test_only_the_person_can_press_the_buttons(studio: Studio) -> None:
    notice = await refused(studio, prompt="a secret", engine=XL, size="1300x760")
    (custom_id,) = [part["custom_id"] for part in notice.parts if part.get("label") == "Edit"]
    view = discord.ui.LayoutView(timeout=None)
    view.add_item(discord.ui.ActionRow(discord.ui.Button[Any](label="Forged", custom_id=custom_id)))
    view.stop()
    with studio.env.time_context():
        message = await studio.runtime.client.get_partial_messageable(studio.channel.id).send(view=view)
    answer = await studio.ben.click(message, label="Forged")
    assert answer.modal is None
    assert shows(told(answer).text, SOMEBODY_ELSES)


# --- the form -----------------------------------------------------------------------------------------------------


async def test_the_form_has_exactly_what_was_typed(studio: Studio) -> None:
    typed = "a  {red, blue fox --sed 7 --ar 3x3"
    notice = await refused(studio, prompt=typed, engine=XL, size="huge", negative="rain", style="anime", steps=20)
    form = await studio.press(studio.ada, notice, "Edit")
    assert filled(form) == {
        "Prompt": typed,
        "Engine": [XL],
        "Size": "huge",
        "Leave out": "rain",
        "More settings": "--style anime --steps 20",
    }
    result = await send(studio.ada, form, Prompt="a red fox", Size="16:9")
    await studio.finish()
    assert len(card(result).images) == 1
    assert (await studio.job()).parent_id is None


async def test_an_edited_command_gets_the_defaults_as_a_typed_one_does(studio: Studio) -> None:
    await studio.ada.slash(studio.channel, "settings set", engine=BASIC, text="in oil", images=2)
    notice = await refused(studio, prompt="a fox --nonsense")
    form = await studio.press(studio.ada, notice, "Edit")
    assert filled(form)["Engine"] == []
    await send(studio.ada, form, Prompt="a fox")
    await studio.finish()
    made = await options(studio)
    assert (made["engine"], made["added"], made["images"]) == (BASIC, "in oil", 2)


async def test_a_refused_form_can_be_edited_again_and_has_offers(studio: Studio) -> None:
    await studio.imagine(prompt="a fox", engine=XL)
    await studio.finish()
    notice = await refused(studio, prompt="a fox", engine=XL, size="1300x760")
    form = await studio.press(studio.ada, notice, "Edit")
    again = told(await send(studio.ada, form, Prompt="a hen", More_settings="--steps 500"))
    assert shows(again.text, OUT_OF_RANGE)
    back = await studio.press(studio.ada, again, "Edit")
    assert filled(back)["Prompt"] == "a hen"
    assert filled(back)["More settings"] == "--steps 500"
    await accepted(studio, again, "Use 1344x768, 50 steps")
    assert (await options(studio, 2))["steps"] == 50


async def test_again_is_refused_with_a_way_back(studio: Studio) -> None:
    result = await studio.imagine(prompt="a fox", engine=CORE, seed=7)
    await studio.finish()
    await studio.admin.slash(studio.channel, "server set", engines=f"{BASIC}, {XL}")
    notice = card(result)
    for label in ("Again", "New seed"):
        notice = told(await studio.press(studio.ada, card(result), label))
        assert notice.labels[0].startswith("Use Stable Diffusion 1.6: ")
        form = await studio.press(studio.ada, notice, "Edit")
        assert filled(form)["Prompt"] == "a fox"
        assert filled(form)["More settings"].startswith("--seed ")
    made = await accepted(studio, notice, "Use Stable Diffusion 1.6")
    assert len(card(made).images) == 1
    job = await studio.job(2)
    assert (job.parent_id, job.options["engine"]) == (1, BASIC)
    assert job.options["seed"] not in (None, 7)


async def test_a_refused_comparison(studio: Studio) -> None:
    answer = await studio.ada.slash(studio.channel, "compare", prompt="a fox", engines=f"{CORE}, {BASIC}, nobody")
    notice = told(answer)
    assert shows(notice.text, UNKNOWN_ENGINE(text="nobody"))
    assert notice.labels[0].startswith("Only Stable Image Core and Stable Diffusion 1.6: ")
    form = await studio.press(studio.ada, notice, "Edit")
    assert sorted(filled(form)["Engines to compare"]) == sorted([CORE, BASIC])
    proposal = card(await studio.press(studio.ada, notice, "Only"))
    assert proposal.labels[0].startswith(CONFIRM)
    assert (await options(studio))["engines"] == [CORE, BASIC]


# --- other refusals -----------------------------------------------------------------------------------------------


async def test_missing_permissions_and_privacy(studio: Studio) -> None:
    quiet = studio.server.create_text_channel(
        "quiet", overwrites={studio.server.default_role: discord.PermissionOverwrite(attach_files=False)}
    )
    notice = told(await studio.ada.slash(quiet, "imagine", prompt="a fox"))
    assert shows(notice.text, MISSING_PERMISSIONS)
    assert notice.labels[0].startswith("Only for you: ")
    result = await accepted(studio, notice, "Only for you")
    assert card(result).private
    assert len(card(result).images) == 1
    await studio.admin.slash(studio.channel, "server set", private=Privacy.FORBIDDEN.value)
    notice = await refused(studio, prompt="a fox", private=True)
    assert shows(notice.text, PRIVATE_OFF)
    assert not card(await accepted(studio, notice, "For everyone")).private


async def test_again_where_images_cannot_be_shown(studio: Studio) -> None:
    quiet = studio.server.create_text_channel(
        "quiet", overwrites={studio.server.default_role: discord.PermissionOverwrite(attach_files=False)}
    )
    await studio.imagine(prompt="a fox")
    await studio.finish()
    notice = told(await studio.ada.click(await stand(studio, "again", 1, channel_id=quiet.id), label="Forged"))
    assert shows(notice.text, MISSING_PERMISSIONS)
    result = await accepted(studio, notice, "Only for you")
    assert card(result).private
    job = await studio.job(2)
    assert (job.parent_id, job.private) == (1, True)


async def test_it_works_in_direct_messages(studio: Studio) -> None:
    notice = told(await studio.ada.user.slash("imagine", prompt="a fox", engine=XL, size="1300x760"))
    form = await studio.ada.user.click(notice.raw, label="Edit")
    assert filled(form)["Size"] == "1300x760"
    (label,) = [each for each in notice.labels if each.startswith("Use 1344x768")]
    result = await studio.ada.user.click(notice.raw, label=label)
    await studio.finish()
    assert len(card(result).images) == 1


async def test_everything_wrong_is_named_at_once_and_the_engine_once(studio: Studio) -> None:
    notice = await refused(
        studio, prompt="a fox --sed 7 --no", engine=XL, size="3x3", steps=99, guidance=3.0, sampler="ddim"
    )
    for problem in (NOT_TAKEN, OUT_OF_RANGE):
        assert shows(notice.text, problem)
    assert "👉--sed" in notice.text
    assert "👉--no" in notice.text
    assert "3x3" in notice.text
    assert notice.text.count("Stable Diffusion XL") == 1
    assert len(notice.text.splitlines()) == 6


async def test_the_word_is_named_as_it_was_typed(studio: Studio) -> None:
    await studio.admin.slash(studio.channel, "server set", refused_words="gun*")
    notice = await refused(studio, prompt="a fox with GÚNS, and hens")
    assert shows(notice.text, WORD_REFUSED(word="GÚNS"))
    assert "gun\\*" not in notice.text


async def test_the_card_says_why_another_engine_was_used(studio: Studio) -> None:
    result = await studio.imagine(prompt="a fox --steps 20 --seed 7")
    assert shows(
        card(result).text,
        CHOSEN(engine="Stable Diffusion 1.6", other="Stable Image Core", features=["a number of steps"]),
    )
    await studio.finish()
    assert shows(card(result).text, CHOSEN)
    form = await studio.press(studio.ada, card(result), "Edit prompt")
    edited = await send(studio.ada, form, Engine=[CORE], More_settings="")
    await studio.finish()
    assert not shows(card(edited).text, CHOSEN)


@pytest.mark.parametrize("default", [CORE, BASIC, XL])
async def test_the_examples_work_on_any_default_engine(make_studio: MakeStudio, default: str) -> None:
    """The examples of /help, of the README and of the form."""
    studio = await make_studio(DEFAULT_ENGINE=default)
    prompts = (
        "a castle::2 fog::0.5",
        "a fox --no people, text",
        "a fox --ar 16:9",
        "a fox --size 1024x1024",
        "a fox --images 2 --style neon-punk --steps 45 --seed 7",
        "a fox --images 2 --style anime",
    )
    for prompt in prompts:
        result = await studio.imagine(prompt=prompt)
        await studio.finish()
        assert card(result).images
