"""Panels of pictures that are opened at once, and photos that people start from: time, processor time, memory."""

from __future__ import annotations

import asyncio
import io
import random
import tempfile
import time
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from PIL import Image

from benchmarks.figures import Figure, figure
from benchmarks.harness import Conditions, Harness, Trace
from benchmarks.loop_stalls import longest
from benchmarks.process_usage import cpu_seconds, forget_peak, peak_mib
from benchmarks.services import Pictures
from bot.pictures.fitting import fitted
from bot.pictures.normalising import normalised
from bot.providers.operations import Fit, PictureRules, Size
from fakes.discord.model import Upload
from fakes.discord.seen import look_at
from storage.pools import apart

WIDTH, HEIGHT = 4000, 3000
"""A photo of 12 megapixels, as a phone takes it: lying on its side, with a note to turn it."""
SENT = Size(768, 1024)
ENGINE, ROUTE = "aithriving/sd-1.6", "aithriving.basic.image_to_image"
"""An engine that starts from a picture, and the service's route for it."""
PEOPLE = 2000
"""The number of the first person who attaches a photo."""
AT_MOST = 10
"""Images per command."""


@dataclass(slots=True)
class Panels:
    """Milliseconds until each panel was shown, until it showed its picture, and of processor time for each."""

    open: list[float] = field(default_factory=list)
    whole: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)


async def panels(people: int, rounds: int, seed: int) -> list[Figure]:
    """Milliseconds until a panel and its picture are shown, if ``people`` people open panels at once.

    First each opens the panel of an image that nobody opened before, then the same again.
    """
    new, again = Panels(), Panels()
    conditions = Conditions(seconds=(0.5, 1.0), rate=None, pictures=Pictures.HEAVY, seed=seed)
    async with Harness(conditions) as harness:
        await harness.start()
        await harness.at_work()
        for each in range(rounds):
            results = await _results(harness, each, people)
            await asyncio.sleep(1.0)
            for opened in (new, again):
                await _open_all(harness, results, people, opened)
    lines: list[Figure] = []
    for which, opened in (("images not opened before", new), ("the same again", again)):
        lines += (
            figure("pictures", f"{people} panels at once, {which}, open after", "ms", opened.open, "p95 ≤ 300"),
            figure("pictures", f"{people} panels at once, {which}, with pictures after", "ms", opened.whole),
            figure("pictures", f"{people} panels at once, {which}, processor time each", "ms", opened.processor),
        )
    return lines


async def _results(harness: Harness, each: int, images: int) -> list[Trace]:
    """Shown results of this many images in total."""
    counts = [min(AT_MOST, images - before) for before in range(0, images, AT_MOST)]
    # A result with one image has another control than one with several.
    traces = [
        await harness.imagine(number, f"a bay, number {each}-{number}", images=max(2, count))
        for number, count in enumerate(counts)
    ]
    await asyncio.gather(*(trace.over.wait() for trace in traces))
    return traces


async def _open_all(harness: Harness, results: list[Trace], people: int, opened: Panels) -> None:
    """Let each person open the panel of another image."""
    choices = []
    for result in results:
        original = harness.discord.world.interactions[result.interaction].original
        assert original is not None
        card = look_at(original)
        menu = next(one for one in card.choices if one["custom_id"] == "picture:open")
        choices += [(card, option["value"]) for option in menu["options"]]
    traces = []
    for number, (card, value) in enumerate(choices[:people]):
        person = harness.discord.user(f"user{number}")
        traces.append(harness.follow(await person.choose(card, value, custom_id="picture:open")))
    asked, before = time.time(), cpu_seconds(harness.bot.pid)
    await asyncio.gather(*(trace.over.wait() for trace in traces))
    opened.processor.append(1000 * (cpu_seconds(harness.bot.pid) - before) / len(traces))
    opened.open += [1000 * (trace.answered - asked) for trace in traces]
    opened.whole += [1000 * (trace.shown - asked) for trace in traces]


# --- photos -----------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Outcome:
    """Milliseconds of acknowledgements and of each round's longest stalls; seconds until the photos were uploaded.

    ``alone`` are the acknowledgements of the same commands without photos.
    """

    alone: list[float] = field(default_factory=list)
    acknowledged: list[float] = field(default_factory=list)
    during: list[float] = field(default_factory=list)
    until_sent: list[float] = field(default_factory=list)
    sent: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)


async def photos(people: int, size: int, rounds: int, seed: int) -> list[Figure]:
    """Measure ``size`` commands at once while the photos of ``people`` people are received and fitted."""
    fitting = [await apart(_fitting, each) for each in range(3 * rounds)]
    outcome = Outcome()
    for each in range(rounds):
        await _round(outcome, people, size, seed + each)
    beside = f"{people} photos of 12 MP"
    lines = (
        ("a photo of 12 MP made ready to send, processor time of one core", "s", fitting, "≤ 1"),
        (f"{size} at once, no photos, acknowledged after", "ms", outcome.alone, ""),
        (f"{size} at once, {beside}, acknowledged after", "ms", outcome.acknowledged, "p95 ≤ 200"),
        (f"{size} at once, {beside}, longest stall during it", "ms", outcome.during, "≤ 50"),
        (f"{beside}, longest stall until all are sent", "ms", outcome.until_sent, "≤ 50"),
        (f"{beside}, all sent after", "s", outcome.sent, ""),
        (f"{beside}, processor time of the bot for each", "s", outcome.processor, ""),
    )
    return [figure("pictures", name, unit, values, goal) for name, unit, values, goal in lines]


def _fitting(number: int) -> float:
    """Seconds of processor time to store and to fit one photo. Blocks."""
    with tempfile.TemporaryDirectory(prefix="easel-bench-") as folder:
        raw, stored, sent = (Path(folder) / name for name in ("raw", "stored", "sent"))
        raw.write_bytes(photo(number).data)
        began = time.thread_time()
        normalised(raw, stored)
        rules = PictureRules(exact=True)
        largest = rules.bytes
        fitted(stored, sent, size=SENT, fit=Fit.CROP, formats=rules.formats, transparent=False, largest=largest)
        return time.thread_time() - began


async def _round(outcome: Outcome, people: int, size: int, seed: int) -> None:
    async with Harness(Conditions(seconds=(0.5, 1.0), rate=None, seed=seed)) as harness:
        await harness.start()
        await harness.at_work()
        await harness.warm_up()
        await harness.until_shown(1)
        alone, _ = await _burst(harness, size, "a fox")
        await harness.until_shown(1 + size)
        began, before = time.time(), cpu_seconds(harness.bot.pid)
        for number in range(people):
            await _attach(harness, number)
        # The first photos are being decoded by now.
        await asyncio.sleep(1.0)
        acknowledged, stall = await _burst(harness, size, "an owl")
        await _until_sent(harness, people)
        over = time.time()
        outcome.alone += alone
        outcome.acknowledged += acknowledged
        outcome.during.append(stall)
        outcome.until_sent.append(1000 * longest(harness.stalls, began, over))
        outcome.sent.append(over - began)
        outcome.processor.append((cpu_seconds(harness.bot.pid) - before) / people)


async def _burst(harness: Harness, size: int, words: str) -> tuple[list[float], float]:
    """Run ``size`` commands at once. Returns when each was acknowledged and the longest stall, in milliseconds."""
    traces = [await harness.imagine(user, f"{words}, number {user}") for user in range(size)]
    asked = time.time()
    await harness.until_acknowledged(traces)
    ended = max(trace.acknowledged for trace in traces)
    return [1000 * (trace.acknowledged - asked) for trace in traces], 1000 * longest(harness.stalls, asked, ended)


async def memory(photos: int, seed: int) -> list[Figure]:
    """The most memory that the bot needs while it receives and fits so many photos, all of which come at once."""
    async with Harness(Conditions(seconds=(3600, 3600), rate=None, seed=seed)) as harness:
        await harness.start()
        await harness.at_work()
        await harness.warm_up()
        forget_peak(harness.bot.pid)
        for number in range(photos):
            await _attach(harness, number)
        await _until_sent(harness, photos)
        most = [peak_mib(harness.bot.pid)]
    return [figure("pictures", f"most memory while {photos} photos of 12 MP wait", "MiB", most, "≤ 250")]


async def _attach(harness: Harness, number: int) -> Trace:
    prompt = f"a harbour, photo {number}"
    return await harness.imagine(PEOPLE + number, prompt, engine=ENGINE, picture=photo(number))


async def _until_sent(harness: Harness, count: int) -> None:
    while (await harness.calls())[ROUTE] < count:
        await asyncio.sleep(0.2)


def photo(number: int) -> Upload:
    """A photo of 12 megapixels and about 4 MB. No two have the same bytes."""
    pixels = _pixels()
    comment = f"photo {number}".encode()
    return Upload(0, "photo.jpg", pixels[:2] + b"\xff\xfe" + (len(comment) + 2).to_bytes(2) + comment + pixels[2:])


@lru_cache(maxsize=1)
def _pixels() -> bytes:
    chance = random.Random(1)
    coarse = Image.frombytes("RGB", (40, 30), chance.randbytes(3 * 40 * 30)).resize(
        (WIDTH, HEIGHT), Image.Resampling.BICUBIC
    )
    grain = Image.effect_noise((WIDTH, HEIGHT), 40).convert("RGB")
    exif = Image.Exif()
    exif[0x0112] = 6
    out = io.BytesIO()
    Image.blend(coarse, grain, 0.25).save(out, "JPEG", quality=88, exif=exif)
    return out.getvalue()
