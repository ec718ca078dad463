"""Large deliveries while others run commands: time to acknowledge, and the longest stall.

Each large image has to be made smaller for Discord, which takes a second on one core. Meanwhile many people run
commands at once, some with the longest possible prompt, in a server with the longest possible lists of refused words.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from benchmarks.answer_times import answer_times
from benchmarks.figures import Figure, figure
from benchmarks.harness import Conditions, Harness, Program, Trace
from benchmarks.loop_stalls import longest
from benchmarks.services import ENDLESS, Pictures
from fakes.discord.constants import EVERYTHING

FILE_LIMIT = 3 << 19
"""File size limit of this server, in bytes: half of a large image."""
LETTERS = "abcdefghijk"
"""The words in refused phrases and long prompts."""
PEOPLE = 1000
"""The number of the first person whose images are delivered."""
PROMPT, PHRASES, PHRASE, CHOICES = 2000, 100, 40, 10
"""Characters of the longest prompt, phrases per list, characters per phrase, and images per command."""
PAUSE = 2.0
"""The seconds after each burst."""
LONG_PROMPTS = 10
"""How many of the commands have such a prompt; half of them if there are few."""


@dataclass(slots=True)
class Burst:
    """Milliseconds of each acknowledgement, in total and for the part of the bot, and the longest stall of each burst.

    The bot's part is from when its event was written to the gateway's connection until its answer is written.
    """

    acknowledged: list[float] = field(default_factory=list)
    of_bot: list[float] = field(default_factory=list)
    stalls: list[float] = field(default_factory=list)

    def add(self, harness: Harness, traces: Sequence[Trace], asked: float) -> None:
        """Add a burst of commands, all of which are acknowledged. ``asked`` is Unix seconds."""
        times = answer_times(harness.answers)
        self.acknowledged += [1000 * (trace.acknowledged - asked) for trace in traces]
        self.of_bot += [1000 * (times[trace.interaction][1] - trace.written) for trace in traces]
        ended = max(trace.acknowledged for trace in traces)
        self.stalls.append(1000 * longest(harness.stalls, asked, ended))


@dataclass(slots=True)
class Outcome:
    """The bursts of both bots, the longest stall of each round in milliseconds, and seconds until images were shown."""

    easel: Burst = field(default_factory=Burst)
    bare: Burst = field(default_factory=Burst)
    until_shown: list[float] = field(default_factory=list)
    shown: list[float] = field(default_factory=list)


async def delivery(people: int, images: int, size: int, bursts: int, seed: int) -> list[Figure]:
    """Measure ``size`` commands at once, ``bursts`` times, while each of ``people`` people receives ``images`` images.

    In turn with them, the same commands go to a bot that only defers, while Easel still delivers: what its
    acknowledgements take is the machine's and the loopback Discord's part.
    """
    outcome = Outcome()
    await _round(outcome, people, images, size, bursts, seed)
    beside = f"{people} × {images} large pictures"
    lines = []
    for name, burst, goals in (("", outcome.easel, ("p95 ≤ 200", "≤ 50")), ("bare bot, ", outcome.bare, ("", ""))):
        named = f"{name}{size} at once, {beside}"
        lines += [
            (f"{named}, acknowledged after", "ms", burst.acknowledged, ""),
            (f"{named}, of that in the bot", "ms", burst.of_bot, goals[0]),
            (f"{named}, longest stall during it", "ms", burst.stalls, goals[1]),
        ]
    lines += [
        (f"{beside}, longest stall until all are shown", "ms", outcome.until_shown, "≤ 50"),
        (f"{beside}, shown after", "s", outcome.shown, ""),
    ]
    return [figure("delivery", name, unit, values, goal) for name, unit, values, goal in lines]


async def _round(outcome: Outcome, people: int, images: int, size: int, bursts: int, seed: int) -> None:
    # The jobs of the commands do not end, so that nothing but the large images is delivered.
    at_once = people * images + 1
    conditions = Conditions(seconds=(0.5, 1.0), rate=None, pictures=Pictures.NOISE, seed=seed, jobs=at_once)
    easel = Harness(conditions)
    bare = Harness(Conditions(seed=seed), program=Program.BARE)
    async with easel as harness, bare as other:
        guild = harness.channel.guild
        assert guild is not None
        guild.file_limit = FILE_LIMIT
        await harness.start()
        await harness.at_work()
        await harness.warm_up()
        await other.start()
        await other.warm_up()
        await harness.until_shown(1)
        await refuse_words(harness)
        began = time.time()
        large = [
            await harness.imagine(PEOPLE + user, f"a storm, number {user}", images=images) for user in range(people)
        ]
        while (await harness.calls())["ai-client.image"] < 1 + people * images:
            await asyncio.sleep(0.1)
        for _ in range(bursts):
            await _burst(outcome.easel, harness, size)
            await asyncio.sleep(PAUSE)
            await _burst(outcome.bare, other, size)
            await asyncio.sleep(PAUSE)
        await asyncio.gather(*(trace.over.wait() for trace in large))
        outcome.until_shown.append(1000 * longest(harness.stalls, began, max(trace.shown for trace in large)))
        outcome.shown += [trace.shown - trace.asked for trace in large]


async def _burst(burst: Burst, harness: Harness, size: int) -> None:
    long_ones = min(LONG_PROMPTS, size // 2)
    traces = [await harness.imagine(user, f"{ENDLESS} road, number {user}") for user in range(size - long_ones)]
    traces += [await harness.imagine(size + user, long_prompt(user)) for user in range(long_ones)]
    asked = time.time()
    await harness.until_acknowledged(traces)
    burst.add(harness, traces, asked)


async def refuse_words(harness: Harness) -> None:
    """Let an admin set the longest possible lists of refused words, none of which occurs in a prompt here."""
    guild = harness.channel.guild
    assert guild is not None
    admin = harness.discord.user("admin")
    guild.member(admin.user).permissions = EVERYTHING
    for option, number in (("refused_words", 0), ("restricted_words", PHRASES)):
        asked = await admin.slash(harness.channel, "server set", **{option: phrases(number)})
        await asked.answered()


def phrases(first: int) -> str:
    """Phrases that match a long prompt in every word but the last."""
    same = " ".join(f"{letter}*" for letter in LETTERS)
    return ",".join(f"{same} {number:03d}"[:PHRASE] for number in range(first, first + PHRASES))


def long_prompt(number: int) -> str:
    """The longest prompt, for the largest number of images."""
    choices = ", ".join(map(str, range(CHOICES)))
    begins = f"{ENDLESS} road, number {number} {{{choices}}} "
    return (begins + f"{' '.join(LETTERS)} " * PROMPT)[:PROMPT].rstrip()
