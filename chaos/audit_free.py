"""The audit of the free services: nothing is charged, a request is not sent for ever, and none of it ends half-made."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence

from bot.jobs.submission import MOST_FREE_SENDINGS
from chaos.engines import FREE, Free, of_engine
from chaos.outcomes import Fate, number_in
from chaos.users import Ask
from fakes.services import Call


def free_asks(asks: Sequence[Ask]) -> list[Ask]:
    """The commands for free services."""
    return [ask for ask in asks if of_engine(ask.engine) is not None]


def sent_too_often(asks: Sequence[Ask], called: Mapping[int, Counter[str]]) -> list[Ask]:
    """Commands whose requests were sent more often than the bot's limit for each submission."""
    return [ask for ask in free_asks(asks) if called[ask.number].total() > MOST_FREE_SENDINGS * _submissions(ask)]


def charged(asks: Sequence[Ask], booked: Mapping[int, int], bills: Mapping[int, Sequence[int]]) -> list[Ask]:
    """Commands with an entry in the ledger (``booked``) or with a bill."""
    return [ask for ask in free_asks(asks) if booked.get(ask.number) or sum(bills.get(ask.number, ()))]


def unfinished(fates: Mapping[Ask, Fate], calls: Sequence[Call], interrupted: Collection[int]) -> list[Ask]:
    """Commands that show images, though the server was stopped at each request for them.

    ``interrupted`` are the numbers of the calls at which it was stopped.
    """
    route = FREE[Free.A1111].make
    whole = {number_in(str(call.body)) for call in calls if call.route == route and call.number not in interrupted}
    shown = (Fate.DELIVERED, Fate.UNDELIVERED)
    return [
        ask
        for ask, fate in fates.items()
        if of_engine(ask.engine) is FREE[Free.A1111] and fate in shown and ask.number not in whole
    ]


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


def _submissions(ask: Ask) -> int:
    service = of_engine(ask.engine)
    return ask.images if service is not None and service.each else 1
