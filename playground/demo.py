"""``python -m bot demo``: the whole path without a browser. It prints what people would see, as it happens.

A member requests images from several engines, one of them from a picture, and an admin asks for the usage. The images
are downloaded from the messages, as a person would do it, and checked; the money is counted independently.
"""

from __future__ import annotations

import asyncio
import io
import logging
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image, UnidentifiedImageError

from bot.clock import Clock
from bot.config import Settings
from bot.text import credits_text
from bot.ui.cards.buttons import custom_id
from fakes.services import StandIn
from playground.plain_text import lines
from playground.sample_pictures import HARBOUR, SamplePictures, sample_named
from playground.studio import Studio, open_studio

if TYPE_CHECKING:
    import simcord

OUT = Path("out")
TRANSCRIPT = "transcript.txt"
# The range of durations of an image here, and the time limit of the whole demo, in seconds.
PAINTING = (4.0, 7.0)
PATIENCE = 55.0

# Only a finished job's card has this button.
_OVER = re.compile(re.escape(custom_id("details", 0)).removesuffix("0") + r"(\d+)")


@dataclass(frozen=True, slots=True)
class Order:
    """What the member requests from an engine, and the expected result. ``picture`` names the sample to start from."""

    engine: str
    options: Mapping[str, str | int]
    images: int
    size: tuple[int, int]
    picture: str | None = None


ORDERS = (
    Order(
        "ai-client/stable-diffusion-xl-1024-v0-9",
        {"prompt": "a lighthouse on a cliff at sunset --no people", "images": 2, "steps": 45, "style": "cinematic"},
        images=2,
        size=(1024, 1024),
    ),
    Order(
        "aithriving/sd-1.6",
        {"prompt": "a sailing boat on a calm sea under the moon", "size": "768x512", "seed": 7},
        images=1,
        size=(768, 512),
    ),
    Order(
        "aithriving/core",
        {"prompt": "a fox in a snowy forest", "size": "16:9", "images": 2, "negative": "fog"},
        images=2,
        size=(1344, 768),
    ),
    Order(
        "aithriving/sd3-large",
        {"prompt": "the harbour on a stormy night", "strength": 55},
        images=1,
        size=(1152, 768),
        picture=HARBOUR,
    ),
)


async def play(
    settings: Settings,
    *,
    services: StandIn | None = None,
    pictures: SamplePictures | None = None,
    clock: Clock | None = None,
    out: Path = OUT,
) -> int:
    """Run the demo and save the delivered files in the folder ``out``. Returns 0 if everything was right."""
    services = services or StandIn(seconds=PAINTING)
    pictures = pictures or SamplePictures()
    samples = {order.picture: await pictures.picture(order.picture) for order in ORDERS if order.picture is not None}
    await asyncio.to_thread(_empty, out)
    with _without_chatter():
        async with open_studio(settings, services, clock=clock) as studio:
            show = _Show(studio, samples, out)
            try:
                async with asyncio.timeout(PATIENCE):
                    await show.run()
            except TimeoutError:
                show.wrong.append(f"Not everything was there after {PATIENCE:.0f} seconds.")
    show.say("")
    for sentence in show.wrong:
        show.say(f"WRONG: {sentence}")
    if not show.wrong:
        show.say(f"Everything was delivered: {show.delivered} pictures and this transcript are in {out}/.")
    await asyncio.to_thread((out / TRANSCRIPT).write_text, "\n".join(show.said) + "\n", "utf-8")
    return int(bool(show.wrong))


@contextmanager
def _without_chatter() -> Iterator[None]:
    """Log warnings only, so that the cards can be read."""
    before = logging.root.manager.disable
    logging.disable(logging.INFO)
    try:
        yield
    finally:
        logging.disable(before)


@dataclass(slots=True)
class _Card:
    """A message that is followed: its last text, and whether its job has ended."""

    label: str
    said: list[str] = field(default_factory=list)
    over: asyncio.Event = field(default_factory=asyncio.Event)


class _Show:
    """One run. Everything printed is also written to the transcript."""

    def __init__(self, studio: Studio, samples: Mapping[str, bytes], out: Path) -> None:
        """``samples`` are the pictures to start from, by name."""
        self.said: list[str] = []
        self.wrong: list[str] = []
        self.delivered = 0
        self._studio = studio
        self._samples = samples
        self._world = studio.world
        self._backend = studio.world.env.backend
        self._out = out
        self._start = time.perf_counter()
        self._names = {person.id: person.user.global_name or person.name for person in self._world.people}
        self._cards: dict[int, _Card] = {}

    async def run(self) -> None:
        engines = self._studio.runtime.service.engines
        if missing := {order.engine for order in ORDERS} - engines.keys():
            self.wrong.append(f"These engines of the demo do not exist: {', '.join(sorted(missing))}.")
            return
        self._backend.subscribers.append(self._notice)
        ada = self._world.members[0]
        async with asyncio.TaskGroup() as group:
            jobs = []
            for order in ORDERS:
                typed: dict[str, Any] = {**order.options, "engine": order.engine}
                words = " ".join(f"{name}:{value}" for name, value in typed.items())
                if order.picture is not None:
                    filename = sample_named(order.picture).filename
                    words = f"picture:{filename} {words}"
                    typed["picture"] = filename, self._samples[order.picture]
                self.say(f"{self._names[ada.id]} types /imagine {words}")
                result = await ada.slash(self._world.channel, "imagine", **typed)
                if result.response is None or result.ephemeral:
                    self.wrong.append(f"{order.engine} was refused: {self._read(result)}")
                    continue
                message_id = result.response.id
                self._cards[message_id] = _Card(engines[order.engine].name)
                self._look(message_id)
                jobs.append(group.create_task(self._collect(message_id, order)))
        await self._ask_for_the_usage(sum(job.result() for job in jobs))

    # --- watching -----------------------------------------------------------------------------------------------

    def say(self, line: str) -> None:
        self.said.append(line)
        print(line, flush=True)

    def _notice(self, event: str, payload: Mapping[str, Any]) -> None:
        if event == "MESSAGE_UPDATE" and (message_id := int(payload["id"])) in self._cards:
            self._look(message_id)

    def _look(self, message_id: int) -> None:
        """Print the new lines of a card."""
        card = self._cards[message_id]
        components = self._backend.get_message(self._world.channel.id, message_id).components
        now = lines(components, now=time.time(), names=self._names)
        fresh = [line for line in now if line not in card.said]
        if fresh:
            self.say(f"\n{time.perf_counter() - self._start:5.1f} s  {card.label}")
            for line in fresh:
                self.say(f"         {line}")
        card.said = now
        if _job_id(components) is not None:
            card.over.set()

    def _read(self, result: simcord.InteractionResult) -> str:
        components = result.response.components if result.response is not None else []
        return " / ".join(lines(components, now=time.time(), names=self._names)) or "no answer at all"

    # --- checking -----------------------------------------------------------------------------------------------

    async def _collect(self, message_id: int, order: Order) -> int:
        """Wait for the images of an order, download and check them. Returns their cost in millicredits."""
        card = self._cards[message_id]
        await card.over.wait()
        message = self._backend.get_message(self._world.channel.id, message_id)
        if len(message.attachments) != order.images:
            self.wrong.append(f"{card.label} brought {len(message.attachments)} of {order.images} pictures.")
        for attachment in message.attachments:
            data = self._backend.cdn.get(attachment["url"]) or b""
            await asyncio.to_thread((self._out / attachment["filename"]).write_bytes, data)
            size = await asyncio.to_thread(_size, data)
            if size != order.size:
                self.wrong.append(f"{attachment['filename']} of {card.label} is {size}, not {order.size}.")
            self.delivered += 1
        return await self._cost(message.components, order)

    async def _cost(self, components: Any, order: Order) -> int:
        """Compare what the bot counted for the job with what the service charged, if that is exact."""
        job_id = _job_id(components)
        if job_id is None:
            return 0
        view = await self._studio.runtime.service.view(job_id)
        model = order.engine.partition("/")[2]
        charged = sum(bill.amount for bill in self._studio.services.bills if bill.engine == model)
        if view.exact and view.captured != charged:
            counted = credits_text(view.captured)
            self.wrong.append(f"{order.engine} is counted with {counted}, the service charged {credits_text(charged)}.")
        return view.captured

    async def _ask_for_the_usage(self, spent: int) -> None:
        """Let the admin run a report, and check that it equals the cost of all jobs."""
        admin = self._world.admin
        self.say(f"\n{self._names[admin.id]} types /usage report")
        result = await admin.slash(self._world.channel, "usage report")
        report = self._read(result)
        for line in report.split(" / "):
            self.say(f"         {line}")
        total, who = credits_text(spent), self._names[self._world.members[0].id]
        for wanted in (f"{total} spent", f"@{who}: {total}"):
            if wanted not in report:
                self.wrong.append(f"The report does not say: {wanted}.")


def _job_id(components: object) -> int | None:
    """The job of a finished card."""
    found = _OVER.search(str(components))
    return int(found[1]) if found else None


def _size(data: bytes) -> tuple[int, int] | None:
    """The width and height of a completely decodable image, otherwise None."""
    try:
        with Image.open(io.BytesIO(data)) as image:
            image.load()
            return image.size
    except (UnidentifiedImageError, OSError):
        return None


def _empty(folder: Path) -> None:
    """Remove the images and the transcript of an earlier run."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in (*folder.glob("*.png"), *folder.glob("*.webp"), folder / TRANSCRIPT):
        path.unlink(missing_ok=True)
