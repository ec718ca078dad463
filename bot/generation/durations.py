"""How long jobs took lately: what polling and the card's estimate go by.

A :class:`Past` weighs several opinions of the same jobs: with a long memory or a short one, and each duration standing
for itself alone or for its neighbourhood too. Each counts for as much as it foretold the last jobs when those were
sent. So a steady engine gets a narrow outlook, a many-sided one keeps its humps, and one that changes is followed. A
:class:`Kind` of job that is new begins as its engine's past, and an engine as :data:`PRIOR`.
"""

from __future__ import annotations

import asyncio
import math
from itertools import accumulate
from typing import NamedTuple

from bot.generation.polling import Outlook
from bot.generation.requests import decode_request
from bot.providers.base import ImageRequest
from storage import jobs as rows
from storage.database import Database

# Durations are counted in cells, each so much longer than the one before.
_STEP = 1.04
_SHORTEST = 0.5
_CELLS = 230
EDGES = tuple(_SHORTEST * _STEP**cell for cell in range(_CELLS + 1))

# Until there is a past: most jobs take about a quarter of a minute, some far less and some far more.
_USUAL, _SPREAD = 15.0, 2.5
PRIOR = tuple(1 / (1 + (math.log(edge / _USUAL) / math.log(_SPREAD)) ** 2) for edge in EDGES[:-1])

# The opinions: what part of a duration's weight is left after each later one, and how many cells it is spread over to
# each side (twice).
_OPINIONS = ((0.985, 0), (0.985, 1), (0.985, 4), (0.985, 11), (0.8, 4), (0.8, 11))
# How many durations are remembered; older ones would hardly count.
_KEPT = 150
# What part of the merit of having foretold a job is left after each later one.
_MERIT_KEPT = 0.97
# How many of an engine's latest submissions are read at the start.
_READ = 120


class Kind(NamedTuple):
    """What jobs have in common that take about equally long. ``size`` is in half octaves of pixels, ``steps`` in tens."""

    engine: str
    size: int
    steps: int
    images: int

    @classmethod
    def of(cls, request: ImageRequest) -> Kind:
        size = round(2 * math.log2(max(1, request.size.pixels)))
        return cls(request.engine, size, -1 if request.steps is None else request.steps // 10, request.images)


class Past:
    """What jobs of one kind took, and what that says of the next one."""

    def __init__(self, parent: Past | None = None) -> None:
        self._parent = parent
        # Where each duration lies, in cells, oldest first; and how many there ever were.
        self._places: list[float] = []
        self._ended = 0
        self._merits = [0.0] * len(_OPINIONS)
        self._made_of: tuple[int, ...] = ()
        self._chances: list[float] = []
        self._outlook: Outlook | None = None
        self.blind = 0
        """How many of the last ones, one after the other, were over when they were first looked at: how early those
        really ended nobody knows."""

    def mark(self) -> tuple[int, ...]:
        """How much is known now, to be given to :meth:`add` when the job that is sent now has ended."""
        return (self._ended, *(self._parent.mark() if self._parent is not None else ()))

    def add(self, seconds: float, mark: tuple[int, ...], *, blind: bool = False) -> None:
        """Another one has ended."""
        place = math.log(max(seconds, _SHORTEST) / _SHORTEST, _STEP)
        foretold = self._foretold(place, mark[0])
        self._merits = [
            merit * _MERIT_KEPT + math.log(chance) for merit, chance in zip(self._merits, foretold, strict=True)
        ]
        self._places = [*self._places[-_KEPT + 1 :], place]
        self._ended += 1
        self.blind = self.blind + 1 if blind else 0
        if self._parent is not None:
            self._parent.add(seconds, mark[1:], blind=blind)

    def outlook(self) -> Outlook:
        """The chances of how long a job takes that is sent now."""
        self._make()
        if self._outlook is None:
            self._outlook = Outlook(EDGES, self._chances)
        return self._outlook

    def _make(self) -> list[float]:
        """The chance of each cell, made anew when more is known."""
        made_of = self.mark()
        if made_of != self._made_of:
            best = max(self._merits)
            merits = [math.exp(merit - best) for merit in self._merits]
            whole = sum(merits)
            spread: dict[int, list[float]] = {}
            base = 0.0
            for merit, (kept, reach) in zip(merits, _OPINIONS, strict=True):
                weights = [kept**age for age in range(len(self._places))]
                each = merit / whole / (sum(weights) + 1)
                base += each
                cells = spread.setdefault(reach, [0.0] * _CELLS)
                for weight, place in zip(weights, reversed(self._places), strict=True):
                    cells[min(_CELLS - 1, int(place))] += weight * each
            smooth = [_smoothed(cells, reach) for reach, cells in spread.items()]
            self._chances = [base * first + sum(cells) for first, *cells in zip(self._base(), *smooth, strict=True)]
            self._made_of, self._outlook = made_of, None
        return self._chances

    def _base(self) -> list[float]:
        """What is expected where nothing is known of this kind, counting for one duration."""
        if self._parent is not None:
            return self._parent._make()
        whole = sum(PRIOR)
        return [chance / whole for chance in PRIOR]

    def _foretold(self, place: float, known: int) -> list[float]:
        """The chance that each opinion gave to this place when so many had ended."""
        forgotten = self._ended - len(self._places)
        distances = [abs(place - other) for other in reversed(self._places[: max(0, known - forgotten)])]
        base = self._base()[min(_CELLS - 1, int(place))]
        foretold = []
        for kept, reach in _OPINIONS:
            width = 2 * reach + 1
            near = sum(kept**age * (1 - d / width) / width for age, d in enumerate(distances) if d < width)
            foretold.append((near + base) / (sum(kept**age for age in range(len(distances))) + 1))
        return foretold


def _smoothed(cells: list[float], reach: int) -> list[float]:
    """Each cell spread evenly over its neighbours, and what comes out once more."""
    for _ in range(2 if reach else 0):
        sums = list(accumulate(cells, initial=0.0))
        cells = [
            (sums[min(_CELLS, cell + reach + 1)] - sums[max(0, cell - reach)]) / (2 * reach + 1)
            for cell in range(_CELLS)
        ]
    return cells


class Durations:
    """The past of each engine and kind: read once from the database, and then kept up by those who see jobs end."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._engines: dict[str, Past] = {}
        self._kinds: dict[Kind, Past] = {}
        self._reading = asyncio.Lock()

    async def past(self, request: ImageRequest) -> Past:
        """What jobs like this one took."""
        kind = Kind.of(request)
        if kind.engine not in self._engines:
            async with self._reading:
                if kind.engine not in self._engines:
                    await self._read(kind.engine)
        return self._kinds.setdefault(kind, Past(self._engines[kind.engine]))

    async def _read(self, engine: str) -> None:
        async with self._database.read() as connection:
            ended = await rows.durations(connection, engine, limit=_READ)
        self._engines[engine] = parent = Past()
        for one in reversed(ended):
            kind = Kind.of(decode_request(one.request))
            past = self._kinds.setdefault(kind, Past(parent))
            past.add(one.milliseconds / 1000, past.mark())
