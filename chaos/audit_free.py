"""The audit of the free services: nothing is charged, a request is not sent for ever, and none of it ends half-made."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence

from bot.jobs.submission import MOST_FREE_SENDINGS
from chaos.engines import FREE, of_engine
from chaos.outcomes import ASKING, Fate, number_of
from chaos.users import Ask
from fakes.services import Call


def free_asks(asks: Sequence[Ask]) -> list[Ask]:
    """The commands for free services."""
    return [ask for ask in asks if of_engine(ask.engine) is not None]


def sent_too_often(asks: Sequence[Ask], called: Mapping[int, Counter[str]]) -> list[Ask]:
    """Commands whose requests were sent more often than the bot's limit for each submission.

    The bot may have chosen a free service for an edit, so every command counts.
    """
    return [
        ask
        for ask in asks
        for service in FREE.values()
        if sum(called[ask.number][route] for route in service.making)
        > MOST_FREE_SENDINGS * (ask.images if service.each else 1)
    ]


def charged(asks: Sequence[Ask], booked: Mapping[int, int], bills: Mapping[int, Sequence[int]]) -> list[Ask]:
    """Commands with an entry in the ledger (``booked``) or with a bill."""
    return [ask for ask in free_asks(asks) if booked.get(ask.number) or sum(bills.get(ask.number, ()))]


def unfinished(fates: Mapping[Ask, Fate], calls: Sequence[Call], interrupted: Collection[int]) -> list[Ask]:
    """Commands that show images, though the server was stopped at each request for them.

    ``interrupted`` are the numbers of the calls at which it was stopped.
    """
    asking = [(number_of(call), call.number) for call in calls if call.route in ASKING]
    stopped = {number for number, call in asking if call in interrupted}
    whole = {number for number, call in asking if call not in interrupted}
    shown = (Fate.DELIVERED, Fate.UNDELIVERED)
    return [ask for ask, fate in fates.items() if fate in shown and ask.number in stopped - whole]


def ends(fates: Mapping[Ask, Fate]) -> Counter[str]:
    """How many commands of each free engine were delivered, and how many were cancelled by their author."""
    found: Counter[str] = Counter()
    for ask, fate in fates.items():
        if of_engine(ask.engine) is not None:
            name = ask.engine.partition("/")[0]
            found[f"{name}: delivered"] += fate is Fate.DELIVERED
            found[f"{name}: Cancel pressed"] += ask.cancelled
            found[f"{name}: all"] += 1
    return found
