"""How each command ended, from what the users see and from the calls to the image services."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from bot.ui.cards.delivery_text import IN_HISTORY, NO_LONGER_STORED
from bot.ui.delivery.notifier import NOT_MADE, NOT_MADE_PRIVATELY, READY, READY_PRIVATELY
from chaos.editors import is_panel
from chaos.engines import MAKING
from chaos.users import NUMBER, Ask, is_over, is_result
from fakes.discord.loopback import Discord
from fakes.discord.seen import Seen, look_at
from fakes.services import Call, StandIn
from fakes.services.aithriving_endpoints import ENDPOINTS
from storage.records import JobStatus
from tests.doubles.texts import shows

_NUMBERED = re.compile(rf"with the number (\d{{{NUMBER}}})", re.IGNORECASE)
OVER = frozenset({JobStatus.DELIVERED, JobStatus.UNDELIVERED, JobStatus.LAPSED, JobStatus.DELETED})
"""The statuses of jobs that are not being worked on."""
LONGEST_TEXT = 20_000
"""Longer texts in a request are pictures in base64."""
PAID = frozenset({"ai-client.entry", *(endpoint.route for endpoint in ENDPOINTS)})
"""The routes of the services whose calls cost something."""
ASKING = PAID | MAKING
"""The routes by which a service is asked for images."""


def number_in(words: str) -> int | None:
    """The number of a command, from text that contains its prompt."""
    match = _NUMBERED.search(words)
    return None if match is None else int(match[1])


def number_of(call: Call) -> int | None:
    """The number of a command, from the prompt in a request to a service."""
    return number_in("\n".join(_texts(call.body)))


def _texts(body: object) -> Iterator[str]:
    """The texts in a request, without its pictures: a search through megabytes takes long, and there are many."""
    if isinstance(body, str):
        if len(body) <= LONGEST_TEXT:
            yield body
    elif isinstance(body, Mapping):
        for value in body.values():
            yield from _texts(value)
    elif isinstance(body, list):
        for value in body:
            yield from _texts(value)


class Fate(StrEnum):
    """How a command ended."""

    DELIVERED = "delivered"
    UNDELIVERED = "undelivered, in the history"
    FAILED = "failed with a message"
    REFUSED = "refused at once, with a message"
    NEVER_TAKEN = "never taken: the bot was dead or died before"
    OPEN = "lost"


@dataclass(slots=True)
class Traces:
    """All messages about one number."""

    shown: list[Seen] = field(default_factory=list)
    failed: list[Seen] = field(default_factory=list)
    undelivered: list[Seen] = field(default_factory=list)
    working: list[Seen] = field(default_factory=list)


def traces(discord: Discord) -> dict[int, Traces]:
    """All messages about each number, in their final version; for a deleted message, the version before.

    Answers to /history do not count: they only repeat results that were shown or are undelivered.
    """
    found: dict[int, Traces] = defaultdict(Traces)
    for message in discord.world.everything_said():
        if message.interaction is not None and message.interaction.data.get("name") == "history":
            continue
        seen = look_at(message)
        if is_panel(seen):
            continue  # It names the prompt of an image that is shown elsewhere.
        words = "\n".join((seen.text, *(picture.description or "" for picture in seen.pictures)))
        numbers = {int(number) for number in _NUMBERED.findall(words)}
        if len(numbers) != 1:
            continue
        its = found[numbers.pop()]
        if not is_over(seen):
            its.working.append(seen)
        elif seen.pictures:
            its.shown.append(seen)
        elif shows(seen.text, IN_HISTORY):
            its.undelivered.append(seen)
        elif is_result(seen) and not shows(seen.text, NO_LONGER_STORED):
            its.failed.append(seen)
    return found


def notifications(discord: Discord) -> dict[tuple[str, int | None], list[Seen]]:
    """The notifications of each job, by their text, which links to a public job, and by a private job's interaction."""
    found: dict[tuple[str, int | None], list[Seen]] = defaultdict(list)
    for message in discord.world.everything_said():
        seen = look_at(message)
        if any(shows(seen.text, each) for each in (READY, NOT_MADE, READY_PRIVATELY, NOT_MADE_PRIVATELY)):
            found[seen.text, None if message.interaction is None else message.interaction.id].append(seen)
    return found


def is_public(seen: Seen) -> bool:
    """Whether everybody in a channel can see it."""
    return not seen.private and seen.message.channel.guild is not None


def requests(services: StandIn) -> dict[int, Counter[str]]:
    """For each number, the calls to each route for images that may have been accepted."""
    found: dict[int, Counter[str]] = defaultdict(Counter)
    for call in services.calls:
        turned_away = call.status == 429 or (call.status in {404, 405, 410, 413} and not call.accepted)
        if call.route in ASKING and not turned_away and (number := number_of(call)) is not None:
            found[number][call.route] += 1
    return found


def too_large(services: StandIn) -> Counter[int]:
    """For each number, how many of its uploads a service refused as too large."""
    found: Counter[int] = Counter()
    for call in services.calls:
        if call.status == 413 and not call.accepted and (number := number_of(call)) is not None:
            found[number] += 1
    return found


def accepted_entries(services: StandIn) -> Counter[int]:
    """For each number, how many requests ai-client accepted."""
    found: Counter[int] = Counter()
    for call in services.calls_to("ai-client.entry"):
        if call.accepted and (number := number_of(call)) is not None:
            found[number] += 1
    return found


def fate(ask: Ask, its: Traces, *, called: bool, in_history: bool = False) -> Fate:
    """How a command ended. ``called``: a service received a request; ``in_history``: its author finds it there."""
    if its.shown:
        return Fate.DELIVERED
    if its.failed:
        return Fate.FAILED
    if its.undelivered or in_history:
        return Fate.UNDELIVERED
    card = ask.card
    if called or its.working or (ask.deleted and card is not None):
        return Fate.OPEN
    if card is None or card.loading:
        return Fate.NEVER_TAKEN
    return Fate.REFUSED


def unsettled(asks: Iterable[Ask], discord: Discord, services: StandIn) -> list[Ask]:
    """The commands that were accepted and have not ended."""
    every, called = traces(discord), requests(services)
    return [ask for ask in asks if fate(ask, every[ask.number], called=ask.number in called) is Fate.OPEN]
