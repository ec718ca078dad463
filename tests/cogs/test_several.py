"""Several images at once: a proposal with the price, then one card that shows them as they finish."""

from __future__ import annotations

import pytest

from bot.errors import UserError
from bot.jobs import cancellation, proposals, service, store
from bot.jobs import view as job_view
from bot.jobs.limits import TOO_EXPENSIVE, LimitKind
from bot.jobs.new_jobs import PROPOSED_AT_MOST
from bot.ui.cards import job as cards
from bot.ui.cards.proposal import LAPSED, NEVER_STARTED, PROPOSAL
from bot.ui.cards.waiting import DONE_OF
from bot.ui.cards.wording import IMAGES
from fakes.services import Fault
from fakes.services.faults import Status
from storage import ledger
from storage import submissions as rows
from storage.records import DeliveryMethod, JobStatus, LapseReason
from tests.cogs.conftest import BASIC, CONFIRM, CORE, MakeStudio, Studio, card, forge, stand, told
from tests.doubles.forms import filled
from tests.doubles.texts import shows

pytestmark = pytest.mark.slow


async def held(studio: Studio) -> int:
    async with studio.runtime.database.read() as connection:
        return (await ledger.totals(connection)).in_flight


# --- the price ----------------------------------------------------------------------------------------------------


async def test_choices_show_their_price_first_and_nothing_is_held_or_sent(studio: Studio) -> None:
    result = await studio.imagine(prompt="a {red, blue} car")
    await studio.finish()
    shown = card(result)
    assert shown.private
    assert shows(shown.text, PROPOSAL(images=IMAGES(count=2), price="12 credits"))
    assert "a red car · 6 credits\na blue car · 6 credits" in shown.text
    assert shown.labels == ["Confirm: 12 credits", "Cancel"]
    assert studio.stand_in.calls == []
    assert await held(studio) == 0
    assert (await studio.job()).status is JobStatus.PROPOSED


async def test_a_single_prompt_needs_no_confirmation(studio: Studio) -> None:
    result = await studio.imagine(prompt="a car", images=3)
    await studio.finish()
    assert len(card(result).images) == 3


async def test_confirming_posts_the_card_and_deletes_the_question(studio: Studio) -> None:
    result = await studio.imagine(prompt="a {red, blue} car")
    confirmed = await studio.press(studio.ada, card(result), CONFIRM)
    assert result.response is None
    await studio.finish()
    shown = card(confirmed)
    assert not shown.private
    assert len(shown.images) == 2
    assert "12 credits" in shown.text
    assert len(studio.stand_in.bills) == 2
    job = await studio.job()
    assert (job.message_id, job.public_in, job.delivered_by) == (shown.raw.id, studio.channel.id, DeliveryMethod.TOKEN)


async def test_a_confirmed_job_continues_in_its_posted_card(slow_studio: Studio) -> None:
    """Its result is an edit of the posted card, also after a restart, and by the bot when the token has expired."""
    studio = slow_studio
    posted = await studio.confirmed(prompt=f"a car --engine {{{CORE}, {BASIC}}}")
    await studio.begun()
    await studio.until(lambda: "Cancel" not in card(posted).labels)
    await studio.env.advance_time(15 * 60)
    studio.stand_in.finish_all()
    await studio.begun("aithriving.basic")
    studio.stand_in.finish_all()
    await studio.finish()
    assert len(card(posted).images) == 2
    assert (await studio.job()).delivered_by is DeliveryMethod.BOT_EDIT


@pytest.mark.parametrize("private", [True, False])
async def test_a_confirmed_job_never_takes_another_message(studio: Studio, *, private: bool) -> None:
    message = await stand(studio, "confirm", 1)
    asked = await studio.imagine(prompt="a {red, blue} car", private=private)
    said = told(await studio.ada.click(message, label="Forged"))
    assert shows(said.text, store.OLD_CARD)
    await studio.finish()
    job = await studio.job()
    assert (job.status, job.message_id) == (JobStatus.PROPOSED, card(asked).raw.id)


async def test_nobody_else_can_confirm_cancel_or_see_a_proposal(studio: Studio) -> None:
    result = await studio.imagine(prompt="a {red, blue} car")
    for person in (studio.ben, studio.admin):
        for action in ("confirm", "post"):
            assert shows(told(await forge(studio, person, action, 1)).text, store.NOT_YOURS)
        assert shows(told(await forge(studio, person, "cancel", 1)).text, service.CANCEL_NOT_ALLOWED)
        for action in ("again", "details", "edit"):
            assert shows(told(await forge(studio, person, action, 1)).text, job_view.PRIVATE_JOB)
    await studio.finish()
    assert studio.stand_in.calls == []
    assert CONFIRM in card(result).labels[0]


async def test_a_proposal_is_confirmed_only_by_the_button_that_it_has(studio: Studio) -> None:
    """A private result is never posted, and a public one never put into a private card."""
    private = await studio.imagine(prompt="a {red, blue} car", private=True)
    assert shows(told(await forge(studio, studio.ada, "post", 1)).text, store.OLD_CARD)
    assert shows(told(await forge(studio, studio.ada, "confirm", 1)).text, store.OLD_CARD)
    assert card(private).private
    await studio.finish()
    assert studio.stand_in.calls == []
    assert (await studio.job()).status is JobStatus.PROPOSED


async def test_a_proposal_can_be_cancelled(studio: Studio) -> None:
    result = await studio.imagine(prompt="a {red, blue} car")
    said = told(await studio.press(studio.ada, card(result), "Cancel"))
    assert shows(said.text, cancellation.CANCELLED)
    shown = card(result)
    assert shown.private
    assert shows(shown.text, LAPSED[LapseReason.CANCELLED])
    assert shown.labels == ["Again", "Edit prompt"]
    assert await held(studio) == 0


async def test_an_expired_proposal_offers_the_form(studio: Studio) -> None:
    result = await studio.imagine(prompt="a {red, blue} car")
    studio.clock.advance(15 * 60 - 14)
    await studio.runtime.service.proposals.lapse_due()
    await studio.until(lambda: shows(card(result).text, LAPSED[LapseReason.EXPIRED]))
    form = await studio.press(studio.ada, card(result), "Edit prompt")
    assert filled(form)["Prompt"] == "a {red, blue} car"


async def test_a_card_that_asked_and_cannot_be_deleted_stops_nothing(studio: Studio) -> None:
    result = await studio.imagine(prompt="a {red, blue} car")
    studio.env.inject_error("DELETE", "/webhooks/*/*/messages/*", status=404, code=10008)
    confirmed = await studio.press(studio.ada, card(result), CONFIRM)
    await studio.finish()
    assert len(card(confirmed).images) == 2


async def test_of_many_proposals_the_oldest_lapse(studio: Studio) -> None:
    first = await studio.imagine(prompt="a {red, blue} car")
    second = await studio.imagine(prompt="a {red, blue} car")
    for _ in range(PROPOSED_AT_MOST - 1):
        await studio.imagine(prompt="a {red, blue} car")
    await studio.until(lambda: shows(card(first).text, LAPSED[LapseReason.REPLACED]))
    assert CONFIRM in card(second).labels[0]
    assert shows(told(await forge(studio, studio.ada, "post", 1)).text, proposals.NOT_WAITING)


CLEARED = {"private": "privacy", "refused_words": "refused", "restricted_words": "restricted"}


@pytest.mark.parametrize(
    "change",
    [
        {"private": "forced"},
        {"channels": "#elsewhere"},
        {"roles": "@Admin"},
        {"engines": BASIC},
        {"refused_words": "car"},
        {"restricted_words": "car"},
    ],
    ids=lambda change: next(iter(change)),
)
async def test_confirm_checks_the_rules_again(studio: Studio, change: dict[str, str]) -> None:
    studio.server.create_text_channel("elsewhere")
    result = await studio.imagine(prompt="a {red, blue} car")
    await studio.admin.slash(studio.channel, "server set", **change)
    refused = told(await studio.press(studio.ada, card(result), CONFIRM))
    assert shows(refused.text, proposals.RULES_CHANGED)
    await studio.finish()
    assert studio.stand_in.calls == []
    assert (await studio.job()).status is JobStatus.PROPOSED
    (setting,) = change
    await studio.admin.slash(
        studio.channel,
        "server set",
        clear={"private": "privacy", "refused_words": "refused", "restricted_words": "restricted"}.get(
            setting, setting
        ),
    )
    confirmed = await studio.press(studio.ada, card(result), CONFIRM)
    await studio.finish()
    assert len(card(confirmed).images) == 2


async def test_a_private_proposal_can_be_confirmed_after_private_became_mandatory(studio: Studio) -> None:
    result = await studio.imagine(prompt="a {red, blue} car", private=True)
    await studio.admin.slash(studio.channel, "server set", private="forced")
    await studio.press(studio.ada, card(result), CONFIRM)
    await studio.finish()
    assert len(card(result).images) == 2


async def test_a_proposal_can_be_confirmed_after_a_restart(studio: Studio) -> None:
    result = await studio.imagine(prompt="a {red, blue} car")
    await studio.restart()
    confirmed = await studio.press(studio.ada, card(result), CONFIRM)
    await studio.finish()
    assert len(card(confirmed).images) == 2


async def test_a_price_that_has_risen_is_asked_for_again(studio: Studio) -> None:
    result = await studio.imagine(prompt="a {red, blue} car")
    shown = card(result)
    studio.environ = {**studio.environ, "AITHRIVING_CREDIT_VALUE": "2"}
    await studio.restart()
    refused = told(await studio.ada.click(shown.raw, custom_id="easel:post:1"))
    assert shows(refused.text, proposals.PRICE_CHANGED(price="24 credits"))
    assert (await studio.job()).status is JobStatus.PROPOSED
    assert studio.stand_in.calls == []
    await studio.until(lambda: card(result).labels[0] == "Confirm: 24 credits")
    confirmed = await studio.press(studio.ada, card(result), CONFIRM)
    await studio.finish()
    assert len(card(confirmed).images) == 2


async def test_an_unconfirmed_proposal_lapses_and_the_card_says_so(studio: Studio) -> None:
    result = await studio.imagine(prompt="a {red, blue} car")
    studio.clock.advance(15 * 60 - 14)
    await studio.runtime.service.proposals.lapse_due()
    await studio.until(lambda: shows(card(result).text, NEVER_STARTED))
    assert shows(card(result).text, LAPSED[LapseReason.EXPIRED])
    assert (await studio.job()).status is JobStatus.LAPSED
    again = await studio.press(studio.ada, card(result), "Again")
    assert CONFIRM in card(again).labels[0]


async def test_a_late_press_confirms_nothing(studio: Studio) -> None:
    result = await studio.imagine(prompt="a {red, blue} car")
    studio.clock.advance(15 * 60 - 14)
    said = told(await studio.press(studio.ada, card(result), CONFIRM))
    assert shows(said.text, proposals.EXPIRED)
    await studio.until(lambda: shows(card(result).text, NEVER_STARTED))
    # It does not matter whether the bot has noticed the expiry meanwhile.
    for action in ("confirm", "post"):
        assert shows(told(await forge(studio, studio.ada, action, 1)).text, proposals.EXPIRED)
    assert studio.stand_in.calls == []


async def test_two_presses_run_the_job_once(studio: Studio) -> None:
    result = await studio.confirmed()
    for action in ("confirm", "post"):
        second = told(await forge(studio, studio.ada, action, 1))
        assert second.private
        assert shows(second.text, proposals.NOT_WAITING)
    await studio.finish()
    assert len(card(result).images) == len(studio.stand_in.bills) == 2


async def test_limits_are_checked_on_confirmation(make_studio: MakeStudio) -> None:
    studio = await make_studio(USER_DAILY_CREDITS="15", JOBS_PER_USER="1")
    result = await studio.imagine(prompt="a {red, blue} car")
    other = await studio.imagine(prompt="a {green, white} car")
    confirmed = await studio.press(studio.ada, card(result), CONFIRM)
    await studio.finish()
    assert len(card(confirmed).images) == 2, "the job itself does not count towards the limit of jobs"
    refused = told(await studio.press(studio.ada, card(other), CONFIRM))
    assert shows(refused.text, TOO_EXPENSIVE[LimitKind.USER_DAILY])
    assert CONFIRM in card(other).labels[0], "the proposal remains, in case the limit allows it later"
    assert (await studio.job(2)).status is JobStatus.PROPOSED


async def test_an_unaffordable_job_is_not_proposed(make_studio: MakeStudio) -> None:
    studio = await make_studio(USER_DAILY_CREDITS="11")
    result = await studio.imagine(prompt="a {red, blue} car")
    assert shows(told(result).text, TOO_EXPENSIVE[LimitKind.USER_DAILY])
    with pytest.raises(UserError):
        await studio.job()


async def test_a_price_above_the_persons_threshold_needs_a_confirmation(studio: Studio) -> None:
    await studio.runtime.personal.set(studio.ada.id, {"ask_above": 6000})
    cheap = await studio.imagine(prompt="a car")
    dear = await studio.imagine(prompt="a car", images=2)
    others = await studio.imagine(studio.ben, "a car", images=2)
    await studio.finish()
    assert len(card(cheap).images) == 1
    assert card(dear).private
    assert card(dear).labels == ["Confirm: 12 credits", "Cancel"]
    assert len(card(others).images) == 2


async def test_proposals_work_privately_and_in_direct_messages(studio: Studio) -> None:
    private = await studio.imagine(prompt="a {red, blue} car", private=True)
    direct = await studio.ada.user.slash("imagine", prompt="a {red, blue} car")
    for result, person in ((private, studio.ada), (direct, studio.ada.user)):
        shown = card(result)
        await person.click(shown.raw, label="Confirm: 12 credits")
        await studio.finish()
        assert len(card(result).images) == 2
        assert card(result).private is shown.private


# --- progress -----------------------------------------------------------------------------------------------------


@pytest.fixture
async def one_by_one(make_studio: MakeStudio) -> Studio:
    return await make_studio(seconds=None, AITHRIVING_JOBS="1")


async def test_images_appear_as_they_finish(one_by_one: Studio) -> None:
    studio = one_by_one
    result = await studio.confirmed(prompt="a {red, blue, green} car")
    for number, colour in enumerate(("red", "blue", "green"), 1):
        await studio.begun(count=number)
        studio.stand_in.finish_all()
        if number < 3:
            await studio.until(lambda: len(card(result).images) == number)  # noqa: B023 - awaited before it changes
            shown = card(result)
            assert shows(shown.text, DONE_OF(done=number, all=3))
            assert shown.images[-1]["description"] == f"a {colour} car (image {number} of 3)"
            assert len(shown.raw.attachments) == number
    await studio.finish()
    shown = card(result)
    assert [image["description"] for image in shown.images] == [
        "a red car (image 1 of 3)",
        "a blue car (image 2 of 3)",
        "a green car (image 3 of 3)",
    ]
    assert [each.filename for each in shown.raw.attachments] == [
        "a-red-car-1-1.png",
        "a-blue-car-1-2.png",
        "a-green-car-1-3.png",
    ]
    assert (await studio.job()).status is JobStatus.DELIVERED


async def test_failed_requests_are_named_and_free(studio: Studio) -> None:
    refusal = Status(200, {"code": -1, "message": "These words are not allowed"})
    blue = Fault("aithriving.core", refusal, match=lambda call: "blue" in str(call.body))
    studio.stand_in.misbehave(blue)
    result = await studio.confirmed(prompt="a {red, blue, green} car")
    await studio.finish()
    shown = card(result)
    assert len(shown.images) == 2
    assert shows(shown.text, cards.SOME_FAILED_NAMED)
    assert "(a blue car)" in shown.text
    assert "12 credits" in shown.text
    assert len(studio.stand_in.bills) == 2


async def test_cancel_drops_unsent_requests_and_keeps_finished_images(one_by_one: Studio) -> None:
    studio = one_by_one
    result = await studio.confirmed(prompt="a {red, blue, green} car")
    await studio.begun()
    studio.stand_in.finish_all()
    await studio.begun(count=2)
    await studio.until(lambda: len(card(result).images) == 1)
    said = told(await studio.press(studio.ada, card(result), "Cancel"))
    assert shows(said.text, cancellation.PARTLY_CANCELLED(dropped=1, all=2))
    assert len(card(result).images) == 1
    studio.stand_in.finish_all()
    await studio.finish()
    shown = card(result)
    assert len(shown.images) == 2
    named = cards.SOME_CANCELLED_NAMED(number=1, all=3, names="a green car")
    assert shows(shown.text, named)
    assert len(studio.stand_in.bills) == 2


async def test_finished_images_are_shown_again_after_a_restart(one_by_one: Studio) -> None:
    studio = one_by_one
    result = await studio.confirmed(prompt="a {red, blue} car")
    await studio.begun()
    studio.stand_in.finish_all()
    await studio.until(lambda: len(card(result).images) == 1)
    await studio.begun(count=2)
    await studio.restart()
    await studio.finish()
    shown = card(result)
    assert len(shown.images) == 1
    assert shows(shown.text, cards.SOME_FAILED_NAMED)
    assert "(a blue car)" in shown.text


async def test_several_engines_by_choice(studio: Studio) -> None:
    result = await studio.confirmed(prompt=f"a car --engine {{{CORE}, {BASIC}}}")
    await studio.finish()
    assert len(card(result).images) == 2
    async with studio.runtime.database.read() as connection:
        engines = [each.engine for each in await rows.submissions_of(connection, 1)]
    assert engines == [CORE, BASIC]
