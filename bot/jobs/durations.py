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

from bot.domain.requests import decode_request
from bot.jobs.polling import Outlook
from bot.providers.base import ImageRequest
from storage import submissions as rows
from storage.database import Database

# Durations are counted in cells, each so much longer than the one before.
_STEP = 1.04
_SHORTEST = 0.5
_CELLS = 230
EDGES = tuple(_SHORTEST * _STEP**cell for cell in range(_CELLS + 1))

# Until there is a past: most jobs take about a quarter of a minute, some far less and some far more.
_USUAL, _SPREAD = 15.0, 2.5
PRIOR = tuple(1 / (1 + (math.log(edge / _USUAL) / math.log(_SPREAD)) ** 2) for edge in EDGES[:-1])
_FIRST = [chance / sum(PRIOR) for chance in PRIOR]

# How much a duration weighs after so many later ones. Older ones are forgotten.
_LONG = tuple(0.99**age for age in range(200))
_SHORT = tuple(0.8**age for age in range(30))
# The opinions: a memory, and over how many cells to each side a duration is spread (twice).
_OPINIONS = ((_LONG, 0), (_LONG, 2), (_LONG, 6), (_LONG, 18), (_SHORT, 4), (_SHORT, 11))
# What part of the merit of having foretold a job is left after each later one.
_MERIT_KEPT = 0.99
# No opinion falls further behind the best, so that another one is soon believed when things change. As a logarithm.
_MERIT_APART = 8.0
# An opinion that counts for less beside the best one is left out.
_NEGLIGIBLE = 0.001
# What a kind takes over from its parent is renewed after so many more durations.
_RENEWED = 8
# How many of an engine's latest submissions are read at the start, and how many of them in one go.
_READ, _AT_ONCE = 120, 20


class Kind(NamedTuple):
    """What jobs have in common that take about equally long: ``size`` in half octaves of pixels, ``steps`` in tens."""

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
        # The chance of each cell where nothing is known of this kind, counting for one duration; and what came of it.
        self._base = _FIRST
        self._chances = _FIRST
        self._made_of = (-1, -1)
        self._outlook: Outlook | None = None
        self.blind = 0
        """How many of the last ones, one after the other, were over when they were first looked at: how early those
        really ended nobody knows."""

    def mark(self) -> tuple[int, ...]:
        """How much is known now, to be given to :meth:`add` when the job that is sent now has ended."""
        return (self._ended, *(self._parent.mark() if self._parent is not None else ()))

    def add(self, seconds: float, mark: tuple[int, ...] | None = None, *, blind: bool = False) -> None:
        """Another one has ended. ``mark`` is what was known when it was sent; None: the same as now."""
        mark = self.mark() if mark is None else mark
        place = math.log(max(seconds, _SHORTEST) / _SHORTEST, _STEP)
        foretold = self._foretold(place, mark[0])
        merits = [merit * _MERIT_KEPT + math.log(chance) for merit, chance in zip(self._merits, foretold, strict=True)]
        self._merits = [max(merit, max(merits) - _MERIT_APART) for merit in merits]
        self._places = [*self._places[-len(_LONG) + 1 :], place]
        self._ended += 1
        self.blind = self.blind + 1 if blind else 0
        if self._parent is not None:
            self._parent.add(seconds, mark[1:], blind=blind)

    def outlook(self) -> Outlook:
        """The chances of how long a job takes that is sent now."""
        self.chances()
        if self._outlook is None:
            self._outlook = Outlook(EDGES, self._chances)
        return self._outlook

    def chances(self) -> list[float]:
        """The chance of each cell, made anew when more is known."""
        made_of = (self._ended, 0 if self._parent is None else self._parent.mark()[0] // _RENEWED)
        if made_of == self._made_of:
            return self._chances
        if self._parent is not None and made_of[1] != self._made_of[1]:
            self._base = self._parent.chances()
        self._made_of, self._outlook = made_of, None
        latest = [min(_CELLS - 1, int(place)) for place in reversed(self._places)]
        merits = [math.exp(merit - max(self._merits)) for merit in self._merits]
        whole = sum(merits)
        spread: dict[int, list[float]] = {}
        base = 0.0
        for merit, (memory, reach) in zip(merits, _OPINIONS, strict=True):
            if merit < _NEGLIGIBLE:
                continue
            each = merit / whole / (sum(memory[: len(latest)]) + 1)
            base += each
            cells = spread.setdefault(reach, [0.0] * _CELLS)
            for weight, cell in zip(memory, latest, strict=False):
                cells[cell] += weight * each
        smooth = [_smoothed(cells, reach) for reach, cells in spread.items()]
        self._chances = [base * first + sum(cells) for first, *cells in zip(self._base, *smooth, strict=True)]
        return self._chances

    def _foretold(self, place: float, known: int) -> list[float]:
        """The chance that each opinion gave to this place when so many had ended."""
        forgotten = self._ended - len(self._places)
        distances = [abs(place - other) for other in reversed(self._places[: max(0, known - forgotten)])]
        base = self._base[min(_CELLS - 1, int(place))]
        foretold = []
        for memory, reach in _OPINIONS:
            width = 2 * reach + 1
            near = sum(weight * (1 - d / width) for weight, d in zip(memory, distances, strict=False) if d < width)
            foretold.append((near / width + base) / (sum(memory[: len(distances)]) + 1))
        return foretold


def _smoothed(cells: list[float], reach: int) -> list[float]:
    """Each cell spread evenly over its neighbours, and what comes out once more."""
    for _ in range(2 if reach else 0):
        width = 2 * reach + 1
        sums = [*[0.0] * reach, *accumulate(cells, initial=0.0)]
        sums += sums[-1:] * reach
        cells = [(after - before) / width for before, after in zip(sums, sums[width:], strict=False)]
    return cells


class Durations:
    """The past of each engine and kind: read once from the database, then kept up by those who see jobs end."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._engines: dict[str, Past] = {}
        self._kinds: dict[Kind, Past] = {}
        self._reading = asyncio.Lock()

    async def of(self, request: ImageRequest) -> Past:
        """What jobs like this one took. Raises StorageError."""
        kind = Kind.of(request)
        if kind.engine not in self._engines:
            async with self._reading:
                if kind.engine not in self._engines:
                    self._engines[kind.engine] = await self._read(kind.engine)
        past = self._kinds.get(kind)
        if past is None:
            past = self._kinds[kind] = Past(self._engines[kind.engine])
        return past

    async def _read(self, engine: str) -> Past:
        async with self._database.read() as connection:
            latest = await rows.durations(connection, engine, limit=_READ)
        parent = Past()
        for number, took in enumerate(reversed(latest)):
            if number % _AT_ONCE == 0:
                await asyncio.sleep(0)
            kind = Kind.of(decode_request(took.request))
            past = self._kinds.setdefault(kind, Past(parent))
            past.add(took.milliseconds / 1000)
        return parent
