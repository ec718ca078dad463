"""The card of /usage jobs: what runs now, the servers that work on it, and what went wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from discord import ui

from bot.jobs.circuit_breaker import Outage
from bot.jobs.worker import ServiceState
from bot.providers.errors import Reason
from bot.providers.server_states import ServerState
from bot.servers.reports import Running
from bot.text import Message, message, plural, t
from bot.ui.cards.buttons import CANCEL_JOB
from bot.ui.cards.job import SUBMISSION_STATUS
from bot.ui.cards.layout import Card, Words, facts, rule, text, within
from bot.ui.cards.usage import Names, job_number, person
from bot.ui.cards.wording import JOBS, moment, safe
from storage.records import SubmissionStatus
from storage.reports import Request

_JOBS_SHOWN = 12
_BUTTONS = 5
# Together with the lines of an action, the card stays below Discord's 4,000 characters.
_JOBS_ROOM, _SERVERS_ROOM, _OUTAGES_ROOM, _UNKNOWN_ROOM = 1600, 700, 500, 600

RUNNING = message("usage.running", "**Running now** · {jobs}, {waiting} waiting")
NOTHING_RUNS = message("usage.nothing_runs", "Nothing is running.")
OUTAGES = message("usage.outages", "**Paused services**")
OUTAGE = message(
    "usage.outage",
    "{service}: paused until {until} after {count} failure, because {cause}",
    "{service}: paused until {until} after {count} failures, because {cause}",
)
UNKNOWN = message("usage.unknown", "**Outcome unknown** (not charged)")

SERVERS = message("usage.servers", "**Servers**")
SERVER = message("usage.server_state", "{name}: {state}")
NUMBERED = message("usage.server_number", "{service} {number:plain}")
SILENT = message("usage.server_silent", "not working since {since}, because {cause}")
NO_ENGINES = message("usage.server_no_engines", "no engines known yet")
IDLE = message("usage.server_idle", "idle")
BUSY = message("usage.server_busy", "working on {count} request", "working on {count} requests")
WAITING = message("usage.server_waiting", "{count} waiting", "{count} waiting")
LOADED = message("usage.server_loaded", "{engine} loaded")
OWN_QUEUE = message("usage.server_queue", "{count} in its own queue", "{count} in its own queue")
OWN_PLACE = message("usage.server_place", "place {place} in its own queue")
FOR_ANY = message(
    "usage.waiting_for_any", "{count} waiting for one of these servers", "{count} waiting for one of these servers"
)
CAUSES: Mapping[Reason, Message] = {
    Reason.NO_ANSWER: message("outage.no_answer", "it doesn't answer"),
    Reason.UNREACHABLE: message("outage.unreachable", "it can't be reached"),
    Reason.BUSY: message("outage.busy", "it is busy"),
    Reason.WRONG_KEY: message("outage.key", "it rejects the bot's key"),
    Reason.NO_CREDITS: message("outage.credits", "the bot's account is out of credits"),
    Reason.UNREADABLE_ANSWER: message("outage.unreadable_answer", "its answers are unreadable"),
    Reason.NOT_FOUND: message("outage.not_found", "it isn't at the configured address"),
    Reason.NOT_TRUSTED: message("outage.not_trusted", "no secure connection with it can be made"),
    Reason.REDIRECTED: message("outage.redirected", "it redirects to another address"),
    Reason.BROKEN: message("outage.fault", "it reports an internal error"),
    Reason.REFUSED: message("outage.refused", "it refuses requests"),
    Reason.NO_IMAGES: message("outage.nothing_came", "it takes requests but returns no images"),
}
_FAILS = message("outage.other", "it fails")


def running_card(running: Running, names: Names, *said: Words) -> Card:
    """Unfinished jobs, the servers that work on them, outages and unknown outcomes.

    ``said`` reports an action just taken.
    """
    jobs: dict[int, list[Request]] = {}
    for request in running.requests:
        jobs.setdefault(request.job_id, []).append(request)
    parts: list[ui.Item[Any]] = [text(safe(str(line), 500)) for line in said]
    lines = [_job(requests, names) for requests in list(jobs.values())[:_JOBS_SHOWN]]
    if len(jobs) > _JOBS_SHOWN:
        lines.append(str(plural("… and {count} more job.", "… and {count} more jobs.", len(jobs) - _JOBS_SHOWN)))
    head = RUNNING(
        jobs=JOBS(count=len(jobs)),
        waiting=sum(request.status is SubmissionStatus.QUEUED for request in running.requests),
    )
    parts += [text(head), text(*within(lines or [str(NOTHING_RUNS)], _JOBS_ROOM))]
    if running.services:
        states = [line for service in running.services for line in _servers(service, names, running.now)]
        parts += [rule(), text(SERVERS, *within(states, _SERVERS_ROOM))]
    if running.outages:
        parts += [rule(), text(OUTAGES, *within(map(_outage, running.outages), _OUTAGES_ROOM))]
    if running.unknown:
        unknown = [
            f"{person(each.user_id)} · {_engine(each, names)} · {moment(each.created_at)} · {job_number(each)}"
            for each in running.unknown
        ]
        parts += [rule(), text(UNKNOWN, *within(unknown, _UNKNOWN_ROOM))]
    if running.cancellable:
        those = running.cancellable[:_BUTTONS]
        parts.append(ui.ActionRow(*(CANCEL_JOB.to(1, f"{int(running.everywhere)}:{job}", job=job) for job in those)))
    return Card(*parts)


def _servers(service: ServiceState, names: Names, now: int) -> Iterator[str]:
    """A line for each server. Several have numbers, in the order of the operator's settings."""
    label = safe(service.label, 80)
    if len(service.servers) == 1:
        yield str(SERVER(name=label, state=_state(service, service.servers[0], names, now)))
        return
    for number, server in enumerate(service.servers, 1):
        name = NUMBERED(service=label, number=number)
        yield str(SERVER(name=name, state=_state(service, server, names, now)))
    if service.waiting:
        yield str(SERVER(name=label, state=FOR_ANY(count=service.waiting)))


def _state(service: ServiceState, server: ServerState, names: Names, now: int) -> str:
    alone = len(service.servers) == 1
    working = service.running if server.running is None else server.running
    waiting = (server.waiting or 0) + (service.waiting if alone else 0)
    waits = WAITING(count=waiting) if waiting else None
    if server.silence is not None:
        since = moment(now - int(server.silence.seconds * 1000), "f")
        return facts(SILENT(since=since, cause=CAUSES.get(server.silence.reason, _FAILS)), waits)
    if not service.ready:
        return facts(NO_ENGINES, waits)
    engine, queue = server.engine, None
    if server.queue:
        queue = OWN_QUEUE(count=server.queue)
    elif service.place is not None and server.queue is None:
        queue = OWN_PLACE(place=service.place)
    return facts(
        BUSY(count=working) if working else IDLE,
        None if engine is None else LOADED(engine=safe(names.engines.get(engine, engine), 80)),
        waits,
        queue,
    )


def _outage(outage: Outage) -> str:
    cause, service = CAUSES.get(outage.reason, _FAILS), safe(outage.label, 80)
    return str(OUTAGE(service=service, until=moment(outage.until, "T"), count=outage.failures, cause=cause))


def _engine(request: Request, names: Names) -> str:
    return safe(names.engines.get(request.engine, request.engine), 80)


def _job(requests: list[Request], names: Names) -> str:
    first = requests[0]
    counts = Counter(request.status for request in requests)
    number = {status: f"{count:,} " if len(requests) > 1 else "" for status, count in counts.items()}
    states = ", ".join(f"{number[status]}{SUBMISSION_STATUS[status]}" for status in counts)
    engines = ", ".join(dict.fromkeys(_engine(request, names) for request in requests))
    since = moment(min(request.sent_at or request.created_at for request in requests))
    parts: list[Words] = [f"{person(first.user_id)} <#{first.channel_id}>"]
    if first.private:
        parts.append(t("private"))
    return " · ".join(map(str, [*parts, engines, states, since, job_number(first)]))
