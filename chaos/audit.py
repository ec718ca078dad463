"""The final audit: what the users and the image services saw, compared with the ledger."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from chaos import audit_free
from chaos.outcomes import (
    ASKING,
    OVER,
    Fate,
    Traces,
    accepted_entries,
    fate,
    is_public,
    notifications,
    number_in,
    number_of,
    requests,
    too_large,
    traces,
)
from chaos.run import Ending, Run
from chaos.users import AI_CLIENT, Ask
from fakes.discord.seen import Seen
from fakes.services import StandIn
from storage import images, jobs, ledger, reconcile, submissions
from storage.database import Database
from storage.records import EventReason, JobStatus, SubmissionStatus


@dataclass(slots=True)
class Booked:
    """The ledger's entries for one number, in millicredits; ``raw`` is in the provider's own."""

    captured: int = 0
    raw: int = 0
    gone: int = 0
    """Missing image files of jobs that nobody deleted, though all of the files are recent."""
    beyond: int = 0
    """What ``reconcile`` reports as charged but not captured, in the provider's own millicredits."""
    unknown: list[str] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)
    """The final status of each submission, with its problem codes if there are any."""
    cancelled: int = 0
    """The number of unknown submissions that a person cancelled after they were sent."""
    steps: list[str] = field(default_factory=list)
    """The reason of each step of the unknown submissions, with its time in Unix milliseconds."""


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the table. ``wanted`` None: any number is right."""

    words: str
    number: int
    wanted: int | None = None

    @property
    def right(self) -> bool:
        return self.wanted in (None, self.number)


@dataclass(slots=True)
class Table:
    rows: list[Row] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def right(self) -> bool:
        return all(row.right for row in self.rows)

    def must(self, words: str, wrong: Collection[str]) -> None:
        """Add a line that must be 0, and list the items that are wrong."""
        self.rows.append(Row(words, len(wrong), 0))
        self.notes += [f"{words}: {one}" for one in wrong]

    def lines(self) -> Iterator[str]:
        for row in self.rows:
            verdict = "" if row.wanted is None else " ok" if row.right else f" WRONG, must be {row.wanted}"
            yield f"{row.words:<58} {row.number:>8,}{verdict}"
        yield from self.notes


@dataclass(slots=True)
class Books:
    """The contents of the bot's database. ``held`` is the sum of open holds; ``open`` names the unfinished jobs."""

    of: dict[int, Booked] = field(default_factory=lambda: defaultdict(Booked))
    held: int = 0
    open: list[str] = field(default_factory=list)


AITHRIVING = "aithriving."
"""The prefix of its routes. The bot may also choose a free service for an edit."""
BRIEF = frozenset({SubmissionStatus.DONE, SubmissionStatus.UNKNOWN})


async def booked(database_url: str) -> Books:
    """Read the database after the run."""
    found = Books()
    database = await Database.open(database_url)
    try:
        async with database.read() as connection:
            found.held = (await ledger.totals(connection)).in_flight
            beyond = Counter[int]()
            for named in (await reconcile.reconcile(connection)).beyond:
                beyond[named.job_id] += named.charged - named.captured
            for job in await jobs.jobs_with_status(connection, tuple(JobStatus)):
                # A price that its author never saw, because the bot died or the token expired, waits until it lapses.
                if job.status not in OVER and job.status is not JobStatus.PROPOSED:
                    found.open.append(f"job {job.id} ({job.status.value})")
                number = number_in(str(job.options.get("prompt")))
                if number is None:
                    continue
                its = found.of[number]
                its.beyond += beyond[job.id]
                if job.status is not JobStatus.DELETED:
                    its.gone += sum(image.file is None for image in await images.images_of(connection, job.id))
                events = await submissions.events_of(connection, job.id)
                for submission in await submissions.submissions_of(connection, job.id):
                    codes = " ".join(one["code"] for one in submission.problems or ())
                    told = "" if submission.status in BRIEF else f" ({codes})"
                    its.ended.append(submission.status.value + told)
                    if submission.status is SubmissionStatus.UNKNOWN:
                        its.unknown.append(submission.engine)
                        steps = [event for event in events if event.submission_id == submission.id]
                        its.cancelled += steps[-1].why == EventReason.CANCELLED
                        its.steps += [f"{event.why} at {event.at}" for event in steps]
                for entries in (await ledger.costs_of(connection, job.id)).values():
                    captures = [entry for entry in entries if entry.kind == "capture"]
                    its.captured += sum(entry.amount for entry in captures)
                    its.raw += sum(entry.raw_amount or 0 for entry in captures)
    finally:
        await database.close()
    return found


def bills(services: StandIn) -> dict[int, list[int]]:
    """The amounts that the image services charged, by number."""
    found: dict[int, list[int]] = defaultdict(list)
    for bill in services.bills:
        if (number := number_in(bill.prompt)) is not None:
            found[number].append(bill.amount)
    return found


def count(run: Run, ending: Ending, books: Books, in_history: Collection[int]) -> Table:
    """Check everything and return the table."""
    asks, table = run.crowd.asks, Table()
    every, called, charged = traces(run.discord), requests(run.services), bills(run.services)
    fates = {
        ask: fate(ask, every[ask.number], called=ask.number in called, in_history=ask.number in in_history)
        for ask in asks
    }
    by_fate = Counter(fates.values())
    table.rows += [Row("commands", len(asks)), Row("kills", run.killer.kills)]
    taken = len(asks) - by_fate[Fate.NEVER_TAKEN] - by_fate[Fate.REFUSED]
    table.rows.append(Row("accepted", taken))
    table.rows += [Row(one.value, by_fate[one]) for one in Fate if one is not Fate.OPEN]
    # A check that counted nothing would always pass.
    answered = taken + by_fate[Fate.REFUSED]
    table.must("answered less than was to be", [str(answered)] if answered < run.size.jobs else [])
    early = [ask for ask in asks if ask.asks_first and not ask.presses and called[ask.number]]
    table.must("requests before a confirmation", [_told(ask) for ask in early])
    known = {ask.number for ask in asks}
    strays = [call for call in run.services.calls if call.route in ASKING and number_of(call) not in known]
    table.must("requests that nobody asked for", [repr(call.body) for call in strays])
    lost = [ask for ask, one in fates.items() if one is Fate.OPEN]
    table.must("lost", [_lost(ask, every[ask.number], books.of[ask.number]) for ask in lost])
    results = {ask: _to_its_author(ask, every[ask.number]) for ask in asks}
    table.must("shown twice", [_places(ask, shown) for ask, shown in results.items() if len(shown) > 1])
    shares = {ask: [seen for seen in every[ask.number].shown if is_public(seen)] for ask in asks if ask.private}
    table.rows.append(Row("prices confirmed", sum(bool(ask.presses) and ask.card is not None for ask in asks)))
    table.rows.append(Row("commands with a photo", sum(ask.attached for ask in asks)))
    table.rows.append(Row("results edited", sum(ask.edited for ask in asks)))
    table.rows.append(Row("private results shared", sum(map(bool, shares.values()))))
    table.must("shared twice", [_places(ask, shared) for ask, shared in shares.items() if len(shared) > 1])
    table.must(
        "private results shown to all, which nobody shared",
        [_told(ask) for ask, shared in shares.items() if shared and not ask.shared],
    )
    notified = notifications(run.discord)
    table.rows.append(Row("notifications", len(notified)))
    table.must("notified twice", [said for (said, _), seen in notified.items() if len(seen) > 1])
    table.must(
        "notifications of private results that others see",
        [said for (said, _), (seen, *_) in notified.items() if is_public(seen) and "https://" not in said],
    )
    entries = accepted_entries(run.services)
    table.must(
        "ai-client submits above one a submission",
        [_told(ask) for ask in asks if entries[ask.number] > 1 + (ask in ending.noted.charged_twice)],
    )
    table.must(
        "aithriving calls above one a submission",
        [_told(ask) for ask in asks if sum(_to(AITHRIVING, called[ask.number])) > ask.images],
    )
    table.must(
        "ai-client requests above two a submission",
        [_told(ask) for ask in asks if ask.engine == AI_CLIENT and called[ask.number].total() > 2],
    )
    table.rows += [Row(words, number) for words, number in sorted(audit_free.ends(fates).items())]
    table.must(
        "free requests above the limit a submission", [_told(ask) for ask in audit_free.sent_too_often(asks, called)]
    )
    booked_at_all = {number: its.captured + its.raw + its.beyond for number, its in books.of.items()}
    table.must(
        "free requests that were charged", [_told(ask) for ask in audit_free.charged(asks, booked_at_all, charged)]
    )
    halves = audit_free.unfinished(fates, run.services.calls, run.services.a1111.unfinished)
    table.must("images of a stopped server that were shown", [_told(ask) for ask in halves])
    # If the bot died during a request, it may not have been sent; without a key, none can be sent. A picture that is
    # still too large after it was made smaller is given up.
    refused = too_large(run.services)
    excused = {ask for ask in asks if ask.keyless or books.of[ask.number].unknown or refused[ask.number] > 1}
    unsent = [ask for ask in _unsent(fates, called) if ask not in excused]
    table.must(
        "given up, though nothing was sent",
        [f"{_told(ask)}: ended {', '.join(books.of[ask.number].ended)}" for ask in unsent],
    )
    homes = (Fate.DELIVERED, Fate.UNDELIVERED)
    table.must(
        "charged but neither shown nor in the history",
        [_told(ask) for ask, one in fates.items() if books.of[ask.number].captured and one not in homes],
    )
    _compare(table, asks, books.of, charged)
    second = [ask for ask in asks if ask.engine == AI_CLIENT and len(charged[ask.number]) > 1]
    table.rows.append(Row("second bills", len(second)))
    table.must(
        "second bills that reconcile does not name",
        [_told(ask) for ask in second if books.of[ask.number].beyond < sum(charged[ask.number][1:])],
    )
    done = [ask for ask, one in fates.items() if one is Fate.DELIVERED]
    table.must(
        "jobs or pictures of today that were deleted for their age", [_told(ask) for ask in done if _went(ask, books)]
    )
    table.must("jobs that are not over", books.open)
    table.rows.append(Row("open holds, millicredits", books.held, 0))
    noted = ending.noted
    table.must("no first answer in the last life within three seconds", noted.unanswered)
    table.must("unconcerned in the last life, and held up or failed", noted.wrong())
    table.must("rests of a service in the last life", ending.rests)
    table.must("files begun and left behind", ending.aside)
    table.must("files of the last life that no record owns", ending.strays)
    table.must("files that are gone though a record owns them", ending.missing)
    uploads = [(call, name, upload) for call in run.services.calls for name, upload in call.files.items()]
    table.rows.append(Row("pictures uploaded to the services", len(uploads)))
    table.must(
        "uploads with metadata",
        [f"{name} of {call.path}: {' '.join(upload.metadata)}" for call, name, upload in uploads if upload.metadata],
    )
    table.must("files that say where a photo was taken", ending.places)
    table.must("requests that Discord would not have taken", [str(one) for one in run.discord.violations])
    table.rows.append(Row("exit status of the bot when asked to stop", ending.status, 0))
    table.rows.append(Row("exit status of reconcile", ending.reconciled, 0))
    return table


def _to_its_author(ask: Ask, its: Traces) -> list[Seen]:
    """The messages that show the result. For a private one, only those that were not shared."""
    return [seen for seen in its.shown if not (ask.private and is_public(seen))]


def _unsent(fates: Mapping[Ask, Fate], called: Mapping[int, Counter[str]]) -> list[Ask]:
    """Commands that failed by themselves without any paid request: no run is long enough to believe a 404."""
    return [ask for ask, one in fates.items() if one is Fate.FAILED and not called[ask.number] and not ask.cancelled]


def _to(provider: str, called: Counter[str]) -> Iterator[int]:
    """The numbers of calls to the routes with this prefix."""
    return (times for route, times in called.items() if route.startswith(provider))


def _compare(table: Table, asks: list[Ask], books: dict[int, Booked], charged: dict[int, list[int]]) -> None:
    """Compare the providers' bills with the ledger. They may differ only by requests whose answer was lost.

    ai-client's results can be polled again and again, so a lost answer is no excuse there. But a request that its
    author cancelled, while the provider was not set up or while it waited to be sent again, is not polled any more.
    """
    wrong: list[str] = []
    unheard: list[str] = []
    given_up: list[str] = []
    for ask in asks:
        its, bill = books[ask.number], charged[ask.number]
        difference = sum(bill) - its.raw
        if difference == its.beyond:
            continue
        told = f"{_told(ask)}: billed {sum(bill)}, booked {its.raw}, ended {', '.join(its.ended)}"
        if ask.engine == AI_CLIENT and not its.raw and len(bill) == 1:
            by_its_author = ask.cancelled and its.cancelled == len(its.unknown) > 0
            (unheard if by_its_author else given_up).append(f"{told}; {', '.join(its.steps)}")
        elif ask.engine == AI_CLIENT or not 0 < difference <= len(its.unknown) * max(bill, default=0):
            wrong.append(told)
        else:
            unheard.append(told)
    total = sum(map(sum, charged.values()))
    table.rows += [
        Row("billed by the image services, millicredits", total),
        Row("booked in the ledger, in theirs", sum(its.raw for its in books.values())),
        Row("outcomes unknown, free for the user", sum(len(its.unknown) for its in books.values())),
        Row("of them billed all the same, commands", len(unheard)),
    ]
    table.must("given up, though ai-client finished it", given_up)
    table.must("difference beyond the unknown outcomes, commands", wrong)
    table.notes += [f"billed, but unknown: {told}" for told in unheard]


def _went(ask: Ask, books: Books) -> bool:
    its = books.of[ask.number]
    return not its.ended or bool(its.gone)


def _places(ask: Ask, shown: Iterable[Seen]) -> str:
    places = []
    for seen in shown:
        by = "its card" if ask.card is not None and seen.message is ask.card.message else "another message"
        where = f"#{seen.message.channel.name}" if seen.message.channel.guild else "direct messages"
        places.append(f"{by} in {where}{', deleted since' if seen.message.deleted else ''}")
    return f"{_told(ask)}: {'; '.join(places)}"


def _lost(ask: Ask, its: Traces, booked: Booked) -> str:
    """A lost command, with what its author sees and how its submissions ended."""
    card = ask.card
    now = "no card" if card is None else "deleted" if card.message.deleted else f"{card.text!r} {card.labels}"
    pressed = [press.interaction.late for press in ask.presses]
    older = [f"{seen.text!r}{' (deleted)' if seen.message.deleted else ''}" for seen in its.working]
    ended = ", ".join(booked.ended) or "none"
    return f"{_told(ask)}; submissions: {ended}; card: {now}; late presses: {pressed}; working: {older}"


def _told(ask: Ask) -> str:
    return f"number {ask.number} ({ask.engine}, {ask.images} images{', private' if ask.private else ''})"
