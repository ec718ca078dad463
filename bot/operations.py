"""The operator's commands for the data: backup, restore, retry, reconcile and usage."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path

from bot.config import BACKUPS, Settings
from bot.domain.periods import Span, date_text, milliseconds, moment_of, span
from bot.jobs.provider_text import as_stored
from bot.jobs.view import LOST_IN_RESTORE
from bot.providers.base import Provider
from bot.text import Text, amount_text, message, t
from bot.ui.cards.wording import JOBS
from storage import endings, reconcile, reports
from storage.database import Database, InstanceLock, database_path
from storage.ledger import Scope
from storage.pools import apart
from storage.records import SubmissionStatus
from storage.reports import DAY, By, Line, Report
from storage.sqlite import backups
from storage.sqlite.restore import Restored, restore

RESTORED = message("restore.done", "Restored {copy} as {database}.")
SET_ASIDE = message("restore.set_aside", "The previous database is kept as {file}.")
UNKNOWN_OUTCOMES = message(
    "restore.unknown",
    "{count} request in it was unfinished. Its outcome is unknown, it is not charged and not sent again. "
    "The next start tells the authors of {jobs}.",
    "{count} requests in it were unfinished. Their outcome is unknown, they are not charged and not sent again. "
    "The next start tells the authors of {jobs}.",
)
NOT_SHOWN = message(
    "restore.not_shown",
    "{count} finished job in it had not been shown yet. It waits in /history and is not posted, because it was "
    "probably shown after the backup was made.",
    "{count} finished jobs in it had not been shown yet. They wait in /history and are not posted, because they were "
    "probably shown after the backup was made.",
)
REOPENED = message(
    "retry.reopened",
    "The next start asks for {count} request of {jobs} again. Nothing is paid for twice.",
    "The next start asks for {count} requests of {jobs} again. Nothing is paid for twice.",
)
STILL_UNKNOWN = message(
    "retry.still_unknown",
    "{count} request stays unknown: its service is not set up or cannot look it up, or somebody cancelled or deleted "
    "it.",
    "{count} requests stay unknown: their service is not set up or cannot look them up, or somebody cancelled or "
    "deleted them.",
)
STILL_INCOMPLETE = message(
    "retry.still_incomplete",
    "{count} request still lacks images: its service is not set up.",
    "{count} requests still lack images: their service is not set up.",
)
SUBMISSION = message("reconcile.submission", "submission {id:plain} of job {job:plain} ({engine})")
UNKNOWN = message("reconcile.unknown", "unknown  {submission}: since {since}, {held:credits} returned")
OPEN = message("reconcile.open", "open     {submission}: {status} since {since}, {held:credits} held")
BEYOND = message(
    "reconcile.beyond",
    "beyond   {submission}, {status}: the service charged {charged:credits}; {captured:credits} are captured",
)
SENT_TWICE = message(
    "reconcile.sent_twice", "beyond   {submission}, {status}: sent twice, so the service may bill it twice"
)
DIFFERS = message("reconcile.differs", "differs  {subject}: {wrong}")
TOTALS = message(
    "reconcile.totals",
    "Submissions: {submissions}, ledger entries: {entries}. Spent: {spent:credits}, held: {held:credits}.",
)
AGREE = message("reconcile.agree", "The books agree.")
DIFFER = message("reconcile.differ", "The books differ in {count} place.", "The books differ in {count} places.")


async def back_up(settings: Settings, to: Path | None, now: datetime) -> Path:
    """Copy the database, which may be in use. Returns the new file: ``to``, or a file in ``to`` if that is a folder.

    Without ``to``, the copy is made in ``backups`` in the data folder. Raises StorageError.
    """
    path = database_path(settings.database_url)

    def copy() -> Path:
        folder = settings.data_dir / BACKUPS if to is None else to
        target = backups.dated(path, folder, now) if to is None or to.is_dir() else to
        backups.backup(path, target)
        return target

    return await apart(copy)


async def put_back(settings: Settings, copy: Path, now: datetime) -> list[Text]:
    """Restore the database from a copy. Returns a summary. Raises StorageError, also if the bot is running."""
    path = database_path(settings.database_url)
    aside = backups.dated(path, settings.data_dir / BACKUPS, now, "-replaced")
    async with InstanceLock(settings.database_url):
        replaced = await apart(path.exists)
        # Resolve links, so that a link to the database remains a link.
        real = await apart(path.resolve)
        problems = as_stored(LOST_IN_RESTORE())
        restored = await restore(real, copy, aside=aside, problems=problems, at=milliseconds(now))
    return list(_changes(restored, path, copy, aside if replaced else None))


def _changes(restored: Restored, path: Path, copy: Path, aside: Path | None) -> Iterator[Text]:
    yield RESTORED(copy=str(copy), database=str(path))
    if aside is not None:
        yield SET_ASIDE(file=str(aside))
    if restored.unknown:
        yield UNKNOWN_OUTCOMES(count=restored.unknown, jobs=JOBS(count=restored.told))
    if restored.kept:
        yield NOT_SHOWN(count=restored.kept)


async def ask_again(settings: Settings, providers: Mapping[str, Provider], now: datetime) -> list[Text]:
    """Reopen requests that are unknown or lack images, if these providers can look them up or fetch what is missing.

    The next start does so; none that costs anything is sent again. Returns a summary. Raises StorageError, also if
    the bot is running.
    """
    url = settings.database_url
    async with InstanceLock(url), Database.opened(url) as database, database.write() as tx:
        askable = [name for name, provider in providers.items() if provider.finds_lost_submits]
        reopened = await endings.reopen(tx, askable, fetching=providers, at=milliseconds(now))
    changes = [REOPENED(count=reopened.submissions, jobs=JOBS(count=reopened.jobs))]
    if reopened.unknown:
        changes.append(STILL_UNKNOWN(count=reopened.unknown))
    if reopened.incomplete:
        changes.append(STILL_INCOMPLETE(count=reopened.incomplete))
    return changes


async def books(settings: Settings) -> tuple[list[Text], bool]:
    """The check of the ledger, line by line: open and unknown requests, and differences. Raises StorageError."""
    async with Database.opened(settings.database_url) as database, database.read() as connection:
        found = await reconcile.reconcile(connection)
    return list(_lines(found)), not found.differences


def _lines(found: reconcile.Books) -> Iterator[Text]:
    for one in found.standing:
        submission = SUBMISSION(id=one.submission_id, job=one.job_id, engine=one.engine)
        since = f"{moment_of(one.since):%Y-%m-%d %H:%M} UTC"
        form = UNKNOWN if one.status is SubmissionStatus.UNKNOWN else OPEN
        yield form(submission=submission, status=one.status.value, since=since, held=one.held)
    for more in found.beyond:
        submission = SUBMISSION(id=more.submission_id, job=more.job_id, engine=more.engine)
        form = BEYOND if more.charged > more.captured else SENT_TWICE
        yield form(submission=submission, status=more.status.value, charged=more.charged, captured=more.captured)
    for difference in found.differences:
        yield DIFFERS(subject=difference.subject, wrong=difference.wrong)
    totals = found.totals
    yield TOTALS(submissions=found.submissions, entries=found.entries, spent=totals.spent, held=totals.in_flight)
    yield DIFFER(count=len(found.differences)) if found.differences else AGREE()


async def usage(settings: Settings, *, period: str, by: By, server_id: int | None, now: datetime) -> list[str]:
    """The report of /usage for all servers or for one, as lines. Raises UserError for an invalid period."""
    asked = span(period, milliseconds(now))
    async with Database.opened(settings.database_url) as database, database.read() as connection:
        report = await reports.report(connection, by, Scope(server_id, None, asked.since, asked.until))
    return list(_table(report, by, asked, server_id))


def _table(report: Report, by: By, asked: Span, server_id: int | None) -> Iterator[str]:
    place = t("all servers") if server_id is None else t("server {number:plain}", number=server_id)
    yield str(
        t("{place}, {period} (UTC): {spent:credits} spent", place=place, period=asked.text, spent=report.totals.spent)
    )
    head = t("credits"), t("estimated"), t("jobs"), t("images"), t("failed"), t("given back"), t("on hold")
    rows = [("", *map(str, head)), *(_row(_name(line, by), line) for line in report.lines)]
    if len(report.lines) != 1:
        rows.append(_row(str(t("all")), Line(None, report.totals)))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for first, *others in rows:
        cells = (cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True))
        yield "  ".join((first.ljust(widths[0]), *cells)).rstrip()


def _row(name: str, line: Line) -> tuple[str, ...]:
    figures = line.figures
    return (
        name,
        amount_text(figures.spent),
        amount_text(figures.estimated),
        str(figures.jobs),
        str(figures.images),
        str(figures.failed),
        amount_text(figures.given_back),
        amount_text(figures.in_flight),
    )


def _name(line: Line, by: By) -> str:
    if line.key is None:
        return str(t("unknown"))
    return str(date_text(moment_of(int(line.key) * DAY))) if by is By.DAY else str(line.key)
