"""The cards of /usage: what a server has spent, what one person did, what runs now."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import discord
from discord import ui

from bot.domain.periods import moment_of
from bot.jobs.limits import LimitKind, LimitUse
from bot.jobs.provider_text import as_texts, reason_text
from bot.servers.reports import PersonReport, Running, UsageReport
from bot.servers.timeline import Bar
from bot.text import amount_text, credits_text
from bot.ui.cards.layout import Card, quiet, rule, text, within
from bot.ui.cards.wording import counted, moment, plain, safe
from bot.ui.charts import ChartSpec, Series, in_words
from storage.jobs import SubmissionStatus
from storage.reports import DAY, By, Figures, Line
from storage.running import Request

CHART = "usage.png"
ALT_AT_MOST = 1024
_JOBS_SHOWN = 12
_BUTTONS = 5
_ROOM = 2200

_TABS = {By.USER: "People", By.ENGINE: "Engines", By.DAY: "Days", By.CHANNEL: "Channels"}
_STANDING = {
    SubmissionStatus.QUEUED: "waits",
    SubmissionStatus.SUBMITTING: "is being sent",
    SubmissionStatus.RENDERING: "renders",
}


@dataclass(frozen=True, slots=True)
class Names:
    """How things are called: engines by id, channels by id, and the place of the report."""

    place: str
    engines: Mapping[str, str] = field(default_factory=dict)
    channel: Callable[[int], str] = str


# --- a report -----------------------------------------------------------------------------------------------------


def report_card(report: UsageReport, names: Names, *, chart: ChartSpec | None) -> Card:
    """A page of a report; ``chart`` is the one in the file CHART."""
    page = report.page
    lines = [f"{_line(line, report.by, names)}: {_figures(line.figures)}" for line in page.lines]
    parts: list[ui.Item[Any]] = [text(f"**What {safe(names.place, 100)} has spent** · {report.span.name}")]
    parts.append(text(*_totals(page.totals), *map(_used, report.uses)))
    if chart is not None:
        alt = in_words(chart, ALT_AT_MOST)
        parts.append(ui.MediaGallery(discord.MediaGalleryItem(f"attachment://{CHART}", description=alt)))
    parts += [rule(), text(*within(lines or ["Nobody has made an image in this time."], _ROOM))]
    if page.pages > 1:
        parts.append(text(quiet(f"Page {page.number} of {page.pages}, {counted(page.count, 'line')}")))
    parts += [*_turning(report), text(quiet("Times are UTC. Estimates are marked as such; the rest is exact."))]
    return Card(*parts)


def report_chart(report: UsageReport, names: Names) -> ChartSpec | None:
    """The chart of a report; None where there is nothing to see."""
    page = report.page
    if not page.totals.spent:
        return None
    if report.by in (By.ENGINE, By.CHANNEL):
        shown = [line for line in page.lines if line.figures.spent]
        labels = [plain(_plain_name(line, names), 24) for line in shown]
        values = [(line.figures.exact, line.figures.estimated) for line in shown]
    else:
        labels = [_bar_label(bar) for bar in page.bars]
        values = [(bar.exact, bar.estimated) for bar in page.bars]
    if not values:
        return None
    whose = "engine" if report.by is By.ENGINE else "channel" if report.by is By.CHANNEL else "time (UTC)"
    return ChartSpec(
        title=f"Credits by {whose}, {report.span.name}",
        labels=tuple(labels),
        series=(
            Series("exact", tuple(exact / 1000 for exact, _ in values)),
            Series("estimated", tuple(estimated / 1000 for _, estimated in values), hatched=True),
        ),
    )


def report_id(of: str, page: int, by: By, period: str, *, everywhere: bool) -> str:
    """Leads to a page of a report. The period is at most 40 letters, so that it fits."""
    return f"page:{of}:{page}:{by.value}:{int(everywhere)}:{period}"


def _turning(report: UsageReport) -> list[ui.Item[Any]]:
    page = report.page

    def leads(of: str, page: int, by: By) -> str:
        return report_id(of, page, by, report.span.name, everywhere=report.everywhere)

    tabs = [
        ui.Button[Any](label=label, custom_id=leads("usageby", 1, by), disabled=by is report.by)
        for by, label in _TABS.items()
    ]
    rows: list[ui.Item[Any]] = [ui.ActionRow(*tabs)]
    if page.pages > 1:
        before, after = leads("usage", page.number - 1, report.by), leads("usage", page.number + 1, report.by)
        rows.append(
            ui.ActionRow(
                ui.Button(label="Back", custom_id=before, disabled=page.number == 1),
                ui.Button(label="More", custom_id=after, disabled=page.number == page.pages),
            )
        )
    return rows


def _totals(totals: Figures) -> list[str]:
    lines = [f"**{_spent(totals)}**", f"{counted(totals.jobs, 'job')}, {counted(totals.images, 'image')}"]
    if totals.in_flight:
        lines.append(f"In flight: {credits_text(totals.in_flight)} held for what is not finished")
    if totals.failed or totals.cancelled:
        lines.append(
            f"{counted(totals.failed, 'request')} failed, {totals.cancelled:,} cancelled: "
            f"{credits_text(totals.given_back)} given back"
        )
    return lines


_LIMIT_NAMES = {
    LimitKind.BOT_DAILY: "the bot's limit for {}",
    LimitKind.SERVER_MONTHLY: "the operator's limit on this server for {}",
    LimitKind.SERVER: "this server's limit for {}",
}


def _used(use: LimitUse) -> str:
    limit = use.limit
    part = f" ({100 * use.used // limit.credits} %)" if limit.credits else ""
    whose = _LIMIT_NAMES[limit.kind].format(limit.period.this)
    return f"Of {whose}: {amount_text(use.used)} of {credits_text(limit.credits)} used{part}"


def _spent(figures: Figures) -> str:
    estimated = f", {amount_text(figures.estimated)} of them estimated" if figures.estimated else ""
    return f"{credits_text(figures.spent)} spent{estimated}"


def _figures(figures: Figures) -> str:
    parts = [
        credits_text(figures.spent) + (f" ({amount_text(figures.estimated)} estimated)" if figures.estimated else "")
    ]
    if figures.in_flight:
        parts.append(f"{amount_text(figures.in_flight)} in flight")
    parts += [counted(figures.jobs, "job"), counted(figures.images, "image")]
    if figures.failed:
        parts.append(f"{figures.failed:,} failed")
    return ", ".join(parts)


def _line(line: Line, by: By, names: Names) -> str:
    if by is By.USER:
        return person(int(line.key or 0))
    if by is By.CHANNEL:
        return f"<#{line.key}>" if line.key is not None else "channel not known"
    return f"**{safe(_plain_name(line, names), 100)}**"


def person(user_id: int) -> str:
    """A mention, which pings nobody in a private answer; or what is left of somebody who had everything deleted."""
    return f"<@{user_id}>" if user_id > 0 else "somebody who left"


def _plain_name(line: Line, names: Names) -> str:
    if isinstance(line.key, str):
        return names.engines.get(line.key, line.key)
    if line.key is None:
        return "not known"
    # A day's number is far below any of Discord's ids.
    return names.channel(line.key) if line.key > 10**10 else f"{moment_of(line.key * DAY):%-d %b %Y}"


def _bar_label(bar: Bar) -> str:
    start, days = moment_of(bar.start), (bar.end - bar.start) // DAY
    return f"{start:%-d %b}" if days <= 7 else f"{start:%b %y}" if days <= 31 else f"{start:%Y}"


# --- one person ---------------------------------------------------------------------------------------------------


def person_card(report: PersonReport, names: Names) -> Card:
    """What one person spent and what failed; of their jobs the numbers alone, since some are private.

    For the same reason a failure of a private job has no words but its status.
    """
    lines = [*_totals(report.totals)]
    if report.grants is not None and report.grants.given:
        lines.append(
            f"Extra credits: {amount_text(report.grants.left)} left of {credits_text(report.grants.given)} granted"
        )
    where = "everywhere" if report.everywhere else f"in {safe(names.place, 100)}"
    parts: list[ui.Item[Any]] = [text(f"**{person(report.user_id)} {where}** · {report.span.name}"), text(*lines)]
    if report.engines:
        engines = [f"{_line(line, By.ENGINE, names)}: {_figures(line.figures)}" for line in report.engines]
        parts += [rule(), text("**By engine**", *within(engines, 1200))]
    if report.failures:
        failures = [
            f"{moment(each.updated_at)} · job {each.job_id} · {safe(each.engine, 80)}: "
            f"{safe(' '.join(map(str, as_texts(each.problems))) or each.status, 200)}"
            for each in report.failures
        ]
        parts += [rule(), text("**What went wrong lately**", *within(failures, 1500))]
    return Card(*parts)


# --- what runs now ------------------------------------------------------------------------------------------------


def running_card(running: Running, *said: str) -> Card:
    """What is unfinished, which services rest, and what came to an unknown end; ``said`` is what was just done."""
    jobs: dict[int, list[Request]] = {}
    for request in running.requests:
        jobs.setdefault(request.job_id, []).append(request)
    parts: list[ui.Item[Any]] = [text(safe(line, 500)) for line in said]
    waiting = sum(request.status is SubmissionStatus.QUEUED for request in running.requests)
    head = (
        f"**Running now**: {counted(len(jobs), 'job')}, {counted(len(running.requests), 'request')}, {waiting} waiting"
    )
    lines = [_job(requests) for requests in list(jobs.values())[:_JOBS_SHOWN]]
    if len(jobs) > _JOBS_SHOWN:
        lines.append(f"… and {len(jobs) - _JOBS_SHOWN} more jobs.")
    parts += [text(head), text(*within(lines or ["Nothing is running."], _ROOM))]
    if running.outages:
        outages = [
            f"{safe(outage.label, 80)} rests until {moment(outage.until)} after {counted(outage.failures, 'failure')}: "
            f"{reason_text(outage.label, outage.reason)}"
            for outage in running.outages
        ]
        parts += [rule(), text("**Services that rest**", *within(outages, 600))]
    if running.unknown:
        unknown = [
            f"{moment(each.created_at)} · job {each.job_id} of {person(each.user_id)} · {safe(each.engine, 80)}"
            for each in running.unknown
        ]
        parts += [rule(), text("**Nobody knows what became of these**, and they cost nothing", *within(unknown, 700))]
    open_ones = [job for job, requests in jobs.items() if any(r.status is SubmissionStatus.QUEUED for r in requests)]
    if open_ones:
        parts.append(
            ui.ActionRow(
                *(
                    ui.Button[Any](label=f"Cancel job {job}", custom_id=drop_id(job, everywhere=running.everywhere))
                    for job in open_ones[:_BUTTONS]
                )
            )
        )
    return Card(*parts)


def drop_id(job_id: int, *, everywhere: bool) -> str:
    """Cancels somebody's job."""
    return f"page:drop:1:{int(everywhere)}:{job_id}"


def _job(requests: list[Request]) -> str:
    first = requests[0]
    standing: dict[str, int] = {}
    for request in requests:
        word = _STANDING[request.status]
        standing[word] = standing.get(word, 0) + 1
    how = ", ".join(word if len(requests) == 1 else f"{number} {word}" for word, number in standing.items())
    engines = ", ".join(dict.fromkeys(safe(request.engine, 80) for request in requests))
    private = " · private" if first.private else ""
    since = moment(min(request.sent_at or request.created_at for request in requests))
    return (
        f"job {first.job_id} · {person(first.user_id)} in <#{first.channel_id}>{private} · {engines} · {how}, {since}"
    )
