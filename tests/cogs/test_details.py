"""Details: everything about a job, and buttons to its parent and children."""

from __future__ import annotations

from typing import Any

import simcord

from bot.domain.options import IMAGES, SEED, STYLE
from bot.jobs import view as job_view
from bot.ui.cards import details as details_cards
from bot.ui.cards import event_log
from bot.ui.cards import job as cards
from bot.ui.cards.proposal import LAPSED
from storage import images, submissions
from storage import jobs as rows
from storage.records import JobStatus, LapseReason
from tests.cogs.conftest import BASIC, CORE, Shown, Studio, card, forge, told
from tests.doubles.texts import shows

XL = "ai-client/stable-diffusion-xl-1024-v0-9"


async def finished(studio: Studio, **options: Any) -> simcord.InteractionResult:
    result = await studio.imagine(**options)
    await studio.finish()
    return result


async def details(studio: Studio, person: simcord.MemberActor, shown: Shown) -> Shown:
    return told(await studio.press(person, shown, "Details"))


async def test_details_show_everything_about_the_job(studio: Studio) -> None:
    result = await finished(studio, prompt="a fox --steps 20", engine=XL, style="anime", images=2)
    shown = await details(studio, studio.ada, card(result))
    async with studio.runtime.database.read() as connection:
        (submission,) = await submissions.submissions_of(connection, 1)
    assert submission.handle is not None
    for words in (
        f"-# <@{studio.ada.id}> · {cards.JOB_STATUS[JobStatus.DELIVERED]} · ",
        f"Stable Diffusion XL 0.9 · 1024x1024 · {IMAGES.text(2)} · {STYLE.text('anime')}",
        str(details_cards.COST(cost="10 credits")),
        f"```/imagine prompt:a fox --steps 20 engine:{XL} images:2 style:anime```",
    ):
        assert words in shown.text
    text = shown.text
    assert shows(text, details_cards.TIME)
    assert shown.labels == ["Log"]
    log = await studio.press(studio.ada, shown, "Log")
    assert card(log).raw.id == shown.raw.id
    assert card(log).private
    assert f"ai-client: thread {submission.handle['thread']}, request " in card(log).text
    for stage in (event_log.WAITED, event_log.MADE, event_log.DOWNLOADED):
        assert shows(card(log).text, stage)
        assert not shows(text, stage)
    back = await studio.press(studio.ada, card(log), "Back to details")
    assert card(back).text == text


async def test_the_seed_of_each_image_is_shown_once(studio: Studio) -> None:
    result = await finished(studio, prompt="a fox", engine=CORE, seed=7, images=2)
    assert "seed" not in card(result).text
    shown = await details(studio, studio.ada, card(result))
    async with studio.runtime.database.read() as connection:
        seeds = [image.seed for image in await images.images_of(connection, 1)]
    assert seeds[0] == 7
    assert seeds[1] not in (None, 7)
    listed = [details_cards.SEED_OF_IMAGE(number=number, seed=seed or 0) for number, seed in enumerate(seeds, 1)]
    assert shows(shown.text, details_cards.SEEDS(seeds=" · ".join(map(str, listed))))
    assert not shows(shown.text, SEED.text(7))


async def test_the_log_survives_a_restart_and_is_for_those_who_may_see_details(studio: Studio) -> None:
    public = await finished(studio, prompt="a fox")
    shown = await details(studio, studio.ben, card(public))
    await studio.restart()
    log = card(await studio.press(studio.ben, shown, "Log"))
    assert log.private
    assert shows(log.text, event_log.TITLE(job=1))
    await finished(studio, prompt="a secret", private=True)
    assert shows(told(await forge(studio, studio.ben, "log", 2)).text, job_view.PRIVATE_JOB)


async def test_an_estimated_price_is_marked(studio: Studio) -> None:
    result = await finished(studio, prompt="a fox", engine=BASIC, seed=7)
    shown = await details(studio, studio.ben, card(result))
    assert "(estimate)" in shown.text
    assert shows(shown.text, details_cards.SEED_OF_ONE(seed=7))


async def test_parents_and_children_are_shown_in_the_same_card(studio: Studio) -> None:
    first = await finished(studio, prompt="a fox", seed=7)
    second = await studio.press(studio.ada, card(first), "New seed")
    await studio.finish()
    await studio.press(studio.ben, card(second), "New seed")
    await studio.press(studio.ada, card(second), "New seed")
    await studio.finish()
    shown = await details(studio, studio.ben, card(second))
    assert shown.labels == ["Log", "Tree", "Made from job 1", "Led to job 3", "Led to job 4"]
    up = await studio.press(studio.ben, shown, "Made from job 1")
    assert card(up).raw.id == shown.raw.id
    assert shows(card(up).text, details_cards.NUMBER(job=1))
    assert card(up).labels == ["Log", "Tree", "Led to job 2"]
    down = await studio.press(studio.ben, card(up), "Led to job 2")
    further = await studio.press(studio.ben, card(down), "Led to job 3")
    assert shows(card(further).text, details_cards.NUMBER(job=3))
    assert card(further).labels == ["Log", "Tree", "Made from job 2"]


async def test_hidden_related_jobs_are_only_counted(studio: Studio) -> None:
    public = await finished(studio, prompt="a fox")
    await finished(studio, prompt="hidden", private=True)
    mine = await details(studio, studio.ada, card(public))
    assert not shows(mine.text, details_cards.THREAD), "there is only one thread"
    await studio.ada.slash(studio.channel, "thread new", title="another")
    async with studio.runtime.database.write() as tx:
        await rows.update_job(tx, 2, parent_id=1)
    mine = await details(studio, studio.ada, card(public))
    assert mine.labels == ["Log", "Tree", "Led to job 2"]
    assert shows(mine.text, details_cards.THREAD)
    theirs = await details(studio, studio.ben, card(public))
    assert theirs.labels == ["Log"]
    assert shows(theirs.text, details_cards.HIDDEN(count=1))
    assert not shows(theirs.text, details_cards.THREAD), "a thread's title may be taken from a private prompt"
    assert shows(told(await forge(studio, studio.ben, "walk", 2)).text, job_view.PRIVATE_JOB)


async def test_a_deleted_parent_has_no_button(studio: Studio) -> None:
    first = await finished(studio, prompt="a fox")
    second = await studio.press(studio.ada, card(first), "Again")
    await studio.finish()
    question = told(await studio.press(studio.ada, card(first), "Delete"))
    await studio.press(studio.ada, question, "Delete for good")
    assert (await details(studio, studio.ada, card(second))).labels == ["Log"]


async def test_details_of_proposals_and_lapsed_jobs(studio: Studio) -> None:
    result = await studio.imagine(prompt="a {red, blue} car")
    asked = told(await forge(studio, studio.ada, "details", 1))
    assert shows(asked.text, cards.JOB_STATUS[JobStatus.PROPOSED])
    assert "not charged" in asked.text
    await studio.press(studio.ada, card(result), "Cancel")
    lapsed = told(await forge(studio, studio.ada, "details", 1))
    assert shows(lapsed.text, cards.JOB_STATUS[JobStatus.LAPSED])
    assert shows(lapsed.text, details_cards.NOT_STARTED(reason=LAPSED[LapseReason.CANCELLED]))


async def test_only_the_author_sees_details_of_a_private_job(studio: Studio) -> None:
    public = await finished(studio, prompt="a fox")
    for person in (studio.ada, studio.ben, studio.admin):
        assert shows((await details(studio, person, card(public))).text, details_cards.NUMBER(job=1))
    private = await finished(studio, prompt="a secret", private=True)
    assert "a secret" in (await details(studio, studio.ada, card(private))).text
    for person in (studio.ben, studio.admin):
        assert shows(told(await forge(studio, person, "details", 2)).text, job_view.PRIVATE_JOB)
    direct = await studio.ada.user.slash("imagine", prompt="between us")
    await studio.finish()
    pressed = await studio.ada.user.click(card(direct).raw, label="Details")
    assert "between us" in card(pressed).text
