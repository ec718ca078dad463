"""The cards of spending, limits and rules: the longest ones fit Discord's limits, and texts are escaped."""

from __future__ import annotations

from dataclasses import replace

import pytest
from discord.ui import LayoutView

from bot.domain.periods import ALL_TIME, Period, Span
from bot.domain.rules import Rules
from bot.jobs.circuit_breaker import Outage
from bot.jobs.limits import InForce, LimitKind, Limits, LimitUse, PeriodLimit
from bot.jobs.provider_text import as_stored
from bot.jobs.worker import ServiceState
from bot.providers.errors import Reason
from bot.providers.operations import Operation
from bot.providers.server_states import ServerState, Silence
from bot.servers.reports import CreditsReport, PersonReport, ReportPage, Running, Step, Timeline, UsageReport
from bot.servers.settings import MemberLimits
from bot.text import VERBATIM, t
from bot.ui.cards.buttons import LISTS
from bot.ui.cards.running import running_card
from bot.ui.cards.server import OLDEST_SHOWN, log_card, member_card, quotas_card, rules_card, subject_text
from bot.ui.cards.usage import (
    ALT_AT_MOST,
    DELETED_USER,
    EXTRA,
    JOBS_AT_A_TIME,
    LEFT,
    NOTHING_MADE,
    ON_HOLD,
    SPENT_ESTIMATED,
    Names,
    credits_card,
    credits_chart,
    person_card,
    report_card,
    report_chart,
)
from bot.ui.cards.wording import units
from bot.ui.charts import in_words
from bot.ui.list_buttons import list_button_item
from storage.ledger import Balance
from storage.records import SubmissionStatus
from storage.reports import DAY, By, Figures, Line, Request, Spent
from storage.settings import AdminAct, Quota, Subject
from tests.doubles.cards import check, everything, said
from tests.doubles.texts import shows

HUGE = 10**12
NAUGHTY = "@everyone <@1> [x](https://evil.example)\n# big"
FIGURES = Figures(HUGE, HUGE, 10**6, 10**6, 10**5, 10**5, HUGE, HUGE)
NAMES = Names("*" * 200, {"aithriving/core": NAUGHTY}, lambda number: f"#{number}")


def fits(card: LayoutView) -> None:
    """Assert that Discord would accept the card, and the bot its buttons."""
    parts = everything(card)  # type: ignore[arg-type]  # any view has components
    assert len(parts) <= 40
    texts = [part["content"] for part in parts if part["type"] == 10]
    assert all(texts)
    assert sum(map(units, texts)) <= 4000
    ids = [part["custom_id"] for part in parts if part["type"] == 2]
    assert len(set(ids)) == len(ids)
    for part in parts:
        if part["type"] == 2:
            assert 0 < len(part["label"]) <= 80
            assert len(part["custom_id"]) <= 100
            match = list_button_item({}).__discord_ui_compiled_template__.fullmatch(part["custom_id"])
            assert match is not None
            assert match["list"] in LISTS


def report(by: By, lines: tuple[Line, ...], name: str = "2026-01-15..2026-02-14") -> UsageReport:
    bars = tuple(Spent(number * DAY, HUGE, HUGE) for number in range(92))
    limits = (
        PeriodLimit(LimitKind.SERVER, HUGE, Period.MONTH),
        PeriodLimit(LimitKind.SERVER_MONTHLY, 0, Period.MONTH),
        PeriodLimit(LimitKind.BOT_DAILY, HUGE, Period.DAY),
    )
    return UsageReport(
        span=Span(1, 2, name),
        by=by,
        everywhere=True,
        page=ReportPage(FIGURES, lines, count=5000, number=250, timeline=Timeline(Step.DAY, bars, 92 * DAY)),
        uses=tuple(LimitUse(limit, HUGE, HUGE) for limit in limits),
    )


@pytest.mark.usefixtures("any_language")
def test_the_longest_report_fits() -> None:
    keys: dict[By, list[int | str | None]] = {
        By.USER: [2**62 + number for number in range(10)],
        By.ENGINE: ["aithriving/core", "e" * 300, *(f"{number}" * 90 for number in range(8))],
        By.CHANNEL: [None, *(2**62 + number for number in range(9))],
        By.DAY: list(range(20000, 20010)),
        By.OPERATION: [*Operation, "one of a newer version"],
    }
    for by, every in keys.items():
        full = report(by, tuple(Line(key, FIGURES) for key in every), name="2" * 40)
        chart = report_chart(full, NAMES)
        assert chart is not None
        assert len(in_words(chart, ALT_AT_MOST)) <= ALT_AT_MOST
        fits(report_card(full, NAMES, chart=chart))
        assert "@everyone" not in said(report_card(full, NAMES, chart=None)).replace("\\@everyone", "")
    empty = replace(report(By.USER, ()), page=ReportPage(Figures(), (), count=0, number=1))
    assert report_chart(empty, NAMES) is None
    assert shows(said(report_card(empty, NAMES, chart=None)), NOTHING_MADE())


def test_a_deleted_person_is_not_mentioned() -> None:
    assert f"{DELETED_USER}: " in said(report_card(report(By.USER, (Line(-5, FIGURES),)), NAMES, chart=None))


def request(number: int, status: SubmissionStatus) -> Request:
    job = 10**9 + number // 2
    return Request(
        id=number,
        job_id=job,
        user_id=2**62,
        server_id=1,
        channel_id=2**62,
        private=True,
        engine="e" * 200,
        provider="p",
        status=status,
        created_at=1,
        sent_at=None,
        updated_at=2,
        problems=as_stored(VERBATIM(words=NAUGHTY * 20)),
    )


@pytest.mark.usefixtures("any_language")
def test_the_longest_lists_of_running_and_failed_jobs_fit() -> None:
    requests = tuple(request(number, list(SubmissionStatus)[number % 3]) for number in range(500))
    outages = tuple(Outage("p", NAUGHTY, 60.0, 10**12, 5, Reason.BROKEN) for _ in range(9))
    servers = tuple(ServerState(Silence(reason, 60.0), "a1111/xl", 5, 5, 5) for reason in Reason)
    services = tuple(ServiceState(NAUGHTY, servers, 5, 5, None, ready=True) for _ in range(9))
    running = Running(requests, services, outages, requests[:10], everywhere=True, now=5)
    card = running_card(running, NAMES, NAUGHTY * 100)
    fits(card)
    assert "\n# big" not in said(card)
    failed = tuple(request(number, SubmissionStatus.FAILED) for number in range(8))
    lines = tuple(Line("e" * 100, FIGURES) for _ in range(25))
    person = PersonReport(
        user_id=1,
        span=Span(1, 2, "x" * 40),
        everywhere=False,
        totals=FIGURES,
        engines=lines,
        grants=Balance(HUGE, 5),
        failures=failed,
    )
    fits(person_card(person, NAMES))


@pytest.mark.usefixtures("any_language")
def test_the_longest_limits_and_rules_fit() -> None:
    quotas = [Quota(Subject.SERVER, credits=HUGE), *(Quota(Subject.USER, 2**62 + n, HUGE, 10, 9) for n in range(999))]
    fits(quotas_card(quotas, Rules(server_period=Period.WEEK), Limits(HUGE, HUGE, HUGE)))
    limits = tuple(PeriodLimit(kind, HUGE, Period.DAY) for kind in (LimitKind.SERVER_USER, LimitKind.SERVER))
    member = MemberLimits(
        limits=InForce(limits, HUGE, server_jobs=10, images=10),
        uses=tuple(LimitUse(limit, HUGE, HUGE) for limit in limits),
        period=Period.DAY,
        renews_at=1_800_000_000_000,
        spent=HUGE,
        unfinished=9,
        grants=Balance(HUGE, 1),
    )
    fits(member_card(2**62, member))
    ids = tuple(2**62 + number for number in range(50))
    words = tuple(f"{NAUGHTY}{number}"[:40] for number in range(100))
    rules = Rules(channels=ids, roles=ids, engines=("e" * 90,) * 20, refused=words, restricted=words, log_channel=5)
    card = rules_card(rules, [t("In <#{channel:plain}> I need everything.", channel=2**62) for _ in range(20)])
    fits(card)
    assert "\n# big" not in said(card)


@pytest.mark.usefixtures("any_language")
def test_the_longest_log_fits_and_is_escaped() -> None:
    details = {"subject": "user", "id": str(2**62), "amount": HUGE, "note": NAUGHTY * 9}
    acts = [AdminAct(number, 1, 2**62, "quota grant", details, 10**12) for number in range(20)]
    ids = [2**62 + number for number in range(50)]
    acts.append(AdminAct(1, 1, 1, "server set", {"channels": ids, "roles": ids, "refused": [NAUGHTY] * 100}, 5))
    card = log_card(acts, more=True)
    fits(card)
    assert "\n# big" not in said(card)
    everyone = subject_text(Quota(Subject.DEFAULT))
    only = AdminAct(1, 1, 1, "quota set", {"subject": "default", "credits": 5}, 5)
    assert str(everyone) in said(log_card([only], more=False))
    assert not shows(said(log_card([only], more=False)), OLDEST_SHOWN(id=1))
    assert shows(said(log_card([only], more=True)), OLDEST_SHOWN(id=1))


def test_credits_are_shown_with_the_rest_of_each_limit() -> None:
    report = CreditsReport(
        span=Span(None, None, ALL_TIME),
        totals=Figures(exact=18_000, estimated=1200),
        timeline=Timeline(Step.DAY, tuple(Spent(day * DAY, 6000 * day, 400) for day in range(3)), 3 * DAY),
        in_flight=5000,
        engines=(Line("a/b", Figures(exact=7200)), Line("gone/away", Figures(exact=12_000))),
        threads=(("*light*houses", 19_200),),
        limits=(LimitUse(PeriodLimit(LimitKind.USER_DAILY, 20_000, Period.DAY), 12_200, DAY),),
        grants=Balance(100_000, 60_000),
        jobs=5,
        images=None,
    )
    chart = credits_chart(report)
    assert chart is not None
    assert chart.line == 20
    card = credits_card(report, names={"a/b": "The B"}, chart=chart)
    check(card)
    left = LEFT[LimitKind.USER_DAILY](left=7800, limit=20_000, period=Period.DAY.this, resets=f"<t:{DAY // 1000}:R>")
    for words in (
        SPENT_ESTIMATED(spent=19_200, estimated=1200),
        ON_HOLD(held=5000),
        left,
        EXTRA(left=40_000, given=100_000),
        JOBS_AT_A_TIME(count=5),
        t("The B: {spent:credits}", spent=7200),
        t("gone/away: {spent:credits}", spent=12_000),
        t("\\*light\\*houses: {spent:credits}", spent=19_200),
    ):
        assert shows(said(card), words)
    crowd = replace(report, engines=(Line("e" * 90, FIGURES),) * 300, threads=(("*" * 500, 1),) * 8)
    check(credits_card(crowd, names={}, chart=None))
    nothing = replace(report, totals=Figures(), timeline=None, engines=(), threads=())
    assert credits_chart(nothing) is None


def test_a_daily_limit_is_drawn_only_over_days() -> None:
    daily = (LimitUse(PeriodLimit(LimitKind.SERVER_USER, 20_000, Period.DAY), 0, DAY),)
    for step, line in ((Step.HOUR, None), (Step.DAY, 20), (Step.MONTH, None)):
        report = CreditsReport(
            Span(1, 2, "x"), FIGURES, Timeline(step, (Spent(0, 1, 1),), 2), 0, (), (), daily, None, jobs=1, images=1
        )
        chart = credits_chart(report)
        assert chart is not None
        assert chart.line == line
