"""Every button, pressed by each kind of person who can see it."""

from __future__ import annotations

import re
from typing import Any

import pytest
import simcord
from sqlalchemy import select, update

from bot.jobs import cancellation, results, service, store
from bot.jobs import view as job_view
from bot.jobs.provider_text import as_stored
from bot.providers.base import ImageRequest, WeightedText
from bot.text import VERBATIM
from bot.ui.buttons import DELETE_IMAGES, DELETED, DELETED_BEFORE, MESSAGE_LEFT
from bot.ui.cards import job as cards
from bot.ui.cards.buttons import JOB_ACTIONS, OLD_BUTTON
from bot.ui.cards.details import SEED_OF_ONE
from bot.ui.interactions import APOLOGY_FOR_JOB
from bot.ui.questions import KEPT
from storage import images as image_rows
from storage import jobs as rows
from storage import tables, threads
from storage.records import JobStatus, SubmissionStatus
from tests.cogs.conftest import BASIC, CORE, MakeStudio, Shown, Studio, card, forge, told
from tests.doubles.texts import shows


async def finished(studio: Studio, **options: Any) -> simcord.InteractionResult:
    result = await studio.imagine(**options)
    await studio.finish()
    return result


async def waiting(studio: Studio, **options: Any) -> simcord.InteractionResult:
    """A job with one sent request and one queued request."""
    result = await studio.confirmed(**options)
    await studio.begun()
    await studio.until(lambda: f"{cards.SUBMISSION_STATUS[SubmissionStatus.SUBMITTING]}: 1" in card(result).text)
    return result


@pytest.fixture
async def narrow_studio(make_studio: MakeStudio) -> Studio:
    """A studio with one request at a time, whose image services finish on the test's command."""
    return await make_studio(seconds=None, AITHRIVING_JOBS="1")


# --- Again --------------------------------------------------------------------------------------------------------


async def test_again_starts_a_job_of_the_person_who_presses_it(studio: Studio) -> None:
    first = await finished(studio, prompt="a fox", seed=7)
    again = await studio.again(studio.ben, card(first))
    await studio.finish()
    shown = card(again)
    assert shown.raw.id != card(first).raw.id
    assert f"-# <@{studio.ben.id}> · Stable Image Core · 1024x1024 · 6 credits · " in shown.text
    assert len(card(first).images) == len(shown.images) == 1
    job = await studio.job(2)
    assert (job.user_id, job.parent_id) == (studio.ben.id, 1)


async def test_new_seed_changes_only_the_seed(studio: Studio) -> None:
    first = await finished(studio, prompt="a fox", seed=7, style="anime")
    again = await studio.press(studio.ada, card(first), "New seed")
    await studio.finish()
    one, other = [call.body for call in studio.stand_in.calls_to("aithriving.core")]
    assert isinstance(one, dict)
    assert isinstance(other, dict)
    assert one["seed"] == 7 != other["seed"]
    assert {**one, "seed": 0} == {**other, "seed": 0}
    assert "New seed" in card(again).labels


async def test_only_the_author_can_repeat_a_private_job(studio: Studio) -> None:
    first = await finished(studio, private=True)
    again = await studio.press(studio.ada, card(first), "Again")
    await studio.finish()
    assert card(again).private
    forged = await forge(studio, studio.ben, "again", 1)
    assert shows(told(forged).text, job_view.PRIVATE_JOB)
    assert shows(told(await forge(studio, studio.admin, "details", 1)).text, job_view.PRIVATE_JOB)


@pytest.mark.parametrize("private", [True, False])
async def test_again_on_another_persons_result_uses_ones_own_privacy_default(studio: Studio, private: bool) -> None:
    first = card(await finished(studio, prompt="a fox", seed=7))
    await studio.ben.slash(studio.channel, "settings set", private=private)
    for again in (await studio.again(studio.ben, first), await studio.press(studio.ben, first, "New seed")):
        await studio.finish()
        assert card(again).private is private
    # The author's typed options override their settings.
    await studio.ada.slash(studio.channel, "settings set", private=True)
    assert not card(await studio.again(studio.ada, first)).private
    await studio.finish()


async def test_again_on_another_persons_result_follows_the_server_rules(studio: Studio) -> None:
    first = card(await finished(studio, prompt="a fox"))
    await studio.admin.slash(studio.channel, "server set", private="forbidden")
    await studio.ben.slash(studio.channel, "settings set", private=True)
    again = await studio.press(studio.ben, first, "Again")
    await studio.finish()
    assert not card(again).private


async def test_again_after_a_failure(studio: Studio) -> None:
    studio.stand_in.keys = frozenset({"another"})
    first = await finished(studio)
    studio.stand_in.keys = None
    again = await studio.press(studio.ben, card(first), "Again")
    await studio.finish()
    assert len(card(again).images) == 1


# --- Cancel -------------------------------------------------------------------------------------------------------


async def test_cancel_drops_unsent_requests_and_shows_the_others(narrow_studio: Studio) -> None:
    studio = narrow_studio
    result = await waiting(studio)
    said = told(await studio.press(studio.ada, card(result), "Cancel"))
    assert shows(said.text, cancellation.PARTLY_CANCELLED(dropped=1, all=2))
    assert card(result).labels == []
    studio.stand_in.finish_all()
    await studio.finish()
    shown = card(result)
    assert len(shown.images) == 1
    named = cards.SOME_CANCELLED_NAMED(number=1, all=2, names="a blue car")
    assert shows(shown.text, named)
    assert "6 credits" in shown.text
    assert len(studio.stand_in.bills) == 1


async def test_cancelling_before_any_request_was_sent_is_free(narrow_studio: Studio) -> None:
    studio = narrow_studio
    await waiting(studio)
    second = await studio.imagine(studio.ben, "a fox")
    said = told(await studio.press(studio.ben, card(second), "Cancel"))
    assert shows(said.text, cancellation.CANCELLED)
    await studio.until(lambda: shows(card(second).text, cards.CANCELLED))
    assert shows(card(second).text, cards.NOT_CHARGED)
    assert card(second).labels == ["Again", "Edit prompt", "Details", "Delete"]


async def test_only_the_author_or_a_moderator_may_cancel(narrow_studio: Studio) -> None:
    studio = narrow_studio
    result = await waiting(studio)
    refused = told(await studio.press(studio.ben, card(result), "Cancel"))
    assert shows(refused.text, service.CANCEL_NOT_ALLOWED)
    allowed = told(await studio.press(studio.admin, card(result), "Cancel"))
    assert shows(allowed.text, cancellation.PARTLY_CANCELLED)


async def test_cancelling_too_late_is_reported(studio: Studio) -> None:
    result = await finished(studio)
    said = told(await forge(studio, studio.ada, "cancel", 1))
    assert shows(said.text, cancellation.ALREADY_ENDED)
    assert len(card(result).images) == 1


# --- Details ------------------------------------------------------------------------------------------------------


async def test_everybody_who_sees_the_card_can_open_its_details(studio: Studio) -> None:
    result = await finished(studio, prompt="a fox", seed=7, engine=BASIC, steps=30)
    details = told(await studio.press(studio.ben, card(result), "Details"))
    for words in (
        "a fox",
        "30 steps",
        str(SEED_OF_ONE(seed=7)),
        "(estimate)",
        str(cards.JOB_STATUS[JobStatus.DELIVERED]),
    ):
        assert words in details.text


async def test_details_of_a_job_in_another_channel_are_refused(studio: Studio) -> None:
    await finished(studio)
    elsewhere = studio.server.create_text_channel("elsewhere")
    result = await studio.ada.slash(elsewhere, "imagine", prompt="mine")
    await studio.finish()
    forged = await forge(studio, studio.ben, "details", 1, on=card(result))
    assert shows(told(forged).text, job_view.OTHER_CHANNEL)


# --- Delete -------------------------------------------------------------------------------------------------------


async def test_delete_asks_and_then_removes_card_and_files(studio: Studio) -> None:
    result = await finished(studio, images=2)
    question = told(await studio.press(studio.ada, card(result), "Delete"))
    assert shows(question.text, DELETE_IMAGES(count=2))
    assert len(card(result).images) == 2
    said = await studio.press(studio.ada, question, "Delete for good")
    assert shows(card(said).text, DELETED)
    assert result.response is None
    async with studio.runtime.database.read() as connection:
        job = await rows.get_job(connection, 1)
        images = await image_rows.images_of(connection, 1)
    assert job is not None
    assert job.status is JobStatus.DELETED
    assert [image.file for image in images] == [None, None]


async def test_keep_beside_the_question_changes_nothing(studio: Studio) -> None:
    result = await finished(studio)
    question = told(await studio.press(studio.ada, card(result), "Delete"))
    kept = await studio.press(studio.ada, question, "Keep")
    assert shows(card(kept).text, KEPT)
    assert card(kept).labels == []
    assert len(card(result).images) == 1
    assert (await studio.job()).status is JobStatus.DELIVERED


async def test_a_private_card_can_be_deleted(studio: Studio) -> None:
    result = await finished(studio, private=True)
    question = told(await studio.press(studio.ada, card(result), "Delete"))
    await studio.press(studio.ada, question, "Delete for good")
    assert result.response is None


async def test_only_the_author_or_a_moderator_may_delete(studio: Studio) -> None:
    result = await finished(studio)
    refused = told(await studio.press(studio.ben, card(result), "Delete"))
    assert shows(refused.text, results.DELETE_NOT_ALLOWED)
    assert refused.labels == []
    question = told(await studio.press(studio.admin, card(result), "Delete"))
    await studio.press(studio.admin, question, "Delete for good")
    assert result.response is None


async def test_deleting_twice_reports_that_the_job_is_gone(studio: Studio) -> None:
    result = await finished(studio)
    first, second = [told(await studio.press(studio.ada, card(result), "Delete")) for _ in range(2)]
    await studio.press(studio.ada, first, "Delete for good")
    said = await studio.press(studio.ada, second, "Delete for good")
    assert shows(told(said).text, store.GONE)


async def test_a_card_that_was_deleted_meanwhile_is_no_error(studio: Studio) -> None:
    result = await finished(studio)
    question = told(await studio.press(studio.ada, card(result), "Delete"))
    await studio.admin.delete(card(result).raw)
    said = await studio.press(studio.ada, question, "Delete for good")
    assert shows(card(said).text, DELETED_BEFORE)


async def test_a_card_that_discord_refuses_to_delete_is_reported(studio: Studio) -> None:
    result = await finished(studio)
    question = told(await studio.press(studio.ada, card(result), "Delete"))
    studio.env.inject_error("DELETE", "/webhooks/*/*/messages/@original", status=500)
    said = await studio.press(studio.ada, question, "Delete for good")
    assert shows(card(said).text, MESSAGE_LEFT)


async def test_an_unanswered_question_disappears(studio: Studio) -> None:
    result = await finished(studio)
    pressed = await studio.press(studio.ada, card(result), "Delete")
    assert len(pressed.followups) == 1
    await studio.env.advance_time(301)
    assert pressed.followups == []
    assert len(card(result).images) == 1


async def test_an_unfinished_job_cannot_be_deleted(slow_studio: Studio) -> None:
    await slow_studio.imagine()
    await slow_studio.begun()
    question = told(await forge(slow_studio, slow_studio.ada, "delete", 1))
    said = await slow_studio.press(slow_studio.ada, question, "Delete for good")
    assert shows(told(said).text, store.NOT_FINISHED)


# --- errors -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("job_id", ["999", "0", "9" * 18])
async def test_a_button_of_a_missing_job_is_refused(studio: Studio, job_id: str) -> None:
    for action in JOB_ACTIONS:
        assert shows(told(await forge(studio, studio.ada, action, job_id)).text, store.GONE)


async def test_a_button_of_another_version_is_refused(studio: Studio) -> None:
    assert shows(told(await forge(studio, studio.ada, "upscale", 1)).text, OLD_BUTTON)


async def test_an_error_is_answered_with_an_apology_and_logged_once(
    studio: Studio, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    result = await finished(studio, prompt="a secret prompt")

    async def broken(*_: object) -> None:
        raise ZeroDivisionError("a made-up fault")

    monkeypatch.setattr(results.Results, "detailed", broken)
    caplog.clear()
    said = told(await studio.press(studio.ben, card(result), "Details"))
    assert shows(said.text, APOLOGY_FOR_JOB(job=1))
    assert "ZeroDivisionError" not in said.text
    (record,) = [
        record for record in caplog.records if record.levelname == "ERROR" and record.name.startswith("bot.ui")
    ]
    assert "a made-up fault" in caplog.text
    assert "secret prompt" not in caplog.text
    (number,) = re.findall(r"\b[0-9a-f]{8}\b", said.text)
    assert number in record.getMessage()


@pytest.mark.parametrize(("status", "code"), [(404, 10062), (400, 40060), (400, 50083), (401, 50027)])
async def test_a_press_whose_answer_discord_refuses_is_ignored(
    studio: Studio, caplog: pytest.LogCaptureFixture, status: int, code: int
) -> None:
    result = await finished(studio)
    studio.env.inject_error("POST", "/interactions/*/callback", status=status, code=code)
    pressed = await studio.press(studio.ben, card(result), "Details")
    assert not pressed.acknowledged
    assert "error_id" not in caplog.text
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


# --- after a restart ----------------------------------------------------------------------------------------------


async def test_buttons_work_after_a_restart(studio: Studio) -> None:
    result = await finished(studio, prompt="a fox")
    await studio.restart()
    details = told(await studio.press(studio.ben, card(result), "Details"))
    assert "a fox" in details.text
    again = await studio.press(studio.ben, card(result), "Again")
    await studio.finish()
    assert len(card(again).images) == 1


async def test_a_job_interrupted_by_a_restart_is_shown_after_it(studio: Studio) -> None:
    """The request was sent without a response. This service has no lookup, so the job is free and can be repeated."""
    studio.stand_in.renderings.seconds = None
    result = await studio.imagine(prompt="a fox")
    await studio.begun()
    await studio.restart()
    await studio.finish()
    shown = card(result)
    assert shows(shown.text, cards.NOT_CHARGED)
    assert "Again" in shown.labels


async def test_each_of_many_presses_starts_its_own_job(studio: Studio) -> None:
    result = await finished(studio, prompt="a fox")
    everybody = (studio.ada, studio.ben, studio.admin)
    presses = [await studio.press(person, card(result), "Again") for person in everybody]
    await studio.finish()
    for person, press in zip(everybody, presses, strict=True):
        assert len(card(press).images) == 1
        assert f"-# <@{person.id}> · " in card(press).text


async def test_the_library_keeps_no_card_in_memory(studio: Studio) -> None:
    for _ in range(3):
        await finished(studio)
    store = studio.runtime.client._connection._view_store
    assert store._views == {}
    assert store._synced_message_views == {}


async def test_no_message_pings_anybody(studio: Studio) -> None:
    result = await finished(studio)
    await studio.press(studio.ben, card(result), "Details")
    sent = [each.json for each in studio.env.http_requests if isinstance(each.json, dict)]
    bodies = [body.get("data", body) for body in sent if "components" in body.get("data", body)]
    assert len(bodies) >= 3
    assert all(body["allowed_mentions"] == {"parse": []} for body in bodies)


# --- data after Delete --------------------------------------------------------------------------------------------


async def stored(studio: Studio) -> str:
    """All stored data as text."""
    async with studio.runtime.database.read() as connection:
        found = [(await connection.execute(select(table))).all() for table in tables.metadata.sorted_tables]
    return repr([[tuple(row) for row in rows] for rows in found])


async def delete_for_good(studio: Studio, shown: Shown) -> None:
    question = told(await studio.press(studio.ada, shown, "Delete"))
    await studio.press(studio.ada, question, "Delete for good")


async def test_delete_erases_the_prompt_from_the_database(studio: Studio) -> None:
    secrets = ("heliotrope", "marmalade", "31415926", "anime")
    first = card(
        await finished(studio, prompt="a heliotrope --no marmalade", seed=31415926, style="anime", private=True)
    )
    before = await stored(studio)
    assert all(secret in before for secret in secrets)
    await delete_for_good(studio, first)
    after = await stored(studio)
    assert [secret for secret in secrets if secret in after] == []
    assert CORE in after, "spending by engine is still counted"
    # A start can still learn the duration of such requests.
    await studio.restart()
    (engine,) = [one for one in studio.runtime.service.engines.values() if one.id == CORE]
    await studio.runtime.jobs.durations.of(ImageRequest(CORE, (WeightedText("a fox"),), engine.default_size))


async def test_delete_erases_a_prompt_that_a_service_repeated(studio: Studio) -> None:
    studio.stand_in.keys = frozenset({"another"})
    failed = card(await finished(studio, prompt="a heliotrope"))
    async with studio.runtime.database.write() as tx:
        repeated = as_stored(VERBATIM(words="I cannot paint a heliotrope"))
        await tx.execute(update(tables.submissions).values(problems=repeated))
        await tx.execute(update(tables.ledger).values(note="I cannot paint a heliotrope"))
    await delete_for_good(studio, failed)
    assert "heliotrope" not in await stored(studio)


async def test_delete_erases_a_title_taken_from_the_prompt(studio: Studio) -> None:
    first = card(await finished(studio, prompt="a heliotrope"))
    second = card(await finished(studio, prompt="a fox"))
    async with studio.runtime.database.read() as connection:
        thread = await threads.current_thread(connection, studio.ada.id, studio.server.id)
    assert thread is not None
    assert (thread.title, thread.titled_by) == ("a heliotrope", 1)
    await delete_for_good(studio, second)
    assert "a heliotrope" in await stored(studio)
    await delete_for_good(studio, first)
    assert "heliotrope" not in await stored(studio)
    async with studio.runtime.database.read() as connection:
        erased = await threads.get_thread(connection, thread.id, studio.ada.id)
    assert erased is not None
    assert erased.title == threads.UNTITLED


async def test_delete_keeps_a_title_that_was_typed(studio: Studio) -> None:
    first = card(await finished(studio, prompt="a heliotrope"))
    await studio.ada.slash(studio.channel, "thread rename", title="Flowers")
    await delete_for_good(studio, first)
    stored_now = await stored(studio)
    assert "Flowers" in stored_now
    assert "heliotrope" not in stored_now
