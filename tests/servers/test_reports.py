"""Pages of a report: every line is on exactly one page, and the chart's bars add up to the totals."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.domain.periods import span
from bot.servers.reports import LINES, ReportPage, Step, page_of
from storage import ledger
from storage.database import Database, migrate
from storage.ledger import Scope
from storage.reports import DAY, By
from tests.storage.rows import NOW, SERVER, add_image, add_job, add_submission, address

pytestmark = pytest.mark.slow

PEOPLE = 2 * LINES + 3
PAGES = 3


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    """A given number of users, channels, engines and days: number n spent n times 100 millicredits on day n."""
    url = address(tmp_path / "easel.db")
    await migrate(url)
    opened = await Database.open(url)
    async with opened.write() as tx:
        for number in range(1, PEOPLE + 1):
            at, engine = NOW + number * DAY, f"aithriving/e{number:02}"
            job_id = await add_job(tx, user_id=number, channel_id=number, at=at)
            made = await add_submission(tx, job_id, user_id=number, engine=engine, at=at)
            await ledger.hold(tx, ledger.Hold(made, engine, 6000), user_id=number, server_id=SERVER, at=at)
            await add_image(tx, made, at=at)
            await ledger.capture(tx, made, amount=100 * number, exact=number % 2 == 0, raw_amount=None, at=at)
    yield opened
    await opened.close()


async def page(database: Database, by: By, scope: Scope, number: int, now: int) -> ReportPage:
    async with database.read() as connection:
        return await page_of(connection, by, scope, number, now)


SCOPES = [Scope(SERVER), Scope(), Scope(SERVER, None, NOW, NOW + 99 * DAY)]


@pytest.mark.slow
@pytest.mark.parametrize("by", [by for by in By if by is not By.OPERATION])
@pytest.mark.parametrize("scope", SCOPES)
async def test_lines_are_sorted_and_each_is_on_one_page(database: Database, by: By, scope: Scope) -> None:
    now = NOW + 99 * DAY
    pages = [await page(database, by, scope, number, now) for number in range(1, PAGES + 1)]
    lines = [line for each in pages for line in each.lines]
    assert [line.figures.spent for line in lines] == [100 * number for number in range(PEOPLE, 0, -1)]
    assert [len(each.lines) for each in pages] == [LINES, LINES, 3]
    assert {(each.count, each.pages) for each in pages} == {(PEOPLE, PAGES)}
    assert {each.totals.spent for each in pages} == {sum(line.figures.spent for line in lines)}
    for number, wanted in ((99, pages[-1]), (0, pages[0]), (-5, pages[0])):
        assert await page(database, by, scope, number, now) == wanted


@pytest.mark.slow
@pytest.mark.parametrize("scope", SCOPES)
async def test_all_requests_of_one_operation_are_one_line(database: Database, scope: Scope) -> None:
    (line,) = (await page(database, By.OPERATION, scope, 1, NOW + 99 * DAY)).lines
    assert line.figures.spent == sum(100 * number for number in range(1, PEOPLE + 1))


@pytest.mark.parametrize("by", list(By))
async def test_without_spending_there_is_one_page(database: Database, by: By) -> None:
    found = await page(database, by, Scope(SERVER + 1), 7, NOW)
    assert (found.lines, found.count, found.number, found.pages, found.timeline) == ((), 0, 1, 1, None)
    assert found.totals.spent == 0


@pytest.mark.parametrize(
    ("scope", "step", "bars"),
    [
        (Scope(SERVER, None, NOW + 9 * DAY, NOW + 10 * DAY), Step.HOUR, 24),
        (Scope(SERVER, None, NOW + 9 * DAY, NOW + 60 * DAY), Step.DAY, 42),
        (Scope(SERVER, None, NOW - 300 * DAY, NOW + 10 * DAY + 1), Step.MONTH, 11),
        (Scope(SERVER, None, NOW - 3000 * DAY, NOW + 400 * DAY), Step.DAY, 51),
        (Scope(SERVER), Step.DAY, 51),
    ],
    ids=["a day", "not yet over", "months", "from the first spending", "all"],
)
async def test_the_bars_add_up_to_the_total(database: Database, scope: Scope, step: Step, bars: int) -> None:
    found = await page(database, By.USER, scope, 1, NOW + 50 * DAY)
    assert found.timeline is not None
    assert (found.timeline.step, len(found.timeline.bars)) == (step, bars)
    assert sum(bar.exact for bar in found.timeline.bars) == found.totals.exact
    assert sum(bar.estimated for bar in found.timeline.bars) == found.totals.estimated
    starts = [bar.start for bar in found.timeline.bars]
    assert starts == sorted(set(starts))
    assert starts[-1] < found.timeline.until <= NOW + 50 * DAY + 1


async def test_a_named_time_is_the_same_in_all_reports(database: Database) -> None:
    asked = span("2026-01", NOW + 60 * DAY)
    scope = Scope(SERVER, None, asked.since, asked.until)
    totals = {(await page(database, by, scope, 1, NOW + 60 * DAY)).totals for by in By}
    assert len(totals) == 1
