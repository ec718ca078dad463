"""Proposals, growing cards, forms and shares, on a Discord that checks every request."""

from __future__ import annotations

import pytest

from bot.ui.cards.proposal import NEVER_STARTED
from fakes.discord.people import Person
from fakes.discord.seen import Seen
from storage.records import JobStatus
from tests.doubles.texts import shows
from tests.wire.house import CORE_ROUTE, House, has_files

CHOICES = "a {red, blue, green} car"


async def asked_price(home: House, ada: Person, prompt: str = CHOICES, *, private: bool = False) -> Seen:
    asked = await ada.slash(home.channel, "imagine", prompt=prompt, private=private)
    return await asked.until(lambda seen: "Confirm" in " ".join(seen.labels))


async def result(home: House, ada: Person, *, private: bool = False) -> Seen:
    asked = await home.begun(ada, private=private)
    await home.done()
    return await asked.until(lambda seen: bool(seen.pictures))


def finish(home: House, word: str) -> None:
    """Finish the image with this word in its prompt."""
    (work,) = [work for work in home.services.renderings.by_guid.values() if word in work.plates[0].picture.prompt]
    home.services.finish(work.guid)


@pytest.mark.parametrize("private", [False, True])
async def test_a_growing_card_uploads_each_image_once(home: House, ada: Person, private: bool) -> None:
    card = await asked_price(home, ada, private=private)
    pressed = await ada.press(card, card.labels[0])
    card = card if private else await pressed.message()
    for number in range(1, 4):
        await home.services.called(CORE_ROUTE, number)
    for number, colour in enumerate(("red", "blue"), 1):
        finish(home, colour)
        await ada.watches(card, lambda seen: len(seen.pictures) == number)  # noqa: B023 - awaited before it changes
    edits = [call for call in home.discord.called("PATCH") if has_files(call)]
    assert [len(call.files) for call in edits] == [1, 1], "the card's images are retained, not sent again"
    await home.done()
    grown = await ada.watches(card, lambda seen: "Again" in seen.labels)
    assert [picture.description for picture in grown.pictures] == [
        f"a {colour} car (image {number} of 3)" for number, colour in enumerate(("red", "blue", "green"), 1)
    ]
    assert len(grown.files) == 3
    assert grown.private is private


async def test_a_proposal_lapses_before_its_token_expires(home: House, ada: Person) -> None:
    card = await asked_price(home, ada)
    assert card.private
    home.later(15 * 60 - 15)
    lapsed = await ada.watches(card, lambda seen: shows(seen.text, NEVER_STARTED))
    assert lapsed.labels == ("Again", "Edit prompt")
    assert (await home.runtime.jobs.job(1)).status is JobStatus.LAPSED


async def test_a_submitted_form_starts_a_job(home: House, ada: Person) -> None:
    card = await result(home, ada)
    form = await ada.press(card, "Edit prompt")
    edited = await ada.submit(form, Prompt="a lighthouse of stone", Size="16:9")
    await edited.until(lambda seen: "Sent" in seen.text)
    await home.done()
    shown = await edited.until(lambda seen: bool(seen.pictures))
    assert shown.text.startswith("a lighthouse of stone")
    assert (await home.runtime.jobs.job(2)).parent_id == 1


async def test_a_refused_form_can_be_reopened(home: House, ada: Person) -> None:
    card = await result(home, ada)
    refused = await (
        await ada.submit(await ada.press(card, "Edit prompt"), Prompt="a long thought", Size="3x3")
    ).answered()
    assert refused.private
    form = await ada.press(refused, "Edit")
    fields = [label["component"] for label in (await form.modal())["components"]]
    assert fields[0]["value"] == "a long thought"


async def test_sharing_is_a_public_answer(home: House, ada: Person) -> None:
    card = await result(home, ada, private=True)
    shared = await (await ada.press(card, "Share")).until(lambda seen: bool(seen.pictures))
    assert not shared.private
    await ada.sees_in(home.channel, lambda seen: seen.text.startswith("Shared: "))
    ben = home.discord.user("ben")
    details = await (await ben.press(shared, "Details")).answered()
    assert "job 1" in details.text


async def test_related_jobs_can_be_opened_in_the_details(home: House, ada: Person) -> None:
    card = await result(home, ada)
    again = await ada.press(card, "Again")
    await again.until(lambda seen: "Sent" in seen.text)
    await home.done()
    details = await (await ada.press(card, "Details")).answered()
    assert details.labels == ("Log", "Tree", "Led to job 2")
    await ada.press(details, "Led to job 2")
    walked = await ada.watches(details, lambda seen: "job 2" in seen.text)
    assert walked.labels == ("Log", "Tree", "Made from job 1")


async def test_message_commands_work_on_every_result(home: House, ada: Person) -> None:
    card = await result(home, ada)
    ben = home.discord.user("ben")
    details = await (await ben.context(card, "Details")).answered()
    assert details.private
    assert "job 1" in details.text
    used = await ben.submit(await ben.context(card, "Use this prompt"))
    await used.until(lambda seen: "Sent" in seen.text)
    await home.done()
    assert (await home.runtime.jobs.job(2)).user_id == ben.id


async def test_the_bot_reads_discords_time_from_responses(home: House, ada: Person) -> None:
    await home.begun(ada)
    ahead = home.runtime.reference.ahead()
    assert ahead is not None
    assert abs(ahead) < 120
    home.clock.set_wall(3600)
    assert home.runtime.reference.ahead() == pytest.approx(3600 + ahead, abs=1)


async def test_requests_say_whether_only_adults_see_the_images(home: House, ada: Person) -> None:
    guild = home.channel.guild
    assert guild is not None
    places = (home.channel, guild.channel("adults", age_restricted=True), ada.dm)
    for place in places:
        await home.begun(ada, place)
    await home.done()
    views = [await home.runtime.jobs.view(number) for number in (1, 2, 3)]
    assert [view.requests[0].adult for view in views] == [False, True, False]
