"""``/history`` as a person uses it: browsing their jobs and continuing from them."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest
import simcord

from bot.jobs import store
from bot.jobs.new_jobs import NO_SUCH_THREAD
from bot.jobs.results import JOBS_A_PAGE
from bot.jobs.view import PRIVATE_JOB
from bot.text import Message
from bot.ui.cards import history as history_cards
from bot.ui.cards import job as cards
from bot.ui.cards.buttons import GO_TO_MESSAGE, OLD_LIST, engine_digest, history_rest, list_id
from bot.ui.cards.details import SEED_OF_ONE
from bot.ui.cards.wording import JOBS
from bot.ui.list_buttons import ENGINE_GONE
from cogs.history import NO_WORDS, TOO_LONG
from storage.jobs import JobFilter
from storage.records import JobStatus
from tests.cogs.conftest import BASIC, CORE, MakeStudio, Shown, Studio, card, told
from tests.cogs.test_threads import forge, made, seen_by
from tests.doubles.texts import shows

pytestmark = pytest.mark.slow


async def looked(studio: Studio, person: simcord.MemberActor | None = None, **options: Any) -> Shown:
    return told(await (person or studio.ada).slash(studio.channel, "history", **options))


def urls(shown: Shown) -> list[str]:
    """The addresses of the messages that show the jobs."""
    return re.findall(rf"\[{GO_TO_MESSAGE}\]\((.+?)\)", shown.text)


def thumbnails(shown: Shown) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []

    def walk(components: list[dict[str, Any]]) -> None:
        for component in components:
            if "accessory" in component and component["accessory"]["type"] == 11:
                found.append(component["accessory"])
            walk(component.get("components", []))

    walk(shown.raw.components)
    return found


# --- browsing -----------------------------------------------------------------------------------------------------


async def test_the_history_is_empty_at_first(studio: Studio) -> None:
    shown = await looked(studio)
    assert shows(shown.text, history_cards.NOTHING_YET)
    assert shown.labels == []
    assert shows((await looked(studio, search="fox")).text, history_cards.NO_SUCH_WORDS(words="fox"))


async def test_newest_jobs_come_first_with_image_price_and_link(studio: Studio) -> None:
    await made(studio, "a fox", images=2)
    await made(studio, "an owl", engine=BASIC, spoiler=True)
    shown = await looked(studio)
    assert shown.private
    assert shown.text.index("an owl") < shown.text.index("a fox")
    assert "Stable Image Core · 2 images · 12 credits" in shown.text
    assert "(estimate)" in shown.text
    assert [each["description"] for each in thumbnails(shown)] == ["an owl", "a fox (image 1 of 2)"]
    assert [each["spoiler"] for each in thumbnails(shown)] == [True, False]
    places = [f"https://discord.com/channels/{studio.server.id}/{studio.channel.id}/"] * 2
    assert urls(shown) == [
        f"{place}{(await studio.job(n)).message_id}" for place, n in zip(places, (2, 1), strict=True)
    ]
    assert shown.labels == ["Again", "Edit prompt", "Details"] * 2


async def test_page_buttons_keep_the_search_and_survive_a_restart(studio: Studio) -> None:
    for number in range(JOBS_A_PAGE + 2):
        await made(studio, f"a Fuchs auf der Straße, number {number}", engine=BASIC)
        await made(studio, f"an owl, number {number}")
    shown = await looked(studio, search="FUCHS auf der STRASSE", engine=BASIC)
    assert (
        f"{JOBS_A_PAGE + 2} jobs · with “FUCHS auf der STRASSE” · on Stable Diffusion 1.6 · page 1 of 2" in shown.text
    )
    assert "number 5" in shown.text
    assert "owl" not in shown.text
    await studio.restart()
    older = told(await studio.press(studio.ada, shown, "Next"))
    assert "page 2 of 2" in older.text
    assert "number 1" in older.text
    assert "number 5" not in older.text
    assert "owl" not in older.text
    assert len(thumbnails(older)) == len(older.raw.attachments) == 2
    newer = told(await studio.press(studio.ada, older, "Previous"))
    assert "number 5" in newer.text


@pytest.mark.parametrize(
    ("search", "found"),
    [
        ("100%", ["100% wool"]),
        ("%", ["100% wool"]),
        ("_", ["snake_case"]),
        ("\\", ["back\\slash"]),
        ("wool", ["100% wool"]),
    ],
)
async def test_sql_wildcards_are_searched_literally(studio: Studio, search: str, found: list[str]) -> None:
    for prompt in ("100% wool", "snake_case", "back\\\\slash", "plain"):
        await made(studio, prompt, engine=BASIC)
    shown = await looked(studio, search=search)
    assert shown.text.startswith(f"**{history_cards.TITLE}**\n-# {JOBS(count=len(found))} ")


async def test_a_search_that_is_too_long_or_empty_is_refused(studio: Studio) -> None:
    longest = "x" * 50
    await made(studio, longest)
    assert "1 job" in (await looked(studio, search=longest)).text
    assert shows((await looked(studio, search="🦊" * 26)).text, TOO_LONG)
    assert shows((await looked(studio, search="\u200b")).text, NO_WORDS)
    wanted = JobFilter(words=longest, engine="x/" * 40, thread_id=10**17)
    assert len(list_id("history", 999_999, history_rest(wanted))) <= 100


async def test_engine_and_thread_filter_the_history(studio: Studio) -> None:
    await made(studio, "a fox")
    await studio.ada.slash(studio.channel, "thread new", title="Owls")
    await made(studio, "an owl", engine=BASIC)
    assert "fox" not in (await looked(studio, engine=BASIC)).text
    assert "owl" not in (await looked(studio, engine="core")).text
    choices = await studio.ada.autocomplete(studio.channel, "history", "thread", "owl")
    in_thread = (await looked(studio, thread=choices[0]["value"])).text
    assert "1 job · in the thread “Owls”" in in_thread
    assert "fox" not in in_thread
    assert shows((await looked(studio, thread="Foxes")).text, NO_SUCH_THREAD)
    engines = await studio.ada.autocomplete(studio.channel, "history", "engine", "1.6")
    assert [choice["value"] for choice in engines] == [BASIC]
    assert "nobody" in (await looked(studio, engine="nobody/nothing")).text


async def test_the_history_is_the_same_everywhere(studio: Studio) -> None:
    await made(studio, "a fox")
    await studio.ada.user.slash("imagine", prompt="an owl in a direct message")
    await studio.finish()
    shown = await looked(studio)
    assert "a fox" in shown.text
    assert "an owl" in shown.text
    assert any(url.startswith("https://discord.com/channels/@me/") for url in urls(shown))


async def test_a_private_answer_has_no_link(studio: Studio) -> None:
    await made(studio, "an owl", private=True)
    shown = await looked(studio)
    assert "private" in shown.text
    assert urls(shown) == []


async def test_unfinished_and_failed_jobs_are_listed(slow_studio: Studio) -> None:
    studio = slow_studio
    await studio.imagine(prompt="a fox")
    await studio.begun()
    assert shows((await looked(studio)).text, cards.JOB_STATUS[JobStatus.WORKING])
    studio.stand_in.finish_all()
    await studio.finish()
    studio.stand_in.keys = frozenset({"another"})
    await studio.imagine(prompt="an owl")
    await studio.finish()
    shown = (await looked(studio)).text
    assert shows(shown, history_cards.NO_IMAGE)


async def test_deleted_jobs_are_not_listed(studio: Studio) -> None:
    result = await studio.imagine(prompt="a fox")
    await studio.finish()
    question = told(await studio.press(studio.ada, card(result), "Delete"))
    await studio.press(studio.ada, question, "Delete for good")
    assert shows((await looked(studio)).text, history_cards.NOTHING_YET)
    folder = studio.runtime.files.path("x").parent
    assert await asyncio.to_thread(lambda: list(folder.iterdir())) == []


async def test_people_see_only_their_own_history(studio: Studio) -> None:
    await made(studio, "a secret fox", private=True)
    await made(studio, "a public fox")
    for person in (studio.ben, studio.admin):
        for options in ({}, {"search": "fox"}, {"engine": CORE}):
            assert "fox" not in (await looked(studio, person, **options)).text.replace("“fox”", "")
        assert shows((await looked(studio, person, thread="1")).text, NO_SUCH_THREAD)


@pytest.mark.parametrize(
    "custom_id",
    [
        "page:history:1:::",
        "page:history:1:1::",
        "page:history:1:::fox",
        f"page:history:1::{engine_digest(CORE)}:",
        "page:history:2:::",
    ],
)
async def test_a_forged_button_shows_nothing_of_others(studio: Studio, custom_id: str) -> None:
    await made(studio, "a secret fox", private=True)
    for person in (studio.ben, studio.admin):
        said = told(await forge(studio, person, custom_id))
        assert "secret" not in said.text
        assert said.raw.attachments == []
    mine = told(await forge(studio, studio.ada, custom_id))
    assert "secret fox" in mine.text
    assert "Forged" in seen_by(studio, studio.ben)
    assert "secret" not in seen_by(studio, studio.ben)


@pytest.mark.parametrize(
    ("custom_id", "said"),
    [
        ("page:history:1", OLD_LIST),
        ("page:history:1:x::", OLD_LIST),
        (f"page:history:1:{'9' * 19}::", OLD_LIST),
        ("page:history:1:::' OR 1=1 --", history_cards.NO_SUCH_WORDS),
        ("page:history:1::00000000:", ENGINE_GONE),
        (f"page:history:1:{'9' * 18}::", NO_SUCH_THREAD),
    ],
)
async def test_an_invalid_button_is_refused(studio: Studio, custom_id: str, said: Message) -> None:
    await made(studio, "a fox")
    assert shows(told(await forge(studio, studio.ada, custom_id)).text, said)


# --- continuing from a job ----------------------------------------------------------------------------------------


async def test_again_from_the_history_starts_a_job(studio: Studio) -> None:
    await made(studio, "a fox")
    again = await studio.press(studio.ada, await looked(studio), "Again")
    await studio.finish()
    assert len(card(again).images) == 1
    assert not card(again).private
    assert (await studio.job(2)).parent_id == 1


async def test_edit_opens_the_form_with_everything_that_the_job_had(make_studio: MakeStudio) -> None:
    studio = await make_studio(DEFAULT_ENGINE=BASIC)
    await made(studio, "a `fox` in snow", engine=CORE, seed=7, negative="rain, fog", private=True)
    pressed = await studio.press(studio.ada, await looked(studio), "Edit prompt")
    assert pressed.modal is not None
    for value in ("a `fox` in snow", "rain, fog", "--seed 7"):
        assert value in str(pressed.modal)
    (engine,) = [option for option in options_of(pressed.modal) if option.get("default")]
    assert engine["value"] == CORE


async def test_details_are_open_from_the_history(studio: Studio) -> None:
    await made(studio, "a fox", seed=7)
    pressed = told(await studio.press(studio.ada, await looked(studio), "Details"))
    assert shows(pressed.text, SEED_OF_ONE(seed=7))
    assert not shows((await looked(studio)).text, SEED_OF_ONE)


def options_of(modal: Any) -> list[dict[str, Any]]:
    """The options of the form's menu."""
    if isinstance(modal, dict):
        return [*modal.get("options", ()), *(found for part in modal.values() for found in options_of(part))]
    return [found for part in modal for found in options_of(part)] if isinstance(modal, list) else []


@pytest.mark.parametrize(("action", "refusal"), [("use", PRIVATE_JOB), ("show", store.NOT_YOURS)])
async def test_only_the_author_can_use_the_buttons(studio: Studio, action: str, refusal: Message) -> None:
    await made(studio, "a secret fox", private=True)
    for person in (studio.ben, studio.admin):
        said = told(await forge(studio, person, f"easel:{action}:1"))
        assert shows(said.text, refusal)
        assert "secret" not in said.text
        assert not said.images


async def test_every_answer_is_private(studio: Studio) -> None:
    await made(studio, "a fox")
    assert (await looked(studio)).private
    for name in ("new", "list", "show"):
        assert told(await studio.ada.slash(studio.channel, f"thread {name}")).private
