"""When to ask again. Pure: the chances of how long a job takes go in, a time comes out. All times are seconds.

A poll is *worth* the odds that the job is over by now and nobody knows, summed up since it was last seen open:
``∫ P(over by t) / P(open at t) dt``. For a job that may end at any moment with equal chance that is exactly the price
of a poll at which asking now and asking a moment later cost the same, and where the chances change it is close to it.
So the rule is: ask as soon as a poll is worth its price. Nothing is asked while the job cannot be over, much where it
most likely ends, and little once it is overdue, because the rest of the chances is a long thin tail.

The *price* is the waiting that one poll must save: a little, and a part of what such jobs usually take, since somebody
who waits for a minute does not mind a second as somebody does who waits for five. It is low while few jobs share the
provider's rate and rises with their number, which is how polls are saved under load. When still more polls are due
than the rate has room for, those that are worth most go first (:mod:`bot.jobs.rate`).

The chances come from what such jobs took lately (:mod:`bot.jobs.durations`) and from what the provider says.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import accumulate, pairwise

# What a poll costs, as a part of what such jobs usually take, with few jobs and with many; and with many so much more.
CHEAP, DEAR = 0.001, 0.0038
EXTRA = 0.019
# Open jobs for each request a second that the provider allows: up to the first they are few, from the second on many.
FEW, MANY = 0.5, 0.7

# Where the end lies when the provider says how much is left, as parts of that: eight chances of equal size.
_AROUND = (0.4, 0.7, 0.85, 0.95, 1.05, 1.2, 1.5, 2.0, 3.0)
# A job is overdue when fewer than one in so many are open still. Of what comes then the past knows little, so it is
# looked at whenever its age has grown by this part at most.
_OVERDUE, OVERDUE_PART = 20, 0.125
# Nor is it looked at much sooner, the longer it hangs: not within so many seconds; from twice the age at which it
# became overdue on only when its age has grown by the first part, from three times that age on by twice as much, and
# so on up to the second part; but always after so many seconds.
_SHORTEST_GAP, _HANGING, _HANGING_AT_MOST, _LONGEST_GAP = 0.4, 0.1, 0.11, 30.0
# While an engine has no past, a job is hardly ever overdue. There the number of polls says that it hangs: after so many
# its age has to grow by one more hundredth with each further one.
_MANY_POLLS = 30
# The time of a poll is worked out this finely.
_FINE = 0.005


def price(usual: float, crowd: float) -> float:
    """How many seconds of waiting a poll must save, for jobs that usually take ``usual``.

    ``crowd`` is how many jobs are open for each request a second that the provider allows.
    """
    crowded = min(1.0, max(0.0, (crowd - FEW) / (MANY - FEW)))
    return EXTRA * crowded + usual * (CHEAP + (DEAR - CHEAP) * crowded)


class Outlook:
    """The chances of how long a job takes from when it was sent.

    ``chances[i]`` is the chance that it ends between ``edges[i]`` and ``edges[i + 1]``, each moment of which is alike;
    they need not add up to 1. Before the first edge nothing ends.
    """

    __slots__ = ("_edges", "_open", "_sums", "overdue", "usual")

    def __init__(self, edges: Sequence[float], chances: Sequence[float]) -> None:
        # The chance of being open at each edge, and the integral of its inverse up to there, both from the left.
        self._edges = [0.0, *edges]
        left = list(accumulate(reversed(chances), initial=max(chances) * 1e-9))
        self._open = [1.0, *(chance / left[-1] for chance in reversed(left))]
        pieces = zip(pairwise(self._edges), pairwise(self._open), strict=True)
        self._sums = list(accumulate((_inverse(b - a, p, q) for (a, b), (p, q) in pieces), initial=0.0))
        self.usual = self.quantile(0.5)
        """What half of the jobs take at most."""
        self.overdue = self.quantile(1 - 1 / _OVERDUE)
        """The age from which on a job is overdue."""

    def still_open(self, at: float) -> float:
        """The chance that a job is open still at this age."""
        return self._look(at)[0]

    def quantile(self, part: float) -> float:
        """The age by which this part of the jobs is over."""
        wanted = 1 - part
        place = bisect_left(self._open, -wanted, key=lambda chance: -chance)
        if place in {0, len(self._open)}:
            return self._edges[min(place, len(self._edges) - 1)]
        before, after = self._open[place - 1], self._open[place]
        start, end = self._edges[place - 1], self._edges[place]
        return start + (end - start) * (before - wanted) / (before - after)

    def between(self, seen_open: float, seen_over: float) -> float:
        """The middle of the chances for a job that was seen open at the one age and over at the other."""
        middle = (self.still_open(seen_open) + self.still_open(seen_over)) / 2
        return min(seen_over, max(seen_open, self.quantile(1 - middle)))

    def worth(self, seen_open: float, at: float) -> float:
        """What a poll is worth at an age, in seconds of waiting, when the job was last seen open at another."""
        chance, spent = self._look(seen_open)
        return chance * (self._look(at)[1] - spent) - (at - seen_open)

    def when(self, seen_open: float, cost: float) -> float:
        """The age at which to ask: when a poll will be worth so much, or a little later if it is overdue."""
        chance, spent = self._look(seen_open)
        latest = seen_open * (1 + OVERDUE_PART) if chance * _OVERDUE < 1 else math.inf

        def enough(place: int) -> bool:
            return chance * (self._sums[place] - spent) - (self._edges[place] - seen_open) >= cost

        place = bisect_left(range(len(self._edges)), True, lo=bisect_right(self._edges, seen_open), key=enough)  # noqa: FBT003 - what is looked for is a truth
        if place == len(self._edges):
            last = max(self._edges[-1], seen_open)
            growth = chance / self._open[-1] - 1
            return min(latest, last + (cost - self.worth(seen_open, last)) / max(growth, 1e-9))
        early, late = max(seen_open, self._edges[place - 1]), self._edges[place]
        while late - early > _FINE:
            middle = (early + late) / 2
            early, late = (early, middle) if self.worth(seen_open, middle) >= cost else (middle, late)
        return min(latest, late)

    def told(self, at: float, left: float, trust: float) -> Outlook:
        """The same with the provider's word at this age that so much is left; ``trust`` 1 weighs it like the past."""
        word = Outlook([at + left * part for part in _AROUND], [1.0] * (len(_AROUND) - 1))
        edges = sorted({*self._edges[1:], *word._edges[1:]})
        chances = [self.still_open(edge) + trust * word.still_open(edge) for edge in edges]
        return Outlook(edges, [before - after for before, after in pairwise(chances)])

    def _look(self, at: float) -> tuple[float, float]:
        """The chance of being open at this age, and the integral up to it."""
        place = bisect_right(self._edges, at) - 1
        beyond = at - self._edges[place]
        if place == len(self._edges) - 1:
            return self._open[-1], self._sums[-1] + beyond / self._open[-1]
        part = beyond / (self._edges[place + 1] - self._edges[place])
        chance = self._open[place] + part * (self._open[place + 1] - self._open[place])
        return chance, self._sums[place] + _inverse(beyond, self._open[place], chance)


def shortest_gap(age: float, overdue: float, polls: int, unknown: float) -> float:
    """How long a job of this age is left alone after so many polls, whatever one more would be worth.

    ``overdue`` is the age from which on such jobs are, ``unknown`` from 0 to 1 how little is known of them.
    """
    part = unknown * 0.01 * max(0, polls - _MANY_POLLS)
    if age > overdue:
        part = max(part, _HANGING * (age / overdue - 1))
    gap = age * min(_HANGING_AT_MOST, part)
    return min(_LONGEST_GAP, gap if age <= overdue else max(_SHORTEST_GAP, gap))


USUALLY = 0.8
"""A job takes longer than usual once it is older than this part of them become."""


def expected(age: float, outlook: Outlook) -> float | None:
    """How many seconds such a job usually has left, or None where it is overdue already."""
    chance = outlook.still_open(age)
    return None if chance * _OVERDUE < 1 else max(0.0, outlook.quantile(1 - chance / 2) - age)


def _inverse(length: float, first: float, last: float) -> float:
    """The integral of 1/x over so long a time, in which x goes straight from ``first`` to ``last``."""
    fall = (first - last) / last
    return length / last * (math.log1p(fall) / fall if fall > 1e-9 else 1.0)
