"""The cards of /usage and /credits with their charts: spending, grouped in several ways."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import discord
from discord import ui

from bot.domain.money import FREE
from bot.domain.periods import DAY_AND_MONTH, MONTH_AND_YEAR, MONTHS, Period, date_text, moment_of
from bot.jobs.limits import FREE_KINDS, LimitKind, LimitUse
from bot.jobs.provider_text import as_texts
from bot.servers.reports import CreditsReport, PersonReport, Step, Timeline, UsageReport
from bot.text import Message, Text, message, t
from bot.ui.cards.buttons import (
    BY_CHANNEL,
    BY_DAY,
    BY_ENGINE,
    BY_OPERATION,
    BY_USER,
    REPORT_BACK,
    REPORT_MORE,
    turning,
)
from bot.ui.cards.job import SUBMISSION_STATUS
from bot.ui.cards.layout import Card, Words, quiet, rule, text, within
from bot.ui.cards.wording import IMAGES, JOBS, moment, operation_name, plain, safe
from bot.ui.charts import ChartSpec, Series, in_words
from storage.reports import DAY, By, Figures, Line, Request, Spent

CHART = "chart.png"
"""The file name of a card's chart."""
ALT_AT_MOST = 1024
_ROOM = 2200
# Numbers below this are days; Discord's ids are far larger.
_DAYS_BELOW = 10**10

TITLE = message("usage.title", "**Spending in {place}** · {period}")
PERSON_TITLE = message("usage.person_title", "**{person} in {place}** · {period}")
ALL_SERVERS = message("usage.all_servers", "all servers")
NOTHING_MADE = message("usage.nothing_made", "Nobody made anything in this period.")
SPENT = message("usage.spent", "{spent:credits} spent")
SPENT_ESTIMATED = message("usage.spent_estimated", "{spent:credits} spent, including {estimated:amount} estimated")
ON_HOLD = message("usage.on_hold", "On hold for unfinished jobs: {held:credits}")
GIVEN_BACK = message("usage.given_back", "{what}: {given_back:credits} given back")
NOTHING_GIVEN_BACK = message("usage.nothing_given_back", "{what}")
PAGE = message("usage.page", "Page {page} of {pages}, {count} line", "Page {page} of {pages}, {count} lines")
WENT_WRONG = message("usage.went_wrong", "**Latest failures**")
DELETED_USER = message("usage.deleted_user", "deleted user")
NOT_KNOWN = message("usage.not_known", "unknown")

CREDITS_TITLE = message("credits.title", "**Your credits** · {period}")
NO_LIMIT = message("credits.no_limit", "There is no limit on your credits here.")
EXTRA = message(
    "credits.extra", "Extra credits in this server: {left:amount} of {given:credits} left; they don't expire"
)
JOBS_AT_A_TIME = message("credits.jobs", "You can run {count} job at a time", "You can run {count} jobs at a time")
JOBS_AND_IMAGES = message("credits.jobs_and_images", "{jobs}, {images} each")
LEFT = {
    LimitKind.USER_DAILY: message(
        "credits.user_daily", "{left:amount} of {limit:credits} left {period}, resets {resets}"
    ),
    LimitKind.SERVER_USER: message(
        "credits.server_user", "{left:amount} of {limit:credits} left {period} in this server, resets {resets}"
    ),
    LimitKind.SERVER: message(
        "credits.server", "Everyone in this server: {left:amount} of {limit:credits} left {period}, resets {resets}"
    ),
    LimitKind.SERVER_MONTHLY: message(
        "credits.server_monthly",
        "This server's limit from the bot's operator: {left:amount} of {limit:credits} left {period}, resets {resets}",
    ),
    LimitKind.FREE_DAILY: message(
        "credits.free_daily", "Free images: {left} of {limit} left {period}, resets {resets}"
    ),
    LimitKind.FREE_USER: message(
        "credits.free_user", "Free images: {left} of {limit} left {period} in this server, resets {resets}"
    ),
    LimitKind.FREE_SERVER: message(
        "credits.free_server",
        "Free images of everyone in this server: {left} of {limit} left {period}, resets {resets}",
    ),
}
USED = {
    LimitKind.BOT_DAILY: message(
        "usage.bot_daily", "The bot's limit: {used:amount} of {limit:credits} used {period} ({percent}%)"
    ),
    LimitKind.SERVER_MONTHLY: message(
        "usage.server_monthly", "The operator's limit: {used:amount} of {limit:credits} used {period} ({percent}%)"
    ),
    LimitKind.SERVER: message(
        "usage.server", "This server's limit: {used:amount} of {limit:credits} used {period} ({percent}%)"
    ),
    LimitKind.FREE_SERVER: message(
        "usage.free_server", "This server's free images: {used} of {limit} used {period} ({percent}%)"
    ),
}

BY_TIME = {
    Step.HOUR: message("chart.by_hour", "Credits by hour, {time} (UTC)"),
    Step.DAY: message("chart.by_day", "Credits by day, {time} (UTC)"),
    Step.MONTH: message("chart.by_month", "Credits by month, {time} (UTC)"),
}
BY_LINE = {
    By.ENGINE: message("chart.by_engine", "Credits by engine, {time}"),
    By.CHANNEL: message("chart.by_channel", "Credits by channel, {time}"),
    By.OPERATION: message("chart.by_operation", "Credits by operation, {time}"),
}
FROM_TO = message("chart.from_to", "{first} to {last}")
EXACT = message("chart.exact", "exact")
ESTIMATED = message("chart.estimated", "estimated")
DAILY_LIMIT = message("chart.daily_limit", "daily limit")

TABS = {
    By.USER: BY_USER,
    By.ENGINE: BY_ENGINE,
    By.OPERATION: BY_OPERATION,
    By.DAY: BY_DAY,
    By.CHANNEL: BY_CHANNEL,
}


@dataclass(frozen=True, slots=True)
class Names:
    """The names of things: engines by id, channels by id, and the place of the report (None: all servers)."""

    place: str | None
    engines: Mapping[str, str] = field(default_factory=dict)
    channel: Callable[[int], str] = str

    @property
    def where(self) -> Message | str:
        return ALL_SERVERS if self.place is None else safe(self.place, 100)


# --- a report -----------------------------------------------------------------------------------------------------


def report_card(report: UsageReport, names: Names, *, chart: ChartSpec | None) -> Card:
    """A page of a report. ``chart`` is the chart in the file CHART."""
    page = report.page
    lines = [f"{_line(line, report.by, names)}: {_figures(line.figures)}" for line in page.lines]
    parts: list[ui.Item[Any]] = [text(TITLE(place=names.where, period=report.span.text))]
    parts += [text(*_totals(page.totals), *map(_used, report.uses)), *_shown(chart)]
    parts += [rule(), text(*within(lines or [str(NOTHING_MADE)], _ROOM))]
    if page.pages > 1:
        parts.append(text(quiet(PAGE(page=page.number, pages=page.pages, count=page.count))))
    return Card(*parts, *_buttons(report), text(quiet(t("Times are UTC. Amounts are exact unless marked estimated."))))


def report_chart(report: UsageReport, names: Names) -> ChartSpec | None:
    """The chart of a report; None if nothing was spent."""
    page = report.page
    if report.by not in BY_LINE:
        return timeline_chart(page.timeline)
    shown = [line for line in page.lines if line.figures.spent]
    labels = [plain(_name(line, report.by, names), 36) for line in shown]
    values = [(line.figures.exact, line.figures.estimated) for line in shown]
    return _chart(BY_LINE[report.by](time=report.span.text), labels, values, lying=True)


def timeline_chart(timeline: Timeline | None, *, daily_limit: int | None = None) -> ChartSpec | None:
    """The chart of spending over time; with the daily limit if the bars are days. None without a timeline."""
    if timeline is None:
        return None
    labels = [_bar_label(bar, timeline) for bar in timeline.bars]
    values = [(bar.exact, bar.estimated) for bar in timeline.bars]
    limit = daily_limit if timeline.step is Step.DAY else None
    return _chart(BY_TIME[timeline.step](time=_stretch(timeline)), labels, values, limit)


def _chart(
    title: Text,
    labels: Iterable[str],
    values: list[tuple[int, int]],
    limit: int | None = None,
    *,
    lying: bool = False,
) -> ChartSpec | None:
    if not values:
        return None
    return ChartSpec(
        title=str(title),
        labels=tuple(labels),
        series=(
            Series(str(EXACT), tuple(exact / 1000 for exact, _ in values)),
            Series(str(ESTIMATED), tuple(estimated / 1000 for _, estimated in values), hatched=True),
        ),
        line=limit / 1000 if limit is not None else None,
        line_name=str(DAILY_LIMIT),
        lying=lying,
    )


def _bar_label(bar: Spent, timeline: Timeline) -> str:
    start = moment_of(bar.start)
    match timeline.step:
        case Step.HOUR:
            return f"{start:%H:%M}"
        case Step.DAY:
            return str(date_text(start, DAY_AND_MONTH))
        case Step.MONTH:
            in_a_year = len(timeline.bars) <= len(MONTHS)
            return str(MONTHS[start.month - 1] if in_a_year else date_text(start, MONTH_AND_YEAR))


def _stretch(timeline: Timeline) -> Text:
    form = MONTH_AND_YEAR if timeline.step is Step.MONTH else DAY_AND_MONTH
    first, last = (date_text(moment_of(at), form) for at in (timeline.bars[0].start, timeline.until - 1))
    return first if first == last else FROM_TO(first=first, last=last)


def _shown(chart: ChartSpec | None) -> list[ui.Item[Any]]:
    if chart is None:
        return []
    alt = in_words(chart, ALT_AT_MOST)
    return [ui.MediaGallery(discord.MediaGalleryItem(f"attachment://{CHART}", description=alt))]


def _buttons(report: UsageReport) -> list[ui.Item[Any]]:
    def rest(by: By) -> str:
        """The report's state in the custom id of its button. The period has at most 40 characters, so that it fits."""
        return f"{by.value}:{int(report.everywhere)}:{report.span.name}"

    tabs = [button.to(1, rest(by), disabled=by is report.by) for by, button in TABS.items()]
    turn = turning(report.page, REPORT_BACK, REPORT_MORE, rest(report.by))
    return [ui.ActionRow(*tabs), *([ui.ActionRow(*turn)] if turn else [])]


def spent_text(figures: Figures) -> Text:
    """The amount spent, and how much of it is estimated."""
    if figures.estimated:
        return SPENT_ESTIMATED(spent=figures.spent, estimated=figures.estimated)
    return SPENT(spent=figures.spent)


def _totals(totals: Figures) -> list[Words]:
    lines: list[Words] = [f"**{spent_text(totals)}**", f"{JOBS(count=totals.jobs)}, {IMAGES(count=totals.images)}"]
    if totals.in_flight:
        lines.append(ON_HOLD(held=totals.in_flight))
    if totals.failed or totals.cancelled:
        failed = [t("{number} failed", number=totals.failed)] if totals.failed else []
        cancelled = [t("{number} cancelled", number=totals.cancelled)] if totals.cancelled else []
        form = GIVEN_BACK if totals.given_back else NOTHING_GIVEN_BACK
        lines.append(form(what=[*failed, *cancelled], given_back=totals.given_back))
    return lines


def _used(use: LimitUse) -> Text:
    limit = use.limit
    percent = 100 * use.used // limit.most if limit.most else 100
    return USED[limit.kind](used=use.used, limit=limit.most, period=limit.period.this, percent=percent)


def _figures(figures: Figures) -> str:
    parts: list[Words] = [t("{spent:credits}", spent=figures.spent)]
    if not figures.spent and figures.images:
        parts = [FREE]
    if figures.estimated:
        parts = [t("{spent:credits} ({estimated:amount} estimated)", spent=figures.spent, estimated=figures.estimated)]
    if figures.in_flight:
        parts.append(t("{held:amount} on hold", held=figures.in_flight))
    if figures.jobs:
        # A comparison counts for its first engine alone.
        parts.append(JOBS(count=figures.jobs))
    parts.append(IMAGES(count=figures.images))
    if figures.failed:
        parts.append(t("{number} failed", number=figures.failed))
    return ", ".join(map(str, parts))


def _line(line: Line, by: By, names: Names) -> str:
    if by is By.USER:
        return person(int(line.key or 0))
    if by is By.CHANNEL and line.key is not None:
        return f"<#{line.key}>"
    return f"**{safe(_name(line, by, names), 100)}**"


def person(user_id: int) -> str:
    """A mention; in a private answer it does not ping. A negative id is a person who deleted their data."""
    return f"<@{user_id}>" if user_id > 0 else str(DELETED_USER)


def _name(line: Line, by: By, names: Names) -> str:
    if by is By.OPERATION:
        return operation_name(str(line.key))
    if isinstance(line.key, str):
        return names.engines.get(line.key, line.key)
    if line.key is None:
        return str(NOT_KNOWN)
    return names.channel(line.key) if line.key > _DAYS_BELOW else str(date_text(moment_of(line.key * DAY)))


# --- one person ---------------------------------------------------------------------------------------------------


def person_card(report: PersonReport, names: Names) -> Card:
    """One person's spending and failures, for an admin.

    Jobs may be private, so only their numbers are shown. For a failed private job, only its status is shown.
    """
    lines = _totals(report.totals)
    if report.grants is not None and report.grants.given:
        lines.append(EXTRA(left=report.grants.left, given=report.grants.given))
    title = PERSON_TITLE(person=person(report.user_id), place=names.where, period=report.span.text)
    parts: list[ui.Item[Any]] = [text(title), text(*lines)]
    if report.engines:
        engines = [f"{_line(line, By.ENGINE, names)}: {_figures(line.figures)}" for line in report.engines]
        parts += [rule(), text(t("**By engine**"), *within(engines, 1200))]
    if report.failures:
        parts += [rule(), text(WENT_WRONG, *within(map(_failure, report.failures), 1500))]
    return Card(*parts)


def _failure(request: Request) -> str:
    reason = None if request.private else " ".join(map(str, as_texts(request.problems)))
    why = safe(reason or str(SUBMISSION_STATUS[request.status]), 200)
    return f"{moment(request.updated_at)} · {job_number(request)} · {safe(request.engine, 80)}: {why}"


def job_number(request: Request) -> Text:
    return t("job {number:plain}", number=request.job_id)


def credits_card(report: CreditsReport, *, names: Mapping[str, str], chart: ChartSpec | None) -> Card:
    """A person's own spending. ``names`` are the engines' names by id, ``chart`` is the chart in the file CHART."""
    lines: list[Words] = [f"**{spent_text(report.totals)}**"]
    if report.in_flight:
        lines.append(ON_HOLD(held=report.in_flight))
    if all(use.limit.kind in FREE_KINDS for use in report.limits):
        lines.append(NO_LIMIT)
    lines += [left_text(use) for use in report.limits]
    if report.grants is not None and report.grants.given:
        lines.append(EXTRA(left=report.grants.left, given=report.grants.given))
    jobs = JOBS_AT_A_TIME(count=report.jobs)
    lines.append(jobs if report.images is None else JOBS_AND_IMAGES(jobs=jobs, images=IMAGES(count=report.images)))
    parts: list[ui.Item[Any]] = [text(CREDITS_TITLE(period=report.span.text)), text(*lines), *_shown(chart)]
    if report.engines:
        engines = [_amount(names.get(str(line.key), str(line.key)), line.figures.spent) for line in report.engines]
        parts.append(text(t("**By engine**"), *within(engines, 900)))
    if report.threads:
        threads = [_amount(title, spent) for title, spent in report.threads]
        parts.append(text(t("**By thread**"), *within(threads, 1200)))
    quietly = t("Includes all servers and DMs. Days, weeks and months start at 00:00 UTC.")
    free = t("Whatever fails, or is cancelled before it's sent, is free.")
    return Card(*parts, rule(), text(quiet(quietly), quiet(free)))


def credits_chart(report: CreditsReport) -> ChartSpec | None:
    """The chart of a person's spending; None if they spent nothing."""
    daily = (
        use.limit.most
        for use in report.limits
        if use.limit.period is Period.DAY and use.limit.kind in {LimitKind.USER_DAILY, LimitKind.SERVER_USER}
    )
    return timeline_chart(report.timeline, daily_limit=next(daily, None))


def left_text(use: LimitUse) -> Text:
    """What is left of a limit, and when it resets."""
    limit = use.limit
    return LEFT[limit.kind](left=use.left, limit=limit.most, period=limit.period.this, resets=moment(use.renews_at))


def _amount(name: str, spent: int) -> str:
    return str(t("{name}: {spent:credits}", name=safe(name, 100) or t("(untitled)"), spent=spent))
