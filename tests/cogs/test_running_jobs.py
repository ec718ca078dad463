"""Too many running jobs: the refusal lists them, and those that are unsent can be cancelled from it."""

from __future__ import annotations

import pytest

from bot.jobs import cancellation
from bot.jobs.limits import TOO_MANY_JOBS, TOO_MANY_JOBS_HERE
from bot.ui.cards import job as cards
from storage.records import SubmissionStatus
from tests.cogs.conftest import CONFIRM, MakeStudio, Studio, card, told
from tests.doubles.texts import shows


@pytest.fixture
async def full(make_studio: MakeStudio) -> Studio:
    """A studio with one request at a time and two jobs a person, in which ada has one sent and one queued."""
    studio = await make_studio(seconds=None, AITHRIVING_JOBS="1", JOBS_PER_USER="2")
    sent = await studio.imagine(prompt="a sent fox")
    await studio.begun()
    await studio.imagine(prompt="a queued hen")
    await studio.until(lambda: shows(card(sent).text, cards.SUBMISSION_STATUS[SubmissionStatus.SUBMITTING]))
    return studio


async def test_the_running_jobs_are_listed_with_links_and_cancel(full: Studio) -> None:
    studio = full
    refused = told(await studio.imagine(prompt="a third thing"))
    assert shows(refused.text, TOO_MANY_JOBS(count=2))
    for number in (1, 2):
        job = await studio.job(number)
        assert f"https://discord.com/channels/{job.server_id}/{job.channel_id}/{job.message_id}" in refused.text
    assert "a sent fox" in refused.text
    assert "a queued hen" in refused.text
    assert refused.labels == ["Cancel"], "a job that was sent cannot be cancelled"
    said = told(await studio.press(studio.ada, refused, "Cancel"))
    assert shows(said.text, cancellation.CANCELLED)
    third = await studio.imagine(prompt="a third thing")
    assert shows(card(third).text, cards.SUBMISSION_STATUS[SubmissionStatus.QUEUED])


async def test_private_jobs_are_listed_without_a_link(make_studio: MakeStudio) -> None:
    studio = await make_studio(seconds=None, JOBS_PER_USER="1")
    await studio.imagine(prompt="a secret fox", private=True)
    refused = told(await studio.imagine(prompt="a third thing"))
    assert "a secret fox" in refused.text
    assert "https://" not in refused.text


async def test_prices_do_not_count_as_running_jobs(full: Studio) -> None:
    studio = full
    asked = [await studio.imagine(prompt="a {red, blue} car") for _ in range(3)]
    assert all(CONFIRM in card(each).labels[0] for each in asked)
    refused = told(await studio.press(studio.ada, card(asked[0]), CONFIRM))
    assert shows(refused.text, TOO_MANY_JOBS(count=2))
    assert refused.labels == ["Cancel"]
    assert CONFIRM in card(asked[0]).labels[0], "the price can be confirmed later"
    await studio.press(studio.ada, refused, "Cancel")
    await studio.press(studio.ada, card(asked[0]), CONFIRM)
    assert asked[0].response is None


async def test_a_limit_of_a_server_lists_the_jobs_there(make_studio: MakeStudio) -> None:
    studio = await make_studio(seconds=None)
    await studio.admin.slash(studio.channel, "quota set", jobs=1)
    await studio.ada.user.slash("imagine", prompt="elsewhere")
    await studio.imagine(prompt="a fox")
    refused = told(await studio.imagine(prompt="a hen"))
    assert shows(refused.text, TOO_MANY_JOBS_HERE(count=1, most=1))
    assert "a fox" in refused.text
    assert "elsewhere" not in refused.text
