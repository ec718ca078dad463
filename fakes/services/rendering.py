"""Accepted image requests: how long each takes to render, how it ends and what it costs."""

from __future__ import annotations

import asyncio
import random
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field

from fakes.services.call_log import Bill, drop_oldest
from fakes.services.pictures import Alteration, Gallery, Picture, Plate


@dataclass(frozen=True, slots=True)
class Fate:
    """How a rendering goes. By default it succeeds.

    ``error``: it fails with this text, in which ``{prompt}`` stands for the prompt, and is free. ``never``: it never
    ends by itself. ``images``: this many are made, whatever the request says. ``silent`` (ai-client): the request ends
    without any response entry. ``early`` (ai-client): the response entry exists from the start, with a percentage.
    ``alter`` changes the bytes of each image. ``misses``: this many downloads of each image are answered 404 first.
    ``seconds`` replaces its duration. ``finish_reason`` (aithriving) is sent with the image.
    """

    error: str | None = None
    never: bool = False
    images: int | None = None
    silent: bool = False
    early: bool = False
    alter: Alteration | None = None
    misses: int = 0
    seconds: float | None = None
    finish_reason: str | None = None


@dataclass(slots=True, eq=False)
class Rendering:
    """One accepted request for pictures.

    ``price`` is in millicredits per image; ``started`` is the loop's time; ``lengths`` are the sizes of the images in
    bytes. ``began_at`` and ``ended_at`` are Unix seconds.
    """

    guid: str
    provider: str
    engine: str
    prompt: str
    plates: tuple[Plate, ...]
    price: int
    fate: Fate
    started: float
    seconds: float | None
    due: asyncio.Event = field(default_factory=asyncio.Event)
    lengths: tuple[int, ...] = ()
    over: bool = False
    began_at: float = field(default_factory=time.time)
    ended_at: float = 0.0
    operation: str = "text_to_image"

    def __getstate__(self) -> dict[str, object]:
        """Everything but the event; ``started`` becomes the seconds that have passed since."""
        state: dict[str, object] = {name: getattr(self, name) for name in self.__dataclass_fields__ if name != "due"}
        return state | {"started": asyncio.get_running_loop().time() - self.started}

    def __setstate__(self, state: dict[str, object]) -> None:
        self.operation, self.began_at = "text_to_image", 0.0
        for name, value in state.items():
            setattr(self, name, value)
        self.started = asyncio.get_running_loop().time() - self.started
        self.due = asyncio.Event()

    @property
    def error(self) -> str | None:
        """The text it fails with, or None."""
        return None if self.fate.error is None else self.fate.error.replace("{prompt}", self.prompt)

    @property
    def credits(self) -> int:
        """The charge in millicredits: 0 until it is over, and 0 for a failure."""
        return self.price * len(self.lengths)

    def drop_uploads(self) -> None:
        """Drop the bytes of uploads, which are no longer needed after the answer."""
        self.plates = tuple(plate.dropped() for plate in self.plates)

    def percent(self, now: float) -> int:
        """Its progress by elapsed time, 0 to 99."""
        if not self.seconds:
            return 0
        return max(0, min(99, int(100 * (now - self.started) / self.seconds)))


class Renderings:
    """Starts renderings, ends them when their time is over, and writes the bills.

    ``seconds`` is the range of durations; None: each lasts until :meth:`finish` or :meth:`finish_all` is called.
    ``remember`` is how many bills and finished renderings are kept. ``most_at_once`` is the highest number of
    concurrent renderings at one provider.
    """

    def __init__(
        self,
        gallery: Gallery,
        seconds: tuple[float, float] | None,
        chance: random.Random,
        remember: int | None = None,
    ) -> None:
        self.seconds = seconds
        self.chance = chance
        self.bills: list[Bill] = []
        self.by_guid: dict[str, Rendering] = {}
        self.balance: int | None = None
        self.most_at_once: dict[str, int] = {}
        self._gallery = gallery
        self._remember = remember
        self._charged_before = 0
        self._tasks: dict[Rendering, asyncio.Task[None]] = {}

    @property
    def charged(self) -> int:
        """The sum of all bills in millicredits, including those that are no longer kept."""
        return self._charged_before + sum(bill.amount for bill in self.bills)

    def new_guid(self) -> str:
        return str(uuid.UUID(int=self.chance.getrandbits(128), version=4))

    def new_seed(self) -> int:
        return self.chance.randint(1, 4_294_967_294)

    def start(self, provider: str, engine: str, pictures: tuple[Picture, ...], price: int, fate: Fate) -> Rendering:
        """Begin to render these pictures. ``price`` is in millicredits per success."""
        count = len(pictures) if fate.images is None else fate.images
        loop = asyncio.get_running_loop()
        rendering = Rendering(
            guid=self.new_guid(),
            provider=provider,
            engine=engine,
            prompt=pictures[0].prompt,
            plates=tuple(Plate(pictures[i % len(pictures)], fate.alter) for i in range(count)),
            price=price,
            fate=fate,
            started=loop.time(),
            seconds=self._duration(fate),
            operation=pictures[0].operation,
        )
        self._forget_over()
        self.take_up(rendering)
        return rendering

    def take_up(self, rendering: Rendering) -> None:
        """Begin or go on with a rendering, which may come from an earlier stand-in."""
        loop = asyncio.get_running_loop()
        self.by_guid[rendering.guid] = rendering
        if rendering.over:
            rendering.due.set()
            return
        at_once = sum(other.provider == rendering.provider and not other.over for other in self._tasks) + 1
        self.most_at_once[rendering.provider] = max(at_once, self.most_at_once.get(rendering.provider, 0))
        if rendering.seconds is not None:
            left = rendering.seconds - (loop.time() - rendering.started)
            if left > 0:
                loop.call_later(left, rendering.due.set)
            else:
                rendering.due.set()
        self._tasks[rendering] = asyncio.create_task(self._make(rendering), name=f"rendering {rendering.guid}")

    def _forget_over(self) -> None:
        if self._remember is None or len(self.by_guid) < self._remember:
            return
        oldest = next((rendering for rendering in self.by_guid.values() if rendering.over), None)
        if oldest is not None:
            del self.by_guid[oldest.guid]
            self._tasks.pop(oldest, None)

    def _duration(self, fate: Fate) -> float | None:
        if fate.never:
            return None
        if fate.seconds is not None:
            return fate.seconds
        return None if self.seconds is None else self.chance.uniform(*self.seconds)

    async def _make(self, rendering: Rendering) -> None:
        wanted = () if rendering.fate.error or rendering.fate.silent else rendering.plates
        lengths = [len(await self._gallery.paint(plate)) for plate in wanted]
        await rendering.due.wait()
        rendering.lengths = tuple(lengths)
        rendering.ended_at = time.time()
        rendering.over = True
        if rendering.credits:
            self.bills.append(
                Bill(
                    provider=rendering.provider,
                    engine=rendering.engine,
                    amount=rendering.credits,
                    images=len(rendering.lengths),
                    rendering=rendering.guid,
                    prompt=rendering.prompt,
                    at=int(rendering.ended_at * 1000),
                    operation=rendering.operation,
                )
            )
            self._charged_before += sum(bill.amount for bill in drop_oldest(self.bills, self._remember))
            if self.balance is not None:
                self.balance -= rendering.credits

    def affords(self, amount: int) -> bool:
        """Whether the account's balance in millicredits, if it has one, covers this amount."""
        return self.balance is None or self.balance >= amount

    async def settle(self, rendering: Rendering) -> bool:
        """Whether it is over. If its time is over but the painter is still at work, wait for the painter first."""
        if rendering.due.is_set():
            await self.ended(rendering)
        return rendering.over

    async def ended(self, rendering: Rendering) -> None:
        """Wait until it is over, without a time limit."""
        task = self._tasks.get(rendering)
        if task is not None:
            await asyncio.shield(task)
            self._tasks.pop(rendering, None)

    def finish(self, guid: str) -> None:
        """End this rendering now. Raises KeyError if there is none with this guid."""
        self.by_guid[guid].due.set()

    def finish_all(self, which: Callable[[Rendering], bool] = lambda rendering: True) -> int:
        """End all unfinished renderings now, including those that would never end; return how many."""
        waiting = [rendering for rendering in self.by_guid.values() if not rendering.due.is_set() and which(rendering)]
        for rendering in waiting:
            rendering.due.set()
        return len(waiting)

    async def close(self) -> None:
        """Cancel what is unfinished."""
        tasks = [task for task in self._tasks.values() if not task.done()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._tasks.clear()
