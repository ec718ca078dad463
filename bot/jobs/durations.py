"""How long jobs take: a distribution for each kind of job, learnt from those that have ended. All times are seconds.

A :class:`DurationModel` mixes several density estimates of the same jobs, with a long or a short memory and several
bandwidths, each weighted by how well it predicted the latest jobs. So a steady engine gets a narrow distribution, one
with several kinds of jobs keeps its humps, and a change is followed. A new kind of job begins with the distribution of
its engine, and a new engine with :data:`PRIOR`.
"""

from __future__ import annotations

import asyncio
import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import NamedTuple

from bot.domain.requests import decode_request
from bot.providers.base import ImageRequest
from storage import submissions as rows
from storage.database import Database

# A job is overdue when fewer than one in so many are still open. The past says little of what comes then, so it is
# polled whenever its age has grown by this part at most.
OVERDUE, OVERDUE_PART = 20, 0.125
# The remaining time when the provider estimates it, as parts of the estimate: eight intervals of equal chance.
_AROUND = (0.4, 0.7, 0.85, 0.95, 1.05, 1.2, 1.5, 2.0, 3.0)
# The precision of the time of a poll.
_FINE = 0.005


class DurationDistribution:
    """A distribution of how long a job takes from when it was sent, in seconds.

    ``chances[i]`` is the weight of ending between ``edges[i]`` and ``edges[i + 1]``, uniformly; the weights need not
    add up to 1. Nothing ends before the first edge.
    """

    __slots__ = ("_edges", "_open", "_sums", "overdue", "usual")

    def __init__(self, edges: Sequence[float], chances: Sequence[float]) -> None:
        # At each edge: the survival function, and the integral of its inverse up to there.
        self._edges = [0.0, *edges]
        left = list(accumulate(reversed(chances), initial=max(chances) * 1e-9))
        self._open = [1.0, *(chance / left[-1] for chance in reversed(left))]
        pieces = zip(pairwise(self._edges), pairwise(self._open), strict=True)
        self._sums = list(accumulate((_inverse(b - a, p, q) for (a, b), (p, q) in pieces), initial=0.0))
        self.usual = self.quantile(0.5)
        """The median."""
        self.overdue = self.quantile(1 - 1 / OVERDUE)
        """The age from which a job counts as overdue: few are still open then."""

    def still_open(self, at: float) -> float:
        """The chance that a job is still open at this age (the survival function)."""
        return self._look(at)[0]

    def quantile(self, part: float) -> float:
        """The age by which this part of the jobs has ended."""
        wanted = 1 - part
        place = bisect_left(self._open, -wanted, key=lambda chance: -chance)
        if place in {0, len(self._open)}:
            return self._edges[min(place, len(self._edges) - 1)]
        before, after = self._open[place - 1], self._open[place]
        start, end = self._edges[place - 1], self._edges[place]
        return start + (end - start) * (before - wanted) / (before - after)

    def between(self, seen_open: float, seen_over: float) -> float:
        """The median for a job that was seen open at the one age and ended at the other."""
        middle = (self.still_open(seen_open) + self.still_open(seen_over)) / 2
        return min(seen_over, max(seen_open, self.quantile(1 - middle)))

    def worth(self, seen_open: float, at: float) -> float:
        """The value of a poll at this age, in seconds of waiting, for a job that was last seen open at another age."""
        chance, spent = self._look(seen_open)
        return chance * (self._look(at)[1] - spent) - (at - seen_open)

    def when(self, seen_open: float, cost: float) -> float:
        """The age at which the value of a poll reaches ``cost``, or sooner if the job is overdue."""
        chance, spent = self._look(seen_open)
        latest = seen_open * (1 + OVERDUE_PART) if chance * OVERDUE < 1 else math.inf

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

    def with_remaining(self, at: float, left: float, trust: float) -> DurationDistribution:
        """Combined with the provider's estimate at this age of what is ``left``; ``trust`` 1 weighs both the same."""
        estimate = DurationDistribution([at + left * part for part in _AROUND], [1.0] * (len(_AROUND) - 1))
        edges = sorted({*self._edges[1:], *estimate._edges[1:]})
        chances = [self.still_open(edge) + trust * estimate.still_open(edge) for edge in edges]
        return DurationDistribution(edges, [before - after for before, after in pairwise(chances)])

    def _look(self, at: float) -> tuple[float, float]:
        """The survival function at this age, and the integral of its inverse up to it."""
        place = bisect_right(self._edges, at) - 1
        beyond = at - self._edges[place]
        if place == len(self._edges) - 1:
            return self._open[-1], self._sums[-1] + beyond / self._open[-1]
        part = beyond / (self._edges[place + 1] - self._edges[place])
        chance = self._open[place] + part * (self._open[place + 1] - self._open[place])
        return chance, self._sums[place] + _inverse(beyond, self._open[place], chance)


USUALLY = 0.8
"""A job takes longer than usual once it is older than this part of such jobs become."""


def remaining(age: float, distribution: DurationDistribution) -> float | None:
    """The median of the seconds that such a job has left, or None where it is overdue."""
    chance = distribution.still_open(age)
    return None if chance * OVERDUE < 1 else max(0.0, distribution.quantile(1 - chance / 2) - age)


def _inverse(length: float, first: float, last: float) -> float:
    """The integral of 1/x over so long a time, in which x goes straight from ``first`` to ``last``."""
    fall = (first - last) / last
    return length / last * (math.log1p(fall) / fall if fall > 1e-9 else 1.0)


# The histogram's cells: each is so much longer than the one before.
_STEP = 1.04
_SHORTEST = 0.5
_CELLS = 230
EDGES = tuple(_SHORTEST * _STEP**cell for cell in range(_CELLS + 1))

# Until there is a model: most jobs take about a quarter of a minute, some far less and some far more.
_USUAL, _SPREAD = 15.0, 2.5
PRIOR = tuple(1 / (1 + (math.log(edge / _USUAL) / math.log(_SPREAD)) ** 2) for edge in EDGES[:-1])
_FIRST = [chance / sum(PRIOR) for chance in PRIOR]

# The weight of a duration after so many later ones; older ones are forgotten.
_LONG = tuple(0.99**age for age in range(200))
_SHORT = tuple(0.8**age for age in range(30))
# The estimates: a memory, and the cells to each side over which a duration is spread (twice).
_ESTIMATES = ((_LONG, 0), (_LONG, 2), (_LONG, 6), (_LONG, 18), (_SHORT, 4), (_SHORT, 11))
# The score of an estimate is the sum of the logarithms of the chances that it gave to the jobs; each counts so much
# less after each later one.
_SCORE_DECAY = 0.99
# No score falls further behind the best, so that another estimate soon leads when things change.
_MOST_BEHIND = 8.0
# An estimate whose weight beside the best one is less is left out.
_NEGLIGIBLE = 0.001
# A model takes its parent's distribution over again after so many more jobs.
_RENEWED = 8
# How many of an engine's latest submissions are read at the start, and how many of them at once.
_READ, _AT_ONCE = 120, 20


class DurationKey(NamedTuple):
    """A kind of job that takes about equally long: ``size`` in half octaves of pixels, ``steps`` in tens."""

    engine: str
    size: int
    steps: int
    images: int

    @classmethod
    def of(cls, request: ImageRequest) -> DurationKey:
        size = round(2 * math.log2(max(1, request.size.pixels)))
        return cls(request.engine, size, -1 if request.steps is None else request.steps // 10, request.images)


class DurationModel:
    """What jobs of one kind took, and how long the next one probably takes.

    A model begins with its ``parent``'s distribution, or with :data:`PRIOR`, which counts as one job.
    """

    def __init__(self, parent: DurationModel | None = None) -> None:
        self._parent = parent
        # Each duration as a position in cells, oldest first; and how many there ever were.
        self._places: list[float] = []
        self._ended = 0
        self._scores = [0.0] * len(_ESTIMATES)
        # The chance of each cell before anything is learnt, and now.
        self._base = _FIRST
        self._chances = _FIRST
        self._made_of = (-1, -1)
        self._distribution: DurationDistribution | None = None
        self.blind = 0
        """How many of the latest jobs in a row had already ended at their first poll: their durations are only upper
        bounds."""

    @property
    def known(self) -> int:
        """How many jobs of this engine it has learnt from, of whatever kind."""
        return self.mark()[-1]

    def mark(self) -> tuple[int, ...]:
        """What is known now: to be given to :meth:`add` when a job that is sent now has ended."""
        return (self._ended, *(self._parent.mark() if self._parent is not None else ()))

    def add(self, seconds: float, mark: tuple[int, ...] | None = None, *, blind: bool = False) -> None:
        """Learn from a job that took so long. ``mark`` is what was known when it was sent; None: the same as now.

        ``blind``: it had already ended at its first poll.
        """
        mark = self.mark() if mark is None else mark
        place = math.log(max(seconds, _SHORTEST) / _SHORTEST, _STEP)
        predicted = self._predicted(place, mark[0])
        scores = [
            score * _SCORE_DECAY + math.log(chance) for score, chance in zip(self._scores, predicted, strict=True)
        ]
        self._scores = [max(score, max(scores) - _MOST_BEHIND) for score in scores]
        self._places = [*self._places[-len(_LONG) + 1 :], place]
        self._ended += 1
        self.blind = self.blind + 1 if blind else 0
        if self._parent is not None:
            self._parent.add(seconds, mark[1:], blind=blind)

    def distribution(self) -> DurationDistribution:
        """How long a job takes that is sent now."""
        self.chances()
        if self._distribution is None:
            self._distribution = DurationDistribution(EDGES, self._chances)
        return self._distribution

    def chances(self) -> list[float]:
        """The chance of each cell, computed again when more is known."""
        made_of = (self._ended, 0 if self._parent is None else self._parent.mark()[0] // _RENEWED)
        if made_of == self._made_of:
            return self._chances
        if self._parent is not None and made_of[1] != self._made_of[1]:
            self._base = self._parent.chances()
        self._made_of, self._distribution = made_of, None
        latest = [min(_CELLS - 1, int(place)) for place in reversed(self._places)]
        scores = [math.exp(score - max(self._scores)) for score in self._scores]
        whole = sum(scores)
        spread: dict[int, list[float]] = {}
        base = 0.0
        for score, (memory, reach) in zip(scores, _ESTIMATES, strict=True):
            if score < _NEGLIGIBLE:
                continue
            each = score / whole / (sum(memory[: len(latest)]) + 1)
            base += each
            cells = spread.setdefault(reach, [0.0] * _CELLS)
            for weight, cell in zip(memory, latest, strict=False):
                cells[cell] += weight * each
        smooth = [_smoothed(cells, reach) for reach, cells in spread.items()]
        self._chances = [base * first + sum(cells) for first, *cells in zip(self._base, *smooth, strict=True)]
        return self._chances

    def _predicted(self, place: float, known: int) -> list[float]:
        """The chance that each estimate gave to this position when so many jobs had ended."""
        forgotten = self._ended - len(self._places)
        distances = [abs(place - other) for other in reversed(self._places[: max(0, known - forgotten)])]
        base = self._base[min(_CELLS - 1, int(place))]
        predicted = []
        for memory, reach in _ESTIMATES:
            width = 2 * reach + 1
            near = sum(weight * (1 - d / width) for weight, d in zip(memory, distances, strict=False) if d < width)
            predicted.append((near / width + base) / (sum(memory[: len(distances)]) + 1))
        return predicted


def _smoothed(cells: list[float], reach: int) -> list[float]:
    """A triangular kernel: each cell spread evenly over its neighbours, twice."""
    for _ in range(2 if reach else 0):
        width = 2 * reach + 1
        sums = [*[0.0] * reach, *accumulate(cells, initial=0.0)]
        sums += sums[-1:] * reach
        cells = [(after - before) / width for before, after in zip(sums, sums[width:], strict=False)]
    return cells


class Durations:
    """The model of each kind of job: read once from the database, then updated as jobs end."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._engines: dict[str, DurationModel] = {}
        self._keys: dict[DurationKey, DurationModel] = {}
        self._reading = asyncio.Lock()

    async def of(self, request: ImageRequest) -> DurationModel:
        """The model of jobs like this one. Raises StorageError."""
        key = DurationKey.of(request)
        if key.engine not in self._engines:
            async with self._reading:
                if key.engine not in self._engines:
                    self._engines[key.engine] = await self._read(key.engine)
        return self._keys.setdefault(key, DurationModel(self._engines[key.engine]))

    async def _read(self, engine: str) -> DurationModel:
        async with self._database.read() as connection:
            latest = await rows.durations(connection, engine, limit=_READ)
        parent = DurationModel()
        for number, took in enumerate(reversed(latest)):
            if number % _AT_ONCE == 0:
                await asyncio.sleep(0)
            key = DurationKey.of(decode_request(took.request))
            self._keys.setdefault(key, DurationModel(parent)).add(took.milliseconds / 1000)
        return parent
