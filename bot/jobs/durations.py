"""Estimates how long jobs take: one distribution for each kind of job, learnt from finished jobs. Times are seconds.

A :class:`DurationModel` mixes several density estimates of the same jobs. They differ in memory and bandwidth, and each
is weighted by how well it predicted the latest jobs. So a steady engine gets a narrow distribution, an engine with
several kinds of jobs gets several peaks, and the model adapts to changes. A new kind of job starts with its engine's
distribution, and a new engine with :data:`PRIOR`.
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

# A job is overdue when fewer than one in OVERDUE jobs are still open. The past says little about such jobs, so the next
# poll comes at the latest when the age has grown by OVERDUE_PART.
OVERDUE, OVERDUE_PART = 20, 0.125
# The remaining time, as multiples of the provider's estimate: eight intervals of equal probability.
_AROUND = (0.4, 0.7, 0.85, 0.95, 1.05, 1.2, 1.5, 2.0, 3.0)
# The precision of poll times.
_FINE = 0.005


class DurationDistribution:
    """A distribution of the time from sending a job to its end, in seconds.

    ``chances[i]`` is the weight of an end between ``edges[i]`` and ``edges[i + 1]``, distributed uniformly. The weights
    need not add up to 1. No job ends before the first edge.
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
        """The age from which a job counts as overdue: only few jobs are still open then."""

    def still_open(self, at: float) -> float:
        """Return the probability that a job is still open at this age (the survival function)."""
        return self._look(at)[0]

    def quantile(self, part: float) -> float:
        """Return the age by which this fraction of jobs has ended."""
        wanted = 1 - part
        place = bisect_left(self._open, -wanted, key=lambda chance: -chance)
        if place in {0, len(self._open)}:
            return self._edges[min(place, len(self._edges) - 1)]
        before, after = self._open[place - 1], self._open[place]
        start, end = self._edges[place - 1], self._edges[place]
        return start + (end - start) * (before - wanted) / (before - after)

    def between(self, seen_open: float, seen_over: float) -> float:
        """Return the median duration of a job that was open at the first age and had ended at the second."""
        middle = (self.still_open(seen_open) + self.still_open(seen_over)) / 2
        return min(seen_over, max(seen_open, self.quantile(1 - middle)))

    def worth(self, seen_open: float, at: float) -> float:
        """Return the value of a poll at this age, in seconds of waiting. The job was last open at ``seen_open``."""
        chance, spent = self._look(seen_open)
        return chance * (self._look(at)[1] - spent) - (at - seen_open)

    def when(self, seen_open: float, cost: float) -> float:
        """Return the age at which the value of a poll reaches ``cost``, or an earlier one if the job is overdue."""
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
        """Combine this with the provider's estimate of the time ``left``. ``trust`` 1 weighs both equally."""
        estimate = DurationDistribution([at + left * part for part in _AROUND], [1.0] * (len(_AROUND) - 1))
        edges = sorted({*self._edges[1:], *estimate._edges[1:]})
        chances = [self.still_open(edge) + trust * estimate.still_open(edge) for edge in edges]
        return DurationDistribution(edges, [before - after for before, after in pairwise(chances)])

    def _look(self, at: float) -> tuple[float, float]:
        """Return the survival function at this age, and the integral of its inverse up to there."""
        place = bisect_right(self._edges, at) - 1
        beyond = at - self._edges[place]
        if place == len(self._edges) - 1:
            return self._open[-1], self._sums[-1] + beyond / self._open[-1]
        part = beyond / (self._edges[place + 1] - self._edges[place])
        chance = self._open[place] + part * (self._open[place + 1] - self._open[place])
        return chance, self._sums[place] + _inverse(beyond, self._open[place], chance)


USUALLY = 0.8
"""A job takes longer than usual once this fraction of such jobs would have ended."""


def _inverse(length: float, first: float, last: float) -> float:
    """Integrate 1/x over an interval of this length, in which x changes linearly from ``first`` to ``last``."""
    fall = (first - last) / last
    return length / last * (math.log1p(fall) / fall if fall > 1e-9 else 1.0)


# The growth of the histogram's cells: each cell is longer than the one before by this factor.
_STEP = 1.04
_SHORTEST = 0.5
_CELLS = 230
EDGES = tuple(_SHORTEST * _STEP**cell for cell in range(_CELLS + 1))

# The prior: most jobs take about a quarter of a minute, some far less and some far more.
_USUAL, _SPREAD = 15.0, 2.5
PRIOR = tuple(1 / (1 + (math.log(edge / _USUAL) / math.log(_SPREAD)) ** 2) for edge in EDGES[:-1])
_FIRST = [chance / sum(PRIOR) for chance in PRIOR]

# The weight of a duration by the number of later ones. Durations beyond the list are forgotten.
_LONG = tuple(0.99**age for age in range(200))
_SHORT = tuple(0.8**age for age in range(30))
# The estimates: a memory, and the number of cells to each side over which a duration is spread (twice).
_ESTIMATES = ((_LONG, 0), (_LONG, 2), (_LONG, 6), (_LONG, 18), (_SHORT, 4), (_SHORT, 11))
# The score of an estimate is the sum of the log probabilities that it gave to the jobs. Each term decays by this factor
# with every later job.
_SCORE_DECAY = 0.99
# A score never falls further behind the best, so that another estimate can soon take the lead after a change.
_MOST_BEHIND = 8.0
# An estimate is skipped if its weight relative to the best one is lower than this.
_NEGLIGIBLE = 0.001
# A model copies its parent's distribution again after this many more jobs.
_RENEWED = 8
# The number of an engine's latest submissions to read at the start, and the size of each batch.
_READ, _AT_ONCE = 120, 20


class DurationKey(NamedTuple):
    """A kind of job with similar durations: ``size`` in half octaves of pixels, ``steps`` in tens."""

    engine: str
    size: int
    steps: int
    images: int

    @classmethod
    def of(cls, request: ImageRequest) -> DurationKey:
        size = round(2 * math.log2(max(1, request.result_size.pixels)))
        return cls(request.engine, size, -1 if request.steps is None else request.steps // 10, request.images)


class DurationModel:
    """The durations of one kind of job, and a prediction for the next.

    A model starts with its ``parent``'s distribution, or with :data:`PRIOR`. Either counts as one job.
    """

    def __init__(self, parent: DurationModel | None = None) -> None:
        self._parent = parent
        # Each duration as a position in cells, oldest first; and the total number of durations so far.
        self._places: list[float] = []
        self._ended = 0
        self._scores = [0.0] * len(_ESTIMATES)
        # The probability of each cell before anything is learnt, and now.
        self._base = _FIRST
        self._chances = _FIRST
        self._made_of = (-1, -1)
        self._distribution: DurationDistribution | None = None
        self.blind = 0
        """The number of latest jobs in a row that had already ended at their first poll. Their durations are only upper
        bounds."""

    @property
    def known(self) -> int:
        """The number of this engine's jobs, of any kind, that the model has learnt from."""
        return self.mark()[-1]

    def mark(self) -> tuple[int, ...]:
        """Return a mark of the current knowledge. Pass it to :meth:`add` when a job that is sent now has ended."""
        return (self._ended, *(self._parent.mark() if self._parent is not None else ()))

    def add(self, seconds: float, mark: tuple[int, ...] | None = None, *, blind: bool = False) -> None:
        """Learn from a job that took ``seconds``. ``mark`` is from when it was sent; None: the same as now.

        ``blind``: the job had already ended at its first poll.
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
        """Return the distribution for a job that is sent now."""
        self.chances()
        if self._distribution is None:
            self._distribution = DurationDistribution(EDGES, self._chances)
        return self._distribution

    def chances(self) -> list[float]:
        """Return the probability of each cell, recomputed after each new job."""
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
        """Return the probability that each estimate gave to this position after ``known`` jobs."""
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
    """Apply a triangular kernel: spread each cell evenly over its neighbours, twice."""
    for _ in range(2 if reach else 0):
        width = 2 * reach + 1
        sums = [*[0.0] * reach, *accumulate(cells, initial=0.0)]
        sums += sums[-1:] * reach
        cells = [(after - before) / width for before, after in zip(sums, sums[width:], strict=False)]
    return cells


class Durations:
    """The models of all kinds of jobs: read once from the database, then updated as jobs end."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._engines: dict[str, DurationModel] = {}
        self._keys: dict[DurationKey, DurationModel] = {}
        self._reading = asyncio.Lock()

    async def of(self, request: ImageRequest) -> DurationModel:
        """Return the model for jobs like this one. Raises StorageError."""
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
