"""Large deliveries while others run commands: time to acknowledge, and the longest stall.

Each large image has to be made smaller for Discord, which takes a second on one core. Meanwhile many people run
commands at once, some with the longest possible prompt, in a server with the longest possible lists of refused words.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field

from benchmarks.figures import Figure, figure
from benchmarks.harness import Conditions, Harness
from benchmarks.loop_stalls import longest
from benchmarks.services import Pictures
from fakes.discord.constants import EVERYTHING

FILE_LIMIT = 3 << 19
"""File size limit of this server, in bytes: half of a large image."""
LETTERS = "abcdefghijk"
"""The words in refused phrases and long prompts."""
PEOPLE = 1000
"""The number of the first person whose images are delivered."""
PROMPT, PHRASES, PHRASE, CHOICES = 2000, 100, 40, 10
"""Characters of the longest prompt, phrases per list, characters per phrase, and images per command."""
LONG_PROMPTS = 10
"""How many of the commands have such a prompt; half of them if there are few."""


@dataclass(slots=True)
class Outcome:
    """Milliseconds of acknowledgements and of each round's longest stalls; seconds until the images were shown."""

    acknowledged: list[float] = field(default_factory=list)
    during: list[float] = field(default_factory=list)
    until_shown: list[float] = field(default_factory=list)
    shown: list[float] = field(default_factory=list)


async def delivery(people: int, images: int, size: int, rounds: int, seed: int) -> list[Figure]:
    """Measure ``size`` commands at once while ``people`` people each receive ``images`` large images."""
    outcome = Outcome()
    for each in range(rounds):
        await _round(outcome, people, images, size, seed + each)
    beside = f"{people} × {images} large pictures"
    lines = (
        (f"{size} at once, {beside}, acknowledged after", "ms", outcome.acknowledged, "p95 ≤ 200"),
        (f"{size} at once, {beside}, longest stall during it", "ms", outcome.during, "≤ 50"),
        (f"{beside}, longest stall until all are shown", "ms", outcome.until_shown, "≤ 50"),
        (f"{beside}, shown after", "s", outcome.shown, ""),
    )
    return [figure("delivery", name, unit, values, goal) for name, unit, values, goal in lines]


async def _round(outcome: Outcome, people: int, images: int, size: int, seed: int) -> None:
    async with Harness(Conditions(seconds=(0.5, 1.0), rate=None, pictures=Pictures.NOISE, seed=seed)) as harness:
        guild = harness.channel.guild
        assert guild is not None
        guild.file_limit = FILE_LIMIT
        await harness.start()
        await harness.at_work()
        await harness.warm_up()
        await harness.until_shown(1)
        await refuse_words(harness)
        began = time.time()
        large = [
            await harness.imagine(PEOPLE + user, f"a storm, number {user}", images=images) for user in range(people)
        ]
        while (await harness.calls())["ai-client.image"] < 1 + people * images:
            await asyncio.sleep(0.1)
        long_ones = min(LONG_PROMPTS, size // 2)
        traces = [await harness.imagine(user, f"a fox, number {user}") for user in range(size - long_ones)]
        traces += [await harness.imagine(size + user, long_prompt(user)) for user in range(long_ones)]
        asked = time.time()
        await harness.until_acknowledged(traces)
        ended = max(trace.acknowledged for trace in traces)
        await asyncio.gather(*(trace.over.wait() for trace in large))
        outcome.acknowledged += [1000 * (trace.acknowledged - asked) for trace in traces]
        outcome.during.append(1000 * longest(harness.stalls, asked, ended))
        outcome.until_shown.append(1000 * longest(harness.stalls, began, max(trace.shown for trace in large)))
        outcome.shown += [trace.shown - trace.asked for trace in large]


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
    begins = f"number {number} {{{choices}}} "
    return (begins + f"{' '.join(LETTERS)} " * PROMPT)[:PROMPT].rstrip()
