"""``/thread`` as a person uses it: starting, listing, showing, renaming and deleting threads."""

from __future__ import annotations

import asyncio
from typing import Any

import discord
import pytest
import simcord
from sqlalchemy import select

from bot.jobs.new_jobs import NO_SUCH_THREAD
from bot.people import threads as verbs
from bot.people.threads import NONE_CURRENT, TITLE_EMPTY, TOO_MANY, UNFINISHED
from bot.text import Text
from bot.ui.cards.history import NOTHING_YET
from bot.ui.cards.layout import page_of
from bot.ui.cards.threads import (
    CURRENT,
    DELETE_QUESTION,
    DELETES_JOBS,
    MESSAGES_STAY,
    NO_CURRENT,
    NO_IMAGES,
    NO_LONGER_STORED,
    NO_THREADS,
    TOTALS,
)
from bot.ui.cards.wording import IMAGES, JOBS, THREADS
from cogs.threads import NEXT_IMAGE, RENAMED, SWITCHED
from storage import images as image_rows
from storage import jobs as rows
from storage import reconcile, tables
from storage import threads as stored
from tests.cogs.conftest import Shown, Studio, card, told
from tests.doubles.texts import shows

pytestmark = pytest.mark.slow

XL = "ai-client/stable-diffusion-xl-1024-v0-9"


async def made(studio: Studio, prompt: str, person: simcord.MemberActor | None = None, **options: Any) -> int:
    """Make an image. Returns the id of its job."""
    await studio.imagine(person, prompt, **options)
    await studio.finish()
    return await latest(studio)


async def latest(studio: Studio) -> int:
    async with studio.runtime.database.read() as connection:
        return int(
            (await connection.execute(select(tables.jobs.c.id).order_by(tables.jobs.c.id.desc()))).scalars().first()
            or 0
        )


async def run(studio: Studio, name: str, person: simcord.MemberActor | None = None, **options: Any) -> Shown:
    return told(await (person or studio.ada).slash(studio.channel, f"thread {name}", **options))


def current(title: str) -> str:
    """The title of the current thread as the list and the gallery show it."""
    return f"**{title}** · {CURRENT}"


def totals(jobs: int, images: int, spent: int) -> Text:
    return TOTALS(jobs=JOBS(count=jobs), images=IMAGES(count=images), spent=spent)


def seen_by(studio: Studio, person: simcord.MemberActor) -> str:
    """The texts that this person can see in the channel."""
    messages = studio.channel.history(viewer=person)
    return str([component.to_dict() for message in messages for component in message.components])


async def press(studio: Studio, person: simcord.MemberActor, shown: Shown, label: str) -> Shown:
    return told(await studio.press(person, shown, label))


async def forge(studio: Studio, person: simcord.MemberActor, custom_id: str) -> simcord.InteractionResult:
    """Press a forged button on a public message of the bot."""
    view = discord.ui.LayoutView(timeout=None)
    view.add_item(discord.ui.ActionRow(discord.ui.Button(label="Forged", custom_id=custom_id)))
    view.stop()
    with studio.env.time_context():
        message = await studio.runtime.client.get_partial_messageable(studio.channel.id).send(view=view)
    return await person.click(message, label="Forged")


# --- starting a thread --------------------------------------------------------------------------------------------


async def test_the_first_prompt_becomes_a_threads_title(studio: Studio) -> None:
    assert shows((await run(studio, "list")).text, NO_THREADS)
    await made(studio, "a lighthouse on a cliff::2 fog::-0.5", engine=XL)
    listed = (await run(studio, "list")).text
    assert current("a lighthouse on a cliff") in listed
    assert f"{JOBS(count=1)} · {IMAGES(count=1)} · " in listed


async def test_a_new_thread_without_a_title_uses_the_next_prompt(studio: Studio) -> None:
    await made(studio, "a lighthouse")
    assert shows((await run(studio, "new")).text, NEXT_IMAGE)
    assert shows((await run(studio, "list")).text, NO_CURRENT)
    await made(studio, "a fox")
    await made(studio, "another fox")
    listed = (await run(studio, "list")).text
    assert listed.index(current("a fox")) < listed.index("**a lighthouse**")
    assert shows(listed, totals(2, 2, 12_000))


async def test_a_new_thread_with_a_title_is_current_at_once(studio: Studio) -> None:
    said = await run(studio, "new", title="  Northern   *lights* ")
    assert shows(said.text, SWITCHED(title=r"Northern \*lights\*"))
    await made(studio, "an aurora")
    assert current(r"Northern \*lights\*") in (await run(studio, "list")).text
    async with studio.runtime.database.read() as connection:
        (thread,) = await stored.find_threads(connection, studio.ada.id, studio.server.id, "")
    assert thread.title == "Northern *lights*"


@pytest.mark.parametrize("title", ["🪿", "\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f"])
async def test_an_emoji_is_a_valid_title(studio: Studio, title: str) -> None:
    assert f"**{title}**" in (await run(studio, "new", title=title)).text
    offered = await studio.ada.autocomplete(studio.channel, "thread use", "thread", "")
    assert [choice["name"] for choice in offered] == [title]


async def test_an_invisible_title_is_refused(studio: Studio) -> None:
    for title in ("\u200b\u200b", "\u3164", "\u2800 \u0301"):
        assert shows((await run(studio, "new", title=title)).text, TITLE_EMPTY)
    await run(studio, "new", title="a thread")
    assert shows((await run(studio, "rename", title="\u2060")).text, TITLE_EMPTY)


async def test_after_a_day_without_new_images_the_next_one_starts_a_thread(studio: Studio) -> None:
    await made(studio, "a lighthouse")
    studio.clock.advance(23 * 60 * 60)
    await made(studio, "an owl")
    studio.clock.advance(23 * 60 * 60)
    assert not shows((await run(studio, "list")).text, NO_CURRENT)
    await made(studio, "a bear")
    studio.clock.advance(24 * 60 * 60)
    listed = (await run(studio, "list")).text
    assert "**a lighthouse**" in listed
    assert shows(listed, NO_CURRENT)
    assert len((await run(studio, "show")).images) == 3, "the thread used last is still the one that is shown"
    await made(studio, "a fox")
    listed = (await run(studio, "list")).text
    assert current("a fox") in listed
    assert shows(listed, totals(3, 3, 18_000))


async def test_an_old_thread_continues_once_it_is_chosen(studio: Studio) -> None:
    await made(studio, "a lighthouse")
    studio.clock.advance(30 * 24 * 60 * 60)
    await run(studio, "use", thread="a lighthouse")
    assert (await studio.job(await made(studio, "a fox"))).thread_id == 1
    studio.clock.advance(24 * 60 * 60)
    assert (await studio.job(await made(studio, "an owl", thread="1"))).thread_id == 1


async def test_titles_appear_elsewhere_only_if_there_are_several_threads(studio: Studio) -> None:
    await made(studio, "a lighthouse")
    history = told(await studio.ada.slash(studio.channel, "history"))
    assert "“a lighthouse”" not in history.text
    await run(studio, "new")
    await made(studio, "a fox")
    history = told(await studio.ada.slash(studio.channel, "history"))
    assert "“a lighthouse”" in history.text
    assert "“a fox”" in history.text


async def test_the_number_of_threads_is_limited(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verbs, "THREADS_AT_MOST", 1)
    await run(studio, "new", title="one")
    assert shows((await run(studio, "new", title="two")).text, TOO_MANY(limit=1))
    assert not shows((await run(studio, "list")).text, NO_CURRENT)


# --- selecting a thread -------------------------------------------------------------------------------------------


async def test_use_selects_a_thread_by_choice_or_by_title(studio: Studio) -> None:
    await run(studio, "new", title="Foxes")
    await run(studio, "new", title="Boats")
    choices = await studio.ada.autocomplete(studio.channel, "thread use", "thread", "fox")
    assert [choice["name"] for choice in choices] == ["Foxes"]
    assert shows((await run(studio, "use", thread=choices[0]["value"])).text, SWITCHED(title="Foxes"))
    job = await studio.job(await made(studio, "a fox"))
    assert str(job.thread_id) == choices[0]["value"]
    assert shows((await run(studio, "use", thread="boats")).text, SWITCHED(title="Boats"))
    assert shows((await run(studio, "use", thread="boat")).text, NO_SUCH_THREAD)


async def test_each_place_has_its_own_threads(studio: Studio) -> None:
    await run(studio, "new", title="Foxes")
    there = told(await studio.ada.user.slash("thread list"))
    assert shows(there.text, NO_THREADS)
    assert shows(told(await studio.ada.user.slash("thread use", thread="1")).text, NO_SUCH_THREAD)


async def test_rename_works_for_the_current_thread_and_others(studio: Studio) -> None:
    await run(studio, "new", title="Foxes")
    await run(studio, "new", title="Boats")
    assert shows((await run(studio, "rename", title="Ships")).text, RENAMED(before="Boats", title="Ships"))
    assert shows(
        (await run(studio, "rename", title="Wolves", thread="1")).text, RENAMED(before="Foxes", title="Wolves")
    )
    listed = (await run(studio, "list")).text
    assert "Ships" in listed
    assert "Wolves" in listed
    assert "Foxes" not in listed


async def test_a_thread_is_required_if_none_is_current(studio: Studio) -> None:
    assert shows((await run(studio, "show")).text, NONE_CURRENT)
    assert shows((await run(studio, "rename", title="x")).text, NONE_CURRENT)


# --- lists --------------------------------------------------------------------------------------------------------


async def test_the_list_has_pages(studio: Studio) -> None:
    for number in range(8):
        await run(studio, "new", title=f"thread {number}")
    first = await run(studio, "list")
    assert f"{THREADS(count=8)} · {page_of(1, 2)}" in first.text
    assert "thread 7" in first.text
    assert "thread 1" not in first.text
    second = await press(studio, studio.ada, first, "Next")
    assert str(page_of(2, 2)) in second.text
    assert "thread 1" in second.text
    assert "thread 7" not in second.text
    back = await press(studio, studio.ada, second, "Previous")
    assert str(page_of(1, 2)) in back.text


async def test_the_gallery_shows_previews_with_prompt_price_and_link(studio: Studio) -> None:
    await made(studio, "a fox", images=2)
    await made(studio, "a [boat]", spoiler=True)
    await made(studio, "an owl", private=True)
    shown = await run(studio, "show")
    assert shown.private
    assert [image["description"] for image in shown.images] == [
        "an owl",
        "a [boat]",
        "a fox (image 1 of 2)",
        "a fox (image 2 of 2)",
    ]
    assert [image["spoiler"] for image in shown.images] == [False, True, False, False]
    assert shows(shown.text, totals(3, 4, 24_000))
    job = await studio.job(1)
    where = f"https://discord.com/channels/{studio.server.id}/{studio.channel.id}/{job.message_id}"
    assert f"**3–4** · [a fox]({where}) · 12 credits" in shown.text
    assert "**1** · an owl · 6 credits" in shown.text, "there is no link to a private answer"
    for attachment in shown.raw.attachments:
        assert attachment.size <= 20 * 1024
        assert attachment.filename.startswith("preview-")


async def test_the_gallery_has_pages_and_a_button_back_to_the_list(studio: Studio) -> None:
    await made(studio, "a fox", images=10)
    await run(studio, "new", title="empty")
    listed = await run(studio, "list")
    gallery = told(await studio.ada.click(listed.raw, custom_id="page:gallery:1:1"))
    assert len(gallery.images) == 6
    assert gallery.labels == ["Previous", "Next", "Use this thread", "All threads"]
    assert str(page_of(1, 2)) in gallery.text
    second = await press(studio, studio.ada, gallery, "Next")
    assert str(page_of(2, 2)) in second.text
    assert len(second.images) == 4
    assert len(second.raw.attachments) == 4
    used = await press(studio, studio.ada, second, "Use this thread")
    assert current("a fox") in used.text
    assert "Use this thread" not in used.labels
    listed = await press(studio, studio.ada, used, "All threads")
    assert current("a fox") in listed.text
    assert listed.raw.attachments == []
    empty = told(await studio.ada.click(listed.raw, custom_id="page:gallery:1:2"))
    assert shows(empty.text, NO_IMAGES)


async def test_a_missing_page_shows_the_nearest_one(studio: Studio) -> None:
    await made(studio, "a fox")
    for page in ("0", "999999"):
        assert "a fox" in told(await forge(studio, studio.ada, f"page:gallery:{page}:1")).text
        assert "a fox" in told(await forge(studio, studio.ada, f"page:threads:{page}")).text


async def test_a_preview_outlives_its_file_and_missing_images_are_reported(studio: Studio) -> None:
    await made(studio, "a fox", images=2)
    assert len((await run(studio, "show")).images) == 2
    async with studio.runtime.database.write() as tx:
        (one, other) = await image_rows.images_of(tx, 1)
        await image_rows.forget_files(tx, [one.id, other.id])
    assert one.preview is not None
    await studio.runtime.files.remove(one.preview)
    shown = await run(studio, "show")
    assert len(shown.images) == 1
    assert shows(shown.text, NO_LONGER_STORED(count=1))


async def test_a_missing_preview_is_made_on_demand(studio: Studio) -> None:
    await made(studio, "a fox")
    await run(studio, "show")
    async with studio.runtime.database.read() as connection:
        (image,) = await image_rows.images_of(connection, 1)
    assert image.preview is not None
    await studio.runtime.files.remove(image.preview)
    assert len((await run(studio, "show")).images) == 1
    assert await asyncio.to_thread(studio.runtime.files.path(image.preview).is_file)


async def test_lists_work_after_a_restart(studio: Studio) -> None:
    await made(studio, "a fox", images=10)
    shown = await run(studio, "show")
    await studio.restart()
    second = await press(studio, studio.ada, shown, "Next")
    assert len(second.images) == 4


# --- deleting -----------------------------------------------------------------------------------------------------


async def test_delete_asks_and_the_ledger_keeps_its_entries(studio: Studio) -> None:
    await made(studio, "a fox", images=2)
    await run(studio, "show")
    async with studio.runtime.database.read() as connection:
        before = (await connection.execute(select(tables.ledger.c.id, tables.ledger.c.amount))).all()
    question = await run(studio, "delete", thread="1")
    assert shows(question.text, DELETE_QUESTION(title="a fox"))
    assert shows(question.text, DELETES_JOBS(jobs=JOBS(count=1), images=IMAGES(count=2)))
    assert shows(question.text, MESSAGES_STAY(spent=12_000))
    said = await press(studio, studio.ada, question, "Delete for good")
    assert "a fox" in said.text
    assert said.labels == []
    assert shows((await run(studio, "list")).text, NO_THREADS)
    assert shows(told(await studio.ada.slash(studio.channel, "history")).text, NOTHING_YET)
    async with studio.runtime.database.read() as connection:
        assert await rows.get_job(connection, 1) is None
        assert (await connection.execute(select(tables.ledger.c.id, tables.ledger.c.amount))).all() == before
        assert (await reconcile.reconcile(connection)).differences == []
    assert "12 credits" in told(await studio.ada.slash(studio.channel, "credits")).text
    folder = studio.runtime.files.path("x").parent
    assert await asyncio.to_thread(lambda: list(folder.iterdir())) == []


async def test_the_keep_button_shows_the_gallery(studio: Studio) -> None:
    await made(studio, "a fox")
    question = await run(studio, "delete", thread="a fox")
    kept = await press(studio, studio.ada, question, "Keep")
    assert len(kept.images) == 1
    store = studio.runtime.client._connection._view_store
    assert store._views == {}, "the question is answered, so its time-out does not delete the gallery"


async def test_buttons_of_a_deleted_thread_report_the_deletion(studio: Studio) -> None:
    result = await studio.imagine(prompt="a fox")
    await studio.finish()
    question = await run(studio, "delete", thread="1")
    await press(studio, studio.ada, question, "Delete for good")
    assert len(card(result).images) == 1, "messages on Discord remain"
    assert "no longer exists" in told(await studio.press(studio.ada, card(result), "Details")).text
    assert shows(told(await forge(studio, studio.ada, "page:delete:1:1")).text, NO_SUCH_THREAD)


async def test_a_thread_with_an_unfinished_job_cannot_be_deleted(slow_studio: Studio) -> None:
    studio = slow_studio
    await studio.imagine(prompt="a fox")
    await studio.begun()
    assert shows((await run(studio, "delete", thread="1")).text, UNFINISHED(count=1))
    assert shows(told(await forge(studio, studio.ada, "page:delete:1:1")).text, UNFINISHED(count=1))
    studio.stand_in.finish_all()
    await studio.finish()
    assert "Delete for good" in (await run(studio, "delete", thread="1")).labels


async def test_the_next_image_after_a_deletion_opens_a_new_thread(studio: Studio) -> None:
    await made(studio, "a fox")
    await press(studio, studio.ada, await run(studio, "delete", thread="1"), "Delete for good")
    await made(studio, "an owl")
    assert current("an owl") in (await run(studio, "list")).text
