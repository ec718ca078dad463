"""Pages of a report: every line stands on one of them, and the chart adds up to what stands above it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.domain.periods import span
from bot.servers.report_pages import LINES, page_of
from storage import ledger
from storage.database import Database, migrate
from storage.reports import DAY, By, Scope
from tests.storage.rows import NOW, SERVER, add_image, add_job, add_submission, address

PEOPLE = 2 * LINES + 3
PAGES = 3


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    """So many people, channels, engines and days: number n spent n times 100 millicredits on day n."""
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


@pytest.mark.parametrize("by", list(By))
@pytest.mark.parametrize("scope", [Scope(SERVER), Scope(), Scope(SERVER, None, NOW, NOW + 99 * DAY)])
async def test_the_most_and_the_latest_come_first_and_each_stands_on_one_page(
    database: Database, by: By, scope: Scope
) -> None:
    now = NOW + 99 * DAY
    pages = [await page_of(database, by, scope, number, now) for number in range(1, PAGES + 1)]
    lines = [line for page in pages for line in page.lines]
    assert [line.figures.spent for line in lines] == [100 * number for number in range(PEOPLE, 0, -1)]
    assert [len(page.lines) for page in pages] == [LINES, LINES, 3]
    assert {(page.count, page.pages) for page in pages} == {(PEOPLE, PAGES)}
    assert {page.totals.spent for page in pages} == {sum(line.figures.spent for line in lines)}
    for number, wanted in ((99, pages[-1]), (0, pages[0]), (-5, pages[0])):
        assert await page_of(database, by, scope, number, now) == wanted


@pytest.mark.parametrize("by", list(By))
async def test_where_nothing_was_spent_there_is_one_page(database: Database, by: By) -> None:
    page = await page_of(database, by, Scope(SERVER + 1), 7, NOW)
    assert (page.lines, page.count, page.number, page.pages, page.bars) == ((), 0, 1, 1, ())
    assert page.totals.spent == 0


@pytest.mark.parametrize(
    "scope",
    [
        Scope(SERVER, None, NOW + 9 * DAY, NOW + 60 * DAY),
        Scope(SERVER, None, NOW - 300 * DAY, NOW + 10 * DAY + 1),
        Scope(SERVER, None, NOW + 5 * DAY, NOW + 400 * DAY),
        Scope(SERVER),
    ],
    ids=["weeks", "months", "a year", "all"],
)
async def test_the_bars_add_up_to_what_was_spent(database: Database, scope: Scope) -> None:
    page = await page_of(database, By.USER, scope, 1, NOW + 50 * DAY)
    assert sum(bar.exact for bar in page.bars) == page.totals.exact > 0
    assert sum(bar.estimated for bar in page.bars) == page.totals.estimated > 0
    assert all(bar.start < bar.end for bar in page.bars)


async def test_a_named_time_is_the_same_by_all_kinds(database: Database) -> None:
    asked = span("2026-01", NOW + 60 * DAY)
    scope = Scope(SERVER, None, asked.since, asked.until)
    totals = {(await page_of(database, by, scope, 1, NOW + 60 * DAY)).totals for by in By}
    assert len(totals) == 1
